using System.Text.Json.Serialization;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Projections.Usage;

/// <summary>What a tenant used in a period.</summary>
public sealed record PeriodView
{
    public required DateTimeOffset From { get; init; }

    /// <summary>Now: the sums go up to the last reading before it.</summary>
    public required DateTimeOffset To { get; init; }

    /// <summary>Received and sent, in decimal gigabytes.</summary>
    public required decimal BandwidthGb { get; init; }

    /// <summary>Received from devices.</summary>
    public required long RxBytes { get; init; }

    /// <summary>Sent to devices.</summary>
    public required long TxBytes { get; init; }

    /// <summary>Users who were connected in the period.</summary>
    public required long ActiveUsers { get; init; }

    /// <summary>Of all sessions together, rounded to hundredths.</summary>
    public required decimal ConnectionHours { get; init; }

    /// <summary>Calls of the API in the period.</summary>
    public required long ApiCalls { get; init; }

    internal static PeriodView Of(UsageTotals totals, DateTimeOffset from, DateTimeOffset now) => new()
    {
        From = from, To = now, BandwidthGb = Gigabytes(totals.RxBytes, totals.TxBytes), RxBytes = totals.RxBytes, TxBytes = totals.TxBytes, ActiveUsers = totals.ActiveUsers,
        ConnectionHours = Hours(totals.ConnectedSeconds), ApiCalls = totals.ApiCalls,
    };

    internal static decimal Gigabytes(long rx, long tx) => ((decimal)rx + tx) / 1_000_000_000m;

    internal static decimal Hours(long seconds) => Math.Round(seconds / 3600m, 2);
}

/// <summary>One hour or day of a series, and one group in it where it is grouped.</summary>
public sealed record UsagePointView
{
    /// <summary>The beginning of the hour or day, in UTC.</summary>
    public required DateTimeOffset Start { get; init; }

    /// <summary>Only with <c>group_by=user</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Guid? UserId { get; init; }

    /// <summary>Only with <c>group_by=device</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Guid? DeviceId { get; init; }

    /// <summary>Only with <c>group_by=region</c>: the region of the server that the session began on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Region { get; init; }

    public required long RxBytes { get; init; }
    public required long TxBytes { get; init; }
    public required long ConnectedSeconds { get; init; }
    public required long ActiveUsers { get; init; }

    internal static UsagePointView Of(UsageRow row, UsageRange range) => new()
    {
        Start = row.Start,
        UserId = range.GroupBy == "user" && row.Key.Length > 0 ? Guid.Parse(row.Key) : null,
        DeviceId = range.GroupBy == "device" && row.Key.Length > 0 ? Guid.Parse(row.Key) : null,
        Region = range.GroupBy == "region" && row.Key.Length > 0 ? row.Key : null,
        RxBytes = row.RxBytes, TxBytes = row.TxBytes, ConnectedSeconds = row.ConnectedSeconds, ActiveUsers = row.ActiveUsers,
    };
}

/// <summary>A tenant's usage.</summary>
/// <param name="CurrentPeriod">The calendar month (UTC) until now.</param>
/// <param name="Series">Hours or days in which there was any, in order; null where no range was asked for.</param>
/// <param name="NextCursor">Of the series; null at its end.</param>
public sealed record UsageView(PeriodView CurrentPeriod, IReadOnlyList<UsagePointView>? Series, string? NextCursor);

/// <summary>
/// <c>GET /api/v1/usage?from=&amp;to=&amp;granularity=hour|day&amp;group_by=user|device|region</c>: what the tenant used, for
/// its server. Usage lands in the UTC hour in which it was read.
/// </summary>
public static class GetUsage
{
    [WolverineGet("/api/v1/usage", OperationId = "getUsage"), Authorize(Policies.SecretKey)]
    [ProducesResponseType<UsageView>(200)]
    public static async Task<IResult> Get(
        DateTimeOffset? from, DateTimeOffset? to, string? granularity, [FromQuery(Name = "group_by")] string? groupBy, int? limit, string? cursor,
        IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var asked = from is not null || to is not null || granularity is not null || groupBy is not null;
        var (range, problem) = asked ? UsageRange.Of(from, to, granularity, groupBy) : default;
        if (problem is not null) return new ProblemResult(problem);
        if (Page.Of(limit, null) is not { } page || !UsageRange.TryCursor(cursor, out var after)) return new ProblemResult(Page.Problem());

        var month = new DateTimeOffset(now.UtcDateTime.Year, now.UtcDateTime.Month, 1, 0, 0, 0, TimeSpan.Zero);
        var period = PeriodView.Of(await UsageQueries.TotalsAsync(session, month, now, cancellation), month, now);
        if (range is null) return Reply.Ok(new UsageView(period, null, null));
        var (points, next) = await PageAsync(session, range, after, page, now, cancellation);
        return Reply.Ok(new UsageView(period, points, next));
    }

    internal static async Task<(IReadOnlyList<UsagePointView>, string?)> PageAsync(
        IQuerySession session, UsageRange range, (DateTimeOffset, string)? after, Page page, DateTimeOffset now, CancellationToken cancellation)
    {
        var rows = await UsageQueries.SeriesAsync(session, range, after, page.Take, now, cancellation);
        return ([.. rows.Take(page.Limit).Select(r => UsagePointView.Of(r, range))], rows.Count > page.Limit ? UsageRange.CursorOf(rows[page.Limit - 1]) : null);
    }
}
