namespace CVault.Projections;

/// <summary>
/// Divides what happened over a stretch of time among the UTC hours in it, in whole numbers whose sum is the whole. Each
/// hour gets what was reached by its end, rounded down, less what was reached before; the last one thereby gets the rest.
/// </summary>
public static class HourSplit
{
    /// <summary>A stretch longer than this is no reading and no session, but a clock gone wrong.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(3660);

    /// <summary>The beginning of the hour, in UTC.</summary>
    public static DateTimeOffset HourOf(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    /// <summary>The beginning of the day, in UTC.</summary>
    public static DateTimeOffset DayOf(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerDay), TimeSpan.Zero);

    /// <summary>The beginning of the month, in UTC.</summary>
    public static DateTimeOffset MonthOf(DateTimeOffset at) => new(at.UtcDateTime.Year, at.UtcDateTime.Month, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The hours of a stretch with the moment at which each ends for it. A stretch that is none is the hour of its end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is longer than <see cref="Longest"/>.</exception>
    public static IReadOnlyList<(DateTimeOffset Hour, DateTimeOffset Until)> Hours(DateTimeOffset from, DateTimeOffset to)
    {
        if (to - from > Longest) throw new ArgumentOutOfRangeException(nameof(from), "A stretch of time that is too long to be one.");
        if (from >= to || HourOf(from).AddHours(1) >= to) return [(HourOf(from < to ? from : to), to)];
        var hours = new List<(DateTimeOffset, DateTimeOffset)>();
        for (var hour = HourOf(from); hour < to; hour = hour.AddHours(1)) hours.Add((hour, hour.AddHours(1) < to ? hour.AddHours(1) : to));
        return hours;
    }

    /// <summary>What of an amount had come by a moment, had it come evenly.</summary>
    public static long By(long amount, DateTimeOffset from, DateTimeOffset to, DateTimeOffset until) =>
        until >= to ? amount : until <= from ? 0 : (long)((Int128)amount * (until - from).Ticks / (to - from).Ticks);

    /// <summary>Tells what of received and sent bytes falls into each of the <see cref="Hours"/> of a stretch.</summary>
    public static void Divide(long rx, long tx, DateTimeOffset from, DateTimeOffset to, IReadOnlyList<(DateTimeOffset Hour, DateTimeOffset Until)> hours, Action<DateTimeOffset, long, long> tell)
    {
        var (rxBefore, txBefore) = (0L, 0L);
        foreach (var (hour, until) in hours)
        {
            var (rxBy, txBy) = (By(rx, from, to, until), By(tx, from, to, until));
            tell(hour, rxBy - rxBefore, txBy - txBefore);
            (rxBefore, txBefore) = (rxBy, txBy);
        }
    }

    /// <summary>Whole seconds from one moment to another; none where the other is earlier.</summary>
    public static long Seconds(DateTimeOffset from, DateTimeOffset until) => until <= from ? 0 : (until - from).Ticks / TimeSpan.TicksPerSecond;
}
