using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Projections.Usage;

/// <summary>An hour of the day.</summary>
/// <param name="Hour">0 to 23, UTC.</param>
public sealed record PeakHourView(int Hour, long Bytes);

/// <summary>The last 30 days at a glance.</summary>
public sealed record DashboardStatsView
{
    /// <summary>The beginning (UTC) of the first of 30 days, the last of which is today.</summary>
    public required DateTimeOffset From { get; init; }
    public required DateTimeOffset To { get; init; }

    /// <summary>Users who were connected in these days.</summary>
    public required long ActiveUsers { get; init; }

    /// <summary>Received and sent.</summary>
    public required long BandwidthBytes { get; init; }

    /// <summary>The same in decimal gigabytes.</summary>
    public required decimal BandwidthGb { get; init; }

    /// <summary>Of all sessions together, rounded to hundredths.</summary>
    public required decimal ConnectionHours { get; init; }
    public required long ApiCalls { get; init; }

    /// <summary>Sessions that are open now.</summary>
    public required long OnlineNow { get; init; }

    /// <summary>The hours of the day, those with most bytes first; those without any are left out.</summary>
    public required IReadOnlyList<PeakHourView> PeakHours { get; init; }
}

/// <summary><c>GET /api/v1/tenant/dashboard/stats</c>.</summary>
public static class DashboardStats
{
    private const int DaysShown = 30;

    [WolverineGet("/api/v1/tenant/dashboard/stats", OperationId = "getDashboardStats"), Authorize(Roles.May + nameof(Permission.ReadUsage))]
    [ProducesResponseType<DashboardStatsView>(200)]
    public static async Task<IResult> Get(IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var from = HourSplit.DayOf(now).AddDays(1 - DaysShown);
        var totals = await UsageQueries.TotalsAsync(session, from, now, cancellation);
        var hours = await UsageQueries.HoursOfDayAsync(session, from, cancellation);
        return Reply.Ok(new DashboardStatsView
        {
            From = from,
            To = now,
            ActiveUsers = totals.ActiveUsers,
            BandwidthBytes = totals.RxBytes + totals.TxBytes,
            BandwidthGb = PeriodView.Gigabytes(totals.RxBytes, totals.TxBytes),
            ConnectionHours = PeriodView.Hours(totals.ConnectedSeconds),
            ApiCalls = totals.ApiCalls,
            OnlineNow = totals.Online,
            PeakHours = [.. hours.Select((bytes, hour) => new PeakHourView(hour, bytes)).Where(h => h.Bytes > 0).OrderByDescending(h => h.Bytes)],
        });
    }
}
