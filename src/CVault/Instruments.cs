using System.Diagnostics.Metrics;

namespace CVault;

/// <summary>
/// What this process measures of its work, for <c>/metrics</c>. No tag names a tenant, a user or a device: what scrapes
/// it is not theirs, and a series for each would never end.
/// </summary>
public static class Instruments
{
    /// <summary>The meter that they are of.</summary>
    public const string MeterName = "CVault";

    private static readonly Meter Meter = new(MeterName);
    private static readonly Counter<long> Unreadable = Meter.CreateCounter<long>("cvault_dump_lines_unreadable", description: "Lines of servers' dumps that could not be read and were left aside.");
    private static readonly Counter<long> Readings = Meter.CreateCounter<long>("cvault_readings", description: "Readings of servers' counters, by whether they were counted.");
    private static readonly Counter<long> Bytes = Meter.CreateCounter<long>("cvault_metered_bytes", description: "Bytes metered, by direction as the server sees it.");
    private static readonly Histogram<double> Took = Meter.CreateHistogram<double>("cvault_reading_duration", "s", "From a reading of a server to its counters' commit.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });

    /// <summary>Lines of a server's dump were left aside.</summary>
    /// <param name="server">Its name.</param>
    public static void LeftAside(string server, int lines) => Unreadable.Add(lines, new KeyValuePair<string, object?>("server", server));

    /// <summary>A reading was committed.</summary>
    public static void Counted(TimeSpan took, long rxBytes, long txBytes)
    {
        Readings.Add(1, new KeyValuePair<string, object?>("result", "counted"));
        Took.Record(took.TotalSeconds);
        Bytes.Add(rxBytes, new KeyValuePair<string, object?>("direction", "rx"));
        Bytes.Add(txBytes, new KeyValuePair<string, object?>("direction", "tx"));
    }

    /// <summary>A reading was not committed; the next makes up for it.</summary>
    public static void NotCounted() => Readings.Add(1, new KeyValuePair<string, object?>("result", "failed"));
}
