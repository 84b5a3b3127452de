using CVault.Billing;
using CVault.Projections.Usage;
using CVault.Security;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>Days of a tenant.</summary>
/// <param name="Until">The first day that is not among them.</param>
public readonly record struct TenantDays(Guid Tenant, DateOnly From, DateOnly Until);

/// <summary>What tenants used, as far as some place in the sequence of events.</summary>
public interface IBillableUsage
{
    /// <summary>The last event that is counted.</summary>
    long Through { get; }

    /// <summary>What was used on each of these, in their order: each metric by region, and what has none under the empty one; nothing of nothing.</summary>
    Task<IReadOnlyList<IReadOnlyList<Use>>> OfAsync(IReadOnlyList<TenantDays> asked, CancellationToken cancellation);

    /// <summary>Of each tenant, the months up to one of which anything changed behind a place in the sequence.</summary>
    Task<ILookup<Guid, Month>> ChangedAsync(IReadOnlyList<(Guid Tenant, Month Last, long Behind)> asked, CancellationToken cancellation);
}

/// <summary>
/// What tenants used, by the read model, at one place in the sequence of events: whatever is asked of one of these is of the
/// same moment. A user or device counts where one of its sessions was open; open sessions count until now.
/// </summary>
public sealed class BillableUsage : IBillableUsage, IAsyncDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly NpgsqlTransaction transaction;
    private readonly DateTimeOffset now;

    private BillableUsage(NpgsqlConnection connection, NpgsqlTransaction transaction, long through, DateTimeOffset now) =>
        (this.connection, this.transaction, Through, this.now) = (connection, transaction, through, now);

    public long Through { get; }

    /// <param name="tenant">Whose it is, behind the wall between tenants; null for the platform, which may ask of all.</param>
    /// <param name="least">The place in the sequence of events up to which all must be counted.</param>
    /// <exception cref="UsageBehindException">The read model stands still, or has not come so far: it is being made anew, say.</exception>
    public static async Task<BillableUsage> TakeAsync(NpgsqlDataSource database, Guid? tenant, DateTimeOffset now, long least, CancellationToken cancellation)
    {
        var connection = await database.OpenConnectionAsync(cancellation);
        try
        {
            var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
            // In one exchange. The lock is first, before the transaction has seen anything: who would make these tables anew has done it by then, or waits.
            await using var batch = new NpgsqlBatch(connection, transaction)
            {
                BatchCommands = { new($"lock table {TableNames.Live[UsageModel.Sessions]}, {TableNames.Live[UsageModel.Days]}, {TableNames.Live[UsageModel.Months]} in access share mode") },
            };
            if (tenant is { } one) batch.BatchCommands.Add(new(TenantWall.CallFor(one.ToString())));
            batch.BatchCommands.Add(new($"select position, state from {ReadModelRow.Models} where name = 'usage'"));
            await using var reader = await batch.ExecuteReaderAsync(cancellation);
            if (!await reader.ReadAsync(cancellation) || reader.GetString(1) != ReadModelRow.Running) throw new UsageBehindException();
            var through = reader.GetInt64(0);
            if (through < least) throw new UsageBehindException();
            await reader.DisposeAsync();
            return new BillableUsage(connection, transaction, through, now);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    public async Task<IReadOnlyList<IReadOnlyList<Use>>> OfAsync(IReadOnlyList<TenantDays> asked, CancellationToken cancellation)
    {
        // Sessions are counted tenant by tenant (lateral): by its guess of what the wall lets through, PostgreSQL would read all tenants' instead.
        await using var command = new NpgsqlCommand($"""
            with asked as (select * from unnest($1, $2, $3) with ordinality as a (tenant_id, first, until, n)),
            used as (
              select a.n, coalesce(s.region, '') as region, d.rx_bytes + d.tx_bytes as bytes, d.connected_seconds as seconds
              from asked a join {TableNames.Live[UsageModel.Days]} d on d.tenant_id = a.tenant_id and d.start >= a.first and d.start < a.until
              left join {TableNames.Live[UsageModel.Sessions]} s on s.tenant_id = d.tenant_id and s.number = d.number
              union all
              select a.n, s.region, 0, {UsageQueries.SecondsOf("least(a.until, $4)", "a.first")}
              from asked a join {TableNames.Live[UsageModel.Sessions]} s on s.tenant_id = a.tenant_id and s.ended_at = 'infinity' and s.started_at < least(a.until, $4))
            select n, region, sum(bytes)::bigint, sum(seconds)::bigint, 0::bigint, 0::bigint from used group by n, region
            union all
            select a.n, '', 0, 0, active.users, active.devices from asked a cross join lateral (
              select count(distinct user_id) as users, count(distinct device_id) as devices from {TableNames.Live[UsageModel.Sessions]} s
              where s.tenant_id = a.tenant_id and s.ended_at >= a.first and s.started_at < a.until) active
            """, connection, transaction);
        command.Parameters.Add(new() { Value = asked.Select(a => a.Tenant).ToArray() });
        command.Parameters.Add(new() { Value = asked.Select(a => Month.At(a.From)).ToArray() });
        command.Parameters.Add(new() { Value = asked.Select(a => Month.At(a.Until)).ToArray() });
        command.Parameters.Add(new() { Value = now });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var uses = asked.Select(_ => new List<Use>()).ToArray();
        while (await reader.ReadAsync(cancellation))
        {
            var (of, region) = (uses[reader.GetInt64(0) - 1], reader.GetString(1));
            foreach (var (metric, column) in Columns)
            {
                if (reader.GetInt64(column) is > 0 and var quantity) of.Add(new Use(metric, region, quantity));
            }
        }

        return uses;
    }

    public async Task<ILookup<Guid, Month>> ChangedAsync(IReadOnlyList<(Guid Tenant, Month Last, long Behind)> asked, CancellationToken cancellation)
    {
        var months = new List<(Guid Tenant, Month Month)>();
        if (asked.Count > 0)
        {
            await using var command = new NpgsqlCommand($"""
                select m.tenant_id, m.start from unnest($1, $2, $3) as a (tenant_id, until, behind)
                join {TableNames.Live[UsageModel.Months]} m on m.tenant_id = a.tenant_id and m.start < a.until and m.changed > a.behind order by 1, 2
                """, connection, transaction);
            command.Parameters.Add(new() { Value = asked.Select(a => a.Tenant).ToArray() });
            command.Parameters.Add(new() { Value = asked.Select(a => a.Last.Until).ToArray() });
            command.Parameters.Add(new() { Value = asked.Select(a => a.Behind).ToArray() });
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation)) months.Add((reader.GetGuid(0), Month.Of(reader.GetFieldValue<DateTimeOffset>(1))));
        }

        return months.ToLookup(m => m.Tenant, m => m.Month);
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    private static readonly (Metric, int Column)[] Columns = [(Metric.Traffic, 2), (Metric.ConnectionTime, 3), (Metric.ActiveUsers, 4), (Metric.ActiveDevices, 5)];
}

/// <summary>The usage read model is stopped or behind: what it says is not what was used.</summary>
public sealed class UsageBehindException() : Exception("The usage read model stands still or is behind; nothing can be billed by it.");
