using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>The tenant moved a share of what it may move in a month. Said once for each share, month and limit.</summary>
/// <param name="Month">The calendar month (UTC), by its first day.</param>
/// <param name="Percent">80 or 100.</param>
/// <param name="Bytes">What it had moved then, received and sent.</param>
/// <param name="LimitBytes">What it may move in a month.</param>
public sealed record BandwidthWarned(DateOnly Month, int Percent, long Bytes, long LimitBytes);

/// <summary>From here on the tenant has no tunnels: its peers leave the servers, and no call gives it another.</summary>
/// <param name="Month">The calendar month (UTC), by its first day.</param>
/// <param name="Bytes">What it had moved then, received and sent; never less than <paramref name="LimitBytes"/>.</param>
/// <param name="LimitBytes">What it may move in a month.</param>
public sealed record BandwidthExhausted(DateOnly Month, long Bytes, long LimitBytes);

/// <summary>The tenant may have tunnels again; its peers return.</summary>
/// <param name="Reason"><c>new_month</c> or <c>limit_raised</c>.</param>
public sealed record BandwidthRestored(string Reason);

/// <summary>What a tenant moved in a calendar month (UTC), and what it was told of that.</summary>
/// <param name="Month">The month's first day.</param>
/// <param name="Bytes">Received and sent, over all servers.</param>
/// <param name="Warned">The highest share that it was warned of, in per cent; 0 for none.</param>
/// <param name="WarnedLimit">The limit, in bytes, of which that was a share; null for none.</param>
public sealed record BandwidthUse(DateOnly Month, long Bytes, int Warned = 0, long? WarnedLimit = null)
{
    /// <summary>What is to be said of this month under a limit. Of a limit of nothing there are no shares.</summary>
    /// <param name="limit">In bytes; null is unlimited.</param>
    public IEnumerable<BandwidthWarned> Warnings(long? limit)
    {
        if (limit is not > 0) yield break;
        var warned = WarnedLimit == limit ? Warned : 0;
        // A limit is a whole number of gigabytes, so that a fifth of it is exact.
        if (warned < 80 && Bytes >= limit / 5 * 4) yield return new BandwidthWarned(Month, 80, Bytes, limit.Value);
        if (warned < 100 && Bytes >= limit) yield return new BandwidthWarned(Month, 100, Bytes, limit.Value);
    }

    /// <summary>The events that make the tenant's standing what the use of the current month says; none where it is that.</summary>
    /// <param name="tenant">The tenant with the limit that it had until now.</param>
    /// <param name="limit">The limit that holds from now on, in bytes; null is unlimited.</param>
    public IEnumerable<object> Settle(Tenant tenant, long? limit)
    {
        foreach (var warning in Warnings(limit)) yield return warning;
        var over = Bytes >= limit;
        if (over == tenant.OverBandwidth) yield break;
        yield return over ? new BandwidthExhausted(Month, Bytes, limit!.Value) : new BandwidthRestored(Bytes < tenant.Settings.BandwidthLimitBytes ? "new_month" : "limit_raised");
    }
}

/// <summary>
/// The months' sums, a row a tenant and month, and the referee of its limit: whoever decides on a tenant's standing holds
/// the row of the current month, and then the tenant's stream, until the commit.
/// </summary>
public static class Bandwidth
{
    /// <summary>Qualified.</summary>
    public const string TableName = $"{Database.Schema}.bandwidth";

    public static Table Schema()
    {
        var table = new Table(Database.Named("bandwidth"));
        table.AddColumn("tenant_id", "text").AsPrimaryKey();
        table.AddColumn("month", "date").AsPrimaryKey();
        table.AddColumn("rx_bytes", "bigint").NotNull();
        table.AddColumn("tx_bytes", "bigint").NotNull();
        table.AddColumn("warned", "integer").NotNull().DefaultValueByExpression("0");
        table.AddColumn("warned_limit", "bigint");
        return table;
    }

    /// <summary>The calendar month (UTC), by its first day.</summary>
    public static DateOnly MonthOf(DateTimeOffset at) => new(at.UtcDateTime.Year, at.UtcDateTime.Month, 1);

    /// <summary>What the session's tenant has moved this month; nothing is added to it, and nobody else decides on it, until the session's transaction ends.</summary>
    public static async Task<BandwidthUse> LockAsync(IDocumentSession session, DateTimeOffset now, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        // Where there is no row yet there is one to lock now.
        await using var command = new NpgsqlCommand($"""
            insert into {TableName} as b (tenant_id, month, rx_bytes, tx_bytes) values ($1, $2, 0, 0)
            on conflict (tenant_id, month) do update set rx_bytes = b.rx_bytes
            returning rx_bytes + tx_bytes, warned, warned_limit
            """);
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = MonthOf(now) });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        await reader.ReadAsync(cancellation);
        return new BandwidthUse(MonthOf(now), reader.GetInt64(0), reader.GetInt32(1), reader.IsDBNull(2) ? null : reader.GetInt64(2));
    }

    /// <summary>What the session's tenant has moved this month, as far as the servers were read.</summary>
    public static async Task<long> UsedAsync(IQuerySession session, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select rx_bytes + tx_bytes from {TableName} where tenant_id = $1 and month = $2");
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = MonthOf(now) });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0;
    }

    /// <summary>Remembers the warnings among the events, so that each is given once.</summary>
    public static IMartenOp Remember(Guid tenantId, IEnumerable<object> events) => events.OfType<BandwidthWarned>().LastOrDefault() is { } last
        ? MartenOps.QueueSqlCommand($"update {TableName} set warned = ?, warned_limit = ? where tenant_id = ? and month = ?", last.Percent, last.LimitBytes, tenantId.ToString(), last.Month)
        : MartenOps.Nothing();
}
