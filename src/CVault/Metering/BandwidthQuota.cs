using CVault.Tenants;
using Marten;
using Npgsql;

namespace CVault.Metering;

/// <summary>Adds what servers' counters showed to the tenants' months, and says who has thereby reached its limit.</summary>
public static class BandwidthQuota
{
    /// <summary>
    /// Part of the transaction that records the readings: the sums are exact as the readings are. The rows are locked in
    /// one order, so that the collectors of two servers wait for one another and never in a circle; of two that carry a
    /// tenant over its limit the second finds it said.
    /// </summary>
    /// <remarks>
    /// The one statement may still read the limit of before a change that it waited for. The change has then decided on
    /// what there was, and <see cref="EnforceBandwidth"/> sees the rest within seconds.
    /// </remarks>
    /// <param name="session">The platform's, in its transaction; the caller saves it.</param>
    /// <param name="moved">What moved, any number of readings a tenant.</param>
    /// <param name="cancellation">Ends the wait for others that add to the same tenants.</param>
    /// <returns>The tenants whose access changes with the commit: after it, a <see cref="TenantAccessChanged"/> for each wakes their servers.</returns>
    public static async Task<IReadOnlyList<Guid>> AddAsync(
        IDocumentSession session, IReadOnlyList<(string TenantId, DateTimeOffset From, DateTimeOffset To, long RxBytes, long TxBytes)> moved, CancellationToken cancellation)
    {
        if (moved.Count == 0) return [];
        // Marten commits only a session that has something to save, and sums that say nothing are to be kept too.
        session.QueueSqlCommand("select 1");
        var changed = new List<Guid>();
        foreach (var uses in (await SumAsync(session, moved, cancellation)).GroupBy(u => u.TenantId))
        {
            var id = Guid.Parse(uses.Key);
            // The statement saw the tenant without a lock; with it, it is decided.
            var stream = await session.ForTenant(uses.Key).Events.FetchForExclusiveWriting<Tenant>(id, cancellation);
            if (stream.Aggregate is not { } tenant) continue;
            var limit = tenant.Settings.BandwidthLimitBytes;
            foreach (var (_, use, isCurrent) in uses)
            {
                object[] events = [.. isCurrent ? use.Settle(tenant, limit) : use.Warnings(limit)];
                stream.AppendMany(events);
                Bandwidth.Remember(id, events).Execute(session);
                if (!tenant.IsSuspended && events.Any(e => e is BandwidthExhausted or BandwidthRestored)) changed.Add(id);
            }
        }

        return changed;
    }

    /// <summary>
    /// A reading's bytes by the calendar month (UTC), by time where it spans a month's end, which belongs to the month
    /// before. The parts sum to the whole.
    /// </summary>
    public static IEnumerable<(DateOnly Month, long RxBytes, long TxBytes)> ByMonth(DateTimeOffset from, DateTimeOffset to, long rxBytes, long txBytes)
    {
        var start = from < to ? from : to;
        var month = Bandwidth.MonthOf(start);
        var (rx, tx) = (0L, 0L);
        for (var end = EndOf(month); end < to; end = EndOf(month))
        {
            var (rxUntil, txUntil) = (Until(rxBytes), Until(txBytes));
            yield return (month, rxUntil - rx, txUntil - tx);
            (rx, tx, month) = (rxUntil, txUntil, month.AddMonths(1));

            long Until(long bytes) => (long)((Int128)bytes * (end - start).Ticks / (to - start).Ticks);
        }

        yield return (month, rxBytes - rx, txBytes - tx);

        static DateTimeOffset EndOf(DateOnly month) => new(month.AddMonths(1), default, TimeSpan.Zero);
    }

    /// <summary>Adds, and answers the months about which something is to be said, by tenant and month.</summary>
    private static async Task<List<(string TenantId, BandwidthUse Use, bool IsCurrent)>> SumAsync(
        IDocumentSession session, IReadOnlyList<(string TenantId, DateTimeOffset From, DateTimeOffset To, long RxBytes, long TxBytes)> moved, CancellationToken cancellation)
    {
        var months = moved
            .SelectMany(m => ByMonth(m.From, m.To, m.RxBytes, m.TxBytes), (m, part) => (m.TenantId, part.Month, part.RxBytes, part.TxBytes))
            .GroupBy(p => (p.TenantId, p.Month)).Select(g => (g.Key.TenantId, g.Key.Month, Rx: g.Sum(p => p.RxBytes), Tx: g.Sum(p => p.TxBytes))).ToArray();
        // The tenant's last month that is known of is the current one: a reading that comes late takes no tunnel of the
        // next month, whose row is there as soon as anyone has decided on it.
        await using var command = new NpgsqlCommand($"""
            with added as (
              insert into {Bandwidth.TableName} as b (tenant_id, month, rx_bytes, tx_bytes)
              select * from unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[]) as m (tenant_id, month, rx, tx) order by m.tenant_id, m.month
              on conflict (tenant_id, month) do update set rx_bytes = b.rx_bytes + excluded.rx_bytes, tx_bytes = b.tx_bytes + excluded.tx_bytes
              returning tenant_id, month, rx_bytes + tx_bytes as bytes, warned, warned_limit),
            standing as (
              select a.*, {LimitOf("t")} as bytes_limit, {IsOver("t")} as is_over,
                not exists (select 1 from added l where l.tenant_id = a.tenant_id and l.month > a.month)
                and not exists (select 1 from {Bandwidth.TableName} l where l.tenant_id = a.tenant_id and l.month > a.month) as is_current
              from added a join {Database.Schema}.mt_doc_tenant t on t.tenant_id = a.tenant_id and t.id = a.tenant_id::uuid)
            select tenant_id, month, bytes, warned, warned_limit, is_current from standing
            where bytes >= bytes_limit and is_current and not is_over
              or bytes_limit > 0 and bytes >= bytes_limit / 5 * 4
                and (warned_limit is distinct from bytes_limit or warned < case when bytes >= bytes_limit then 100 else 80 end)
            order by tenant_id, month
            """);
        command.Parameters.Add(new() { Value = months.Select(m => m.TenantId).ToArray() });
        command.Parameters.Add(new() { Value = months.Select(m => m.Month).ToArray() });
        command.Parameters.Add(new() { Value = months.Select(m => m.Rx).ToArray() });
        command.Parameters.Add(new() { Value = months.Select(m => m.Tx).ToArray() });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var uses = new List<(string, BandwidthUse, bool)>();
        while (await reader.ReadAsync(cancellation))
        {
            uses.Add((
                reader.GetString(0),
                new BandwidthUse(reader.GetFieldValue<DateOnly>(1), reader.GetInt64(2), reader.GetInt32(3), reader.IsDBNull(4) ? null : reader.GetInt64(4)),
                reader.GetBoolean(5)));
        }

        return uses;
    }

    /// <summary>A tenant's limit in bytes, as <see cref="TenantSettings.BandwidthLimitBytes"/>.</summary>
    internal static string LimitOf(string tenant) => $"(({tenant}.data -> 'settings' ->> 'bandwidthLimitGb')::bigint * {TenantSettings.BytesPerGb})";

    /// <summary><see cref="Tenant.OverBandwidth"/>.</summary>
    internal static string IsOver(string tenant) => $"coalesce(({tenant}.data ->> 'overBandwidth')::boolean, false)";
}
