using Marten;
using Npgsql;

namespace CVault.Projections.Usage;

/// <summary>A period's sums.</summary>
/// <param name="ActiveUsers">Users with a session that had not ended before the period.</param>
/// <param name="Online">Sessions that are open now.</param>
/// <param name="ApiCalls">Calls of the API, those of the last seconds excepted (<see cref="Tenants.ApiCalls"/>).</param>
public sealed record UsageTotals(long RxBytes, long TxBytes, long ConnectedSeconds, long ActiveUsers, long Online, long ApiCalls);

/// <summary>One hour or day, of one group or of the whole tenant.</summary>
/// <param name="Key">The user's or device's id or the region; empty without groups and for what is not known yet.</param>
public sealed record UsageRow(DateTimeOffset Start, string Key, long RxBytes, long TxBytes, long ConnectedSeconds, long ActiveUsers);

/// <summary>
/// Sums of the session's tenant. Seconds of sessions that are still open are counted here, up to now: by the same rule as at
/// a session's end, so that nothing jumps when it ends. Never negative, whatever a clock did.
/// </summary>
internal static class UsageQueries
{
    private static readonly string Sessions = TableNames.Live[UsageModel.Sessions];

    /// <param name="from">The beginning of a UTC day.</param>
    public static async Task<UsageTotals> TotalsAsync(IQuerySession session, DateTimeOffset from, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select d.*, o.seconds, o.online, u.users, c.calls from
              (select coalesce(sum(rx_bytes), 0)::bigint, coalesce(sum(tx_bytes), 0)::bigint, coalesce(sum(connected_seconds), 0)::bigint
               from {TableNames.Live[UsageModel.Days]} where tenant_id = $1 and start >= $2) d,
              (select coalesce(sum({SecondsOf("$3", "$2")}), 0)::bigint as seconds, count(*) as online from {Sessions} s where tenant_id = $1 and ended_at = 'infinity') o,
              (select count(distinct user_id) as users from {Sessions} where tenant_id = $1 and ended_at >= $2) u,
              (select coalesce(sum(calls), 0)::bigint as calls from {Database.Schema}.api_calls where tenant_id = $4 and day >= $5) c
            """);
        command.Parameters.Add(new() { Value = Guid.Parse(session.TenantId) });
        command.Parameters.Add(new() { Value = from });
        command.Parameters.Add(new() { Value = now });
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = DateOnly.FromDateTime(from.UtcDateTime) });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        await reader.ReadAsync(cancellation);
        return new UsageTotals(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2) + reader.GetInt64(3), reader.GetInt64(5), reader.GetInt64(4), reader.GetInt64(6));
    }

    /// <summary>Rows in the order of time and group, <paramref name="take"/> at most.</summary>
    public static async Task<List<UsageRow>> SeriesAsync(IQuerySession session, UsageRange range, (DateTimeOffset Start, string Key)? after, int take, DateTimeOffset now, CancellationToken cancellation)
    {
        var key = range.GroupBy switch { "user" => "coalesce(s.user_id::text, '')", "device" => "coalesce(s.device_id::text, '')", "region" => "coalesce(s.region, '')", _ => "''" };
        var step = range.Hourly ? "interval '1 hour'" : "interval '24 hours'";
        await using var command = new NpgsqlCommand($"""
            select b.start, {key} as key, sum(b.rx_bytes)::bigint, sum(b.tx_bytes)::bigint, sum(b.seconds)::bigint, count(distinct s.user_id) from (
              select start, number, rx_bytes, tx_bytes, connected_seconds as seconds from {TableNames.Live[range.Hourly ? UsageModel.Hours : UsageModel.Days]} where tenant_id = $1 and start >= $2 and start < $3
              union all
              select g.start, s.number, 0, 0, {SecondsOf($"least(g.start + {step}, $4)", "g.start")}
              from {Sessions} s cross join lateral generate_series(greatest($2, date_trunc('{(range.Hourly ? "hour" : "day")}', s.started_at, 'UTC')), least($3, $4) - interval '1 microsecond', {step}) as g (start)
              where s.tenant_id = $1 and s.ended_at = 'infinity' and s.started_at < $4
            ) b left join {Sessions} s on s.tenant_id = $1 and s.number = b.number
            where b.start > $5 or (b.start = $5 and {key} > $6)
            group by 1, 2 order by 1, 2 limit $7
            """);
        var begin = after is { } a && a.Start > range.From ? a.Start : range.From;
        foreach (var value in new object[] { Guid.Parse(session.TenantId), begin, range.To, now, after?.Start ?? DateTimeOffset.UnixEpoch, after?.Key ?? "", take }) command.Parameters.Add(new() { Value = value });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var rows = new List<UsageRow>();
        while (await reader.ReadAsync(cancellation))
        {
            rows.Add(new UsageRow(reader.GetFieldValue<DateTimeOffset>(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5)));
        }

        return rows;
    }

    /// <summary>The bytes of each hour of the day (UTC), 24 of them.</summary>
    public static async Task<long[]> HoursOfDayAsync(IQuerySession session, DateTimeOffset from, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select extract(hour from start at time zone 'UTC')::int, sum(rx_bytes + tx_bytes)::bigint from {TableNames.Live[UsageModel.Hours]} where tenant_id = $1 and start >= $2 group by 1
            """);
        command.Parameters.Add(new() { Value = Guid.Parse(session.TenantId) });
        command.Parameters.Add(new() { Value = from });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var hours = new long[24];
        while (await reader.ReadAsync(cancellation)) hours[reader.GetInt32(0)] = reader.GetInt64(1);
        return hours;
    }

    /// <summary>The whole seconds of session <c>s</c> between two moments, as <see cref="HourSplit.Seconds"/> counts them from its start.</summary>
    internal static string SecondsOf(string until, string from) =>
        $"(greatest(0, floor(extract(epoch from {until} - s.started_at))) - greatest(0, floor(extract(epoch from least({from}, {until}) - s.started_at))))::bigint";
}
