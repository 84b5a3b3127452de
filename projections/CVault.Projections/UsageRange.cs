using System.Buffers.Text;
using System.Globalization;
using System.Text;
using CVault.Projections.Usage;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Projections;

/// <summary>Which hours or days of usage are asked for, whole ones, and by what they are grouped.</summary>
/// <param name="From">The beginning of the first, in UTC.</param>
/// <param name="To">The end of the last.</param>
/// <param name="GroupBy"><c>user</c>, <c>device</c> or <c>region</c>; null for the tenant as a whole.</param>
public sealed record UsageRange(DateTimeOffset From, DateTimeOffset To, bool Hourly, string? GroupBy)
{
    private static readonly TimeSpan MostHours = TimeSpan.FromDays(31), MostDays = TimeSpan.FromDays(400);
    private static readonly DateTimeOffset Earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), Latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The range, or what is wrong with it. Beginning and end are widened to whole hours or days.</summary>
    public static (UsageRange?, ProblemDetails?) Of(DateTimeOffset? from, DateTimeOffset? to, string? granularity, string? groupBy)
    {
        var errors = new List<(string, string)>();
        if (granularity is not (null or "hour" or "day")) errors.Add(("granularity", "hour or day."));
        if (groupBy is not (null or "user" or "device" or "region")) errors.Add(("group_by", "user, device or region."));
        if (from is null) errors.Add(("from", "A time, as in 2026-03-01T00:00:00Z; needed with to."));
        if (to is null) errors.Add(("to", "A time, as in 2026-03-02T00:00:00Z; needed with from."));
        if (from < Earliest) errors.Add(("from", "No earlier than the year 2000."));
        if (to > Latest) errors.Add(("to", "Before the year 2200."));
        if (to <= from) errors.Add(("to", "After from."));
        if (errors.Count > 0) return (null, Problems.Validation(errors));

        var hourly = granularity == "hour";
        var (begin, end) = hourly ? (HourSplit.HourOf(from!.Value), HourSplit.HourOf(to!.Value)) : (HourSplit.DayOf(from!.Value), HourSplit.DayOf(to!.Value));
        if (end < to) end += hourly ? TimeSpan.FromHours(1) : TimeSpan.FromDays(1);
        return end - begin > (hourly ? MostHours : MostDays)
            ? (null, Problems.Validation(("to", hourly ? "At most 31 days after from, by the hour." : "At most 400 days after from.")))
            : (new UsageRange(begin, end, hourly, groupBy), null);
    }

    /// <summary>Where the next page begins: after this row.</summary>
    public static string CursorOf(UsageRow row) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{row.Start.ToUnixTimeSeconds()} {row.Key}")));

    /// <returns>False: it is no cursor of ours.</returns>
    public static bool TryCursor(string? cursor, out (DateTimeOffset, string)? after)
    {
        after = null;
        if (string.IsNullOrEmpty(cursor)) return true;
        if (cursor.Length > 400 || !Base64Url.IsValid(cursor)) return false;
        if (Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)).Split(' ', 2) is not [var seconds, var key] || key.Contains('\0', StringComparison.Ordinal)) return false;
        if (!long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var at) || at > Latest.ToUnixTimeSeconds()) return false;
        after = (DateTimeOffset.FromUnixTimeSeconds(at), key);
        return true;
    }
}
