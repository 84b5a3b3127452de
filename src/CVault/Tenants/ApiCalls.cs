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

    private readonly ConcurrentDictionary<(Guid Tenant, DateOnly Day, string Key), (long Calls, DateTimeOffset Last)> counted = new();

    /// <summary>Keys that were good for a call, by UTC day; of today and yesterday, and so at most twice as many as there are.</summary>
    private readonly ConcurrentDictionary<(string Key, DateOnly Day), bool> used = new();

    /// <summary><c>key_id</c> is empty for calls that a token alone made.</summary>
    public static Table Schema()
    {
        var table = new Table(Database.Named("api_calls"));
        table.AddColumn("tenant_id", "text").AsPrimaryKey();
        table.AddColumn("day", "date").AsPrimaryKey();
        table.AddColumn("key_id", "text").AsPrimaryKey();
        table.AddColumn("calls", "bigint").NotNull();
        table.AddColumn("last_at", "timestamptz").NotNull();
        return table;
    }

    /// <param name="keyId">Null for a call by a token alone.</param>
    /// <returns>Whether it is the key's first call of the UTC day on this node, as far as it remembers.</returns>
    public bool Count(Guid tenantId, string? keyId)
    {
        var now = time.GetUtcNow();
        var day = DateOnly.FromDateTime(now.UtcDateTime);
        counted.AddOrUpdate((tenantId, day, keyId ?? ""), static (_, now) => (1, now), static (_, n, now) => (n.Calls + 1, now), now);
        return keyId is not null && used.TryAdd((keyId, day), true);
    }

    /// <summary>How the keys of the session's tenant were used: the last call of each, and how many there were in the calendar month (UTC).</summary>
    public static async Task<IReadOnlyDictionary<string, (DateTimeOffset Last, long Calls)>> OfKeysAsync(IQuerySession session, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select key_id, max(last_at), coalesce(sum(calls) filter (where day >= $2), 0)::bigint from {Database.Schema}.api_calls where tenant_id = $1 group by key_id");
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = new DateOnly(now.UtcDateTime.Year, now.UtcDateTime.Month, 1) });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var uses = new Dictionary<string, (DateTimeOffset, long)>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation)) uses[reader.GetString(0)] = (reader.GetFieldValue<DateTimeOffset>(1), reader.GetInt64(2));
        return uses;
    }

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
        var yesterday = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(-1);
        foreach (var old in used.Keys.Where(k => k.Day < yesterday)) used.TryRemove(old, out _);

        var taken = new List<KeyValuePair<(Guid Tenant, DateOnly Day, string Key), (long Calls, DateTimeOffset Last)>>();
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
                insert into {Database.Schema}.api_calls as c (tenant_id, day, key_id, calls, last_at) select * from unnest($1::text[], $2::date[], $3::text[], $4::bigint[], $5::timestamptz[])
                on conflict (tenant_id, day, key_id) do update set calls = c.calls + excluded.calls, last_at = greatest(c.last_at, excluded.last_at)
                """);
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Tenant.ToString()).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Day).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Key.Key).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Value.Calls).ToArray() });
            command.Parameters.Add(new() { Value = taken.Select(t => t.Value.Last).ToArray() });
            await command.ExecuteNonQueryAsync(cancellation);
        }
        catch (Exception e)
        {
            // Perhaps it was written after all: then they count twice, which a database that fails as it answers may cost.
            foreach (var (of, calls) in taken) counted.AddOrUpdate(of, calls, (_, more) => (more.Calls + calls.Calls, more.Last));
            if (e is NpgsqlException or TimeoutException or OperationCanceledException or System.Net.Sockets.SocketException)
            {
                logger.LogWarning("Calls are counted later: {Reason}", e.GetBaseException().GetType().Name);
                return;
            }

            throw;
        }
    }
}
