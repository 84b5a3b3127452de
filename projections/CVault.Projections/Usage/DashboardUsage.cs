using System.Globalization;
using System.Text;
using CsvHelper;
using CsvHelper.Configuration;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Projections.Usage;

/// <summary>A tenant's usage over time.</summary>
/// <param name="Series">Hours or days in which there was any, in order.</param>
/// <param name="NextCursor">Null at the end.</param>
public sealed record DashboardUsageView(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<UsagePointView> Series, string? NextCursor);

/// <summary>
/// <c>GET /api/v1/tenant/dashboard/usage</c>: as <c>GET /api/v1/usage</c>, for the tenant's staff; without a range the last 30
/// days. With <c>?format=csv</c> or <c>Accept: text/csv</c> a table of the whole range, without pages.
/// </summary>
public static class DashboardUsage
{
    /// <summary>More rows than that are no table for anybody's spreadsheet.</summary>
    public const int MostRows = 100_000;

    [WolverineGet("/api/v1/tenant/dashboard/usage", OperationId = "getDashboardUsage"), Authorize(Roles.May + nameof(Permission.ReadUsage))]
    [ProducesResponseType<DashboardUsageView>(200, "application/json", "text/csv")]
    public static async Task<IResult> Get(
        DateTimeOffset? from, DateTimeOffset? to, string? granularity, [FromQuery(Name = "group_by")] string? groupBy, string? format, int? limit, string? cursor,
        HttpRequest request, IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        if (format is not (null or "json" or "csv")) return new ProblemResult(Problems.Validation(("format", "json or csv.")));
        if (from is null && to is null) (from, to) = (HourSplit.DayOf(now).AddDays(-29), now);
        var (range, problem) = UsageRange.Of(from, to, granularity, groupBy);
        if (range is null) return new ProblemResult(problem!);
        if (Page.Of(limit, null) is not { } page || !UsageRange.TryCursor(cursor, out var after)) return new ProblemResult(Page.Problem());

        if (format == "csv" || (format is null && request.Prefers("text/csv")))
        {
            var rows = await UsageQueries.SeriesAsync(session, range, null, MostRows + 1, now, cancellation);
            return rows.Count > MostRows
                ? new ProblemResult(Problems.Validation(("to", $"A table of more than {MostRows.ToString(CultureInfo.InvariantCulture)} rows: ask for less time, by day or in larger groups.")))
                : Results.Text(Csv(rows, range), "text/csv", Encoding.UTF8);
        }

        var (points, next) = await GetUsage.PageAsync(session, range, after, page, now, cancellation);
        return Reply.Ok(new DashboardUsageView(range.From, range.To, points, next));
    }

    /// <summary>RFC 4180. No cell is a formula to whoever opens it in a spreadsheet.</summary>
    public static string Csv(IEnumerable<UsageRow> rows, UsageRange range)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        using (var csv = new CsvWriter(text, new CsvConfiguration(CultureInfo.InvariantCulture) { InjectionOptions = InjectionOptions.Escape, NewLine = "\r\n" }))
        {
            csv.WriteField("start");
            if (range.GroupBy is { } group) csv.WriteField(group == "region" ? group : group + "_id");
            foreach (var name in new[] { "rx_bytes", "tx_bytes", "connected_seconds", "active_users" }) csv.WriteField(name);
            csv.NextRecord();
            foreach (var row in rows)
            {
                csv.WriteField(row.Start.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
                if (range.GroupBy is not null) csv.WriteField(row.Key);
                foreach (var number in new[] { row.RxBytes, row.TxBytes, row.ConnectedSeconds, row.ActiveUsers }) csv.WriteField(number);
                csv.NextRecord();
            }
        }

        return text.ToString();
    }
}
