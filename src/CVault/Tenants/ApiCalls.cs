using System.Collections.Concurrent;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace CVault.Tenants;

/// <summary>
/// The calls that were let through, by tenant, UTC day and key, for quotas and bills. Counted in memory and added to the
/// table each five seconds and at the end: a node that is killed loses at most its last five seconds of counts, a caller
/// never more than that in its favour.
/// </summary>
public sealed class ApiCalls(NpgsqlDataSource database, TimeProvider time, ILogger<ApiCalls> logger) : BackgroundService
{
    /// <summary>How much a kill may lose.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<(Guid Tenant, DateOnly Day, string Key), long> counted = new();

    /// <summary><c>key_id</c> is empty for calls that a token alone made.</summary>
    public static Table Schema()
    {
        var table = new Table(Database.Named("api_calls"));
        table.AddColumn("tenant_id", "text").AsPrimaryKey();
        table.AddColumn("day", "date").AsPrimaryKey();
        table.AddColumn("key_id", "text").AsPrimaryKey();
        table.AddColumn("calls", "bigint").NotNull();
        return table;
    }

    /// <param name="keyId">Null for a call by a token alone.</param>
    public void Count(Guid tenantId, string? keyId) =>
        counted.AddOrUpdate((tenantId, DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime), keyId ?? ""), 1, static (_, n) => n + 1);

    /// <summary>The calls of the session's tenant in the calendar month (UTC) of <paramref name="now"/>, as far as they are in the table.</summary>
    public static async Task<long> OfMonthAsync(IQuerySession session, DateTimeOffset now, CancellationToken cancellation)
    {
        var first = new DateOnly(now.UtcDateTime.Year, now.UtcDateTime.Month, 1);
        await using var command = new NpgsqlCommand($"select coalesce(sum(calls), 0)::bigint from {Database.Schema}.api_calls where tenant_id = $1 and day >= $2 and day < $3");
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = first });
        command.Parameters.Add(new() { Value = first.AddMonths(1) });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) await FlushAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // StopAsync writes the rest.
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        var taken = new List<KeyValuePair<(Guid Tenant, DateOnly Day, string Key), long>>();
        foreach (var of in counted.Keys)
        {
            if (counted.TryRemove(of, out var calls)) taken.Add(new(of, calls));
        }

        if (taken.Count == 0) return;
        // In one order on all nodes, so that none waits for another in a circle.
        taken.Sort((a, b) => (string.CompareOrdinal(a.Key.Tenant.ToString(), b.Key.Tenant.ToString()), a.Key.Day.CompareTo(b.Key.Day), string.CompareOrdinal(a.Key.Key, b.Key.Key)) switch
        {
            (not 0 and var tenant, _, _) => tenant,
            (_, not 0 and var day, _) => day,
            (_, _, var key) => key,
        });
        try
        {
            await using var command = database.CreateCommand($"""
                insert into {Database.Schema}.api_calls as c (tenant_id, day, key_id, calls) select * from unnest($1::text[], $2::date[], $3::text[], $4::bigint[])
                on conflict (tenant_id, day, key_id) do update set calls = c.calls + excluded.calls
                """);
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Tenant.ToString()).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Day).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Key).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Value).ToArray() });
            await command.ExecuteNonQueryAsync(cancellation);
        }
        catch (Exception e)
        {
            // Perhaps it was written after all: then they count twice, which a database that fails as it answers may cost.
            foreach (var (of, calls) in taken) counted.AddOrUpdate(of, calls, (_, more) => more + calls);
            if (e is NpgsqlException or TimeoutException or OperationCanceledException or System.Net.Sockets.SocketException)
            {
                logger.LogWarning("Calls are counted later: {Reason}", e.GetBaseException().GetType().Name);
                return;
            }

            throw;
        }
    }
}
