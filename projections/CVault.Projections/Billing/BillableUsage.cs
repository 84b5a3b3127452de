using CVault.Billing;
using CVault.Projections.Usage;
using CVault.Security;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>What a tenant used, as far as some place in the sequence of events.</summary>
public interface IBillableUsage
{
    /// <summary>The last event that is counted.</summary>
    long Through { get; }

    /// <summary>What was used on some days: each metric by region, and what has none under the empty one; nothing of nothing.</summary>
    Task<IReadOnlyList<Use>> OfAsync(Guid tenant, DateOnly from, DateOnly until, CancellationToken cancellation);

    /// <summary>The months up to one of which anything changed behind a place in the sequence.</summary>
    Task<IReadOnlyList<Month>> ChangedAsync(Guid tenant, Month last, long behind, CancellationToken cancellation);
}

/// <summary>
/// What a tenant used, by the read model, at one place in the sequence of events: whatever is asked of one of these is of the
/// same moment, and behind the wall between tenants. A user or device counts where one of its sessions was open; open sessions count until now.
/// </summary>
public sealed class BillableUsage : IBillableUsage, IAsyncDisposable
{
    private readonly NpgsqlConnection connection;
    private readonly NpgsqlTransaction transaction;
    private readonly DateTimeOffset now;

    private BillableUsage(NpgsqlConnection connection, NpgsqlTransaction transaction, long through, DateTimeOffset now) =>
        (this.connection, this.transaction, Through, this.now) = (connection, transaction, through, now);

    public long Through { get; }

    /// <param name="least">The place in the sequence of events up to which all must be counted.</param>
    /// <exception cref="UsageBehindException">The read model stands still, or has not come so far: it is being made anew, say.</exception>
    public static async Task<BillableUsage> TakeAsync(NpgsqlDataSource database, Guid tenant, DateTimeOffset now, long least, CancellationToken cancellation)
    {
        var connection = await database.OpenConnectionAsync(cancellation);
        try
        {
            var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
            // In one exchange. The lock is first, before the transaction has seen anything: who would make these tables anew has done it by then, or waits.
            await using var batch = new NpgsqlBatch(connection, transaction)
            {
                BatchCommands =
                {
                    new($"lock table {TableNames.Live[UsageModel.Sessions]}, {TableNames.Live[UsageModel.Days]}, {TableNames.Live[UsageModel.Months]} in access share mode"),
                    new(TenantWall.CallFor(tenant.ToString())),
                    new($"select position, state from {ReadModelRow.Models} where name = 'usage'"),
                },
            };
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

    public async Task<IReadOnlyList<Use>> OfAsync(Guid tenant, DateOnly from, DateOnly until, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            with used as (
              select coalesce(s.region, '') as region, d.rx_bytes + d.tx_bytes as bytes, d.connected_seconds as seconds
              from {TableNames.Live[UsageModel.Days]} d left join {TableNames.Live[UsageModel.Sessions]} s on s.tenant_id = d.tenant_id and s.number = d.number
              where d.tenant_id = $1 and d.start >= $2 and d.start < $3
              union all
              select s.region, 0, {UsageQueries.SecondsOf("least($3, $4)", "$2")} from {TableNames.Live[UsageModel.Sessions]} s
              where s.tenant_id = $1 and s.ended_at = 'infinity' and s.started_at < least($3, $4))
            select 0, region, sum(bytes)::bigint from used group by region having sum(bytes) > 0
            union all select 1, region, sum(seconds)::bigint from used group by region having sum(seconds) > 0
            union all select 2, '', count(distinct user_id) from {TableNames.Live[UsageModel.Sessions]} where tenant_id = $1 and ended_at >= $2 and started_at < $3
            union all select 3, '', count(distinct device_id) from {TableNames.Live[UsageModel.Sessions]} where tenant_id = $1 and ended_at >= $2 and started_at < $3
            order by 1, 2
            """, connection, transaction);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = Month.At(from) });
        command.Parameters.Add(new() { Value = Month.At(until) });
        command.Parameters.Add(new() { Value = now });
        // Planning takes longer than the look itself.
        await command.PrepareAsync(cancellation);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var uses = new List<Use>();
        while (await reader.ReadAsync(cancellation))
        {
            if (reader.GetInt64(2) > 0) uses.Add(new Use(Of(reader.GetInt32(0)), reader.GetString(1), reader.GetInt64(2)));
        }

        return uses;
    }

    public async Task<IReadOnlyList<Month>> ChangedAsync(Guid tenant, Month last, long behind, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select start from {TableNames.Live[UsageModel.Months]} where tenant_id = $1 and start < $2 and changed > $3 order by 1", connection, transaction);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = last.Until });
        command.Parameters.Add(new() { Value = behind });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var months = new List<Month>();
        while (await reader.ReadAsync(cancellation)) months.Add(Month.Of(reader.GetFieldValue<DateTimeOffset>(0)));
        return months;
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    private static Metric Of(int number) => number switch { 0 => Metric.Traffic, 1 => Metric.ConnectionTime, 2 => Metric.ActiveUsers, _ => Metric.ActiveDevices };
}

/// <summary>The usage read model is stopped or behind: what it says is not what was used.</summary>
public sealed class UsageBehindException() : Exception("The usage read model stands still or is behind; nothing can be billed by it.");
