using System.Globalization;
using System.Text;
using System.Text.Json;
using CVault.Metering;
using CVault.Projections;

namespace CVault.Fuzz;

/// <summary>Samples as they are packed, and what a request for usage asks for.</summary>
public static class MeterTargets
{
    public static IEnumerable<Target> All =>
    [
        new("samples", Samples, () =>
        [
            new SampleSet(new Sample(1, 0, 0), new Sample(700, 5_000_000_000, 7), new Sample(long.MaxValue, 1, 1)).Pack(), new SampleSet().Pack(),
            Encoding.UTF8.GetBytes("\"AQAA\""), "null"u8.ToArray(),
        ]),
        Target.OfText("usage", Usage,
            ["2026-03-01T00:00:00Z\n2026-03-02T00:00:00+05:30\nhour\nuser\nMTc3MjMyMzIwMCBrZXk", "2000-01-01\n2199-12-31T23:59:59Z\nday\nregion\n", "\n\n\n\nMTc3MjMyMzIwMA"],
            "hour", "day", "user", "device", "region", "+14:00", "-14:00", "2200-01-01T00:00:00Z", "9999-12-31", "\n"),
    ];

    private static void Samples(byte[] input)
    {
        try
        {
            var set = SampleSet.Unpack(input);
            Target.Must(SampleSet.Unpack(set.Pack()).Equals(set), "Samples that are packed and read again are the same.");
        }
        catch (FormatException)
        {
            // Documented.
        }

        try
        {
            if (JsonSerializer.Deserialize<SampleSet>(input, Reply.Json) is { } read) Target.Must(JsonSerializer.Deserialize<SampleSet>(JsonSerializer.Serialize(read, Reply.Json), Reply.Json)!.Equals(read), "Samples in JSON are the same.");
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            // As any JSON, or as above.
        }
    }

    /// <summary>From, to, granularity, groups and a cursor, a line each.</summary>
    private static void Usage(string text)
    {
        var lines = text.Split('\n');
        string? Line(int at) => at < lines.Length && lines[at].Length > 0 ? lines[at] : null;
        DateTimeOffset? Time(int at) => DateTimeOffset.TryParse(Line(at), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
        var (range, problem) = UsageRange.Of(Time(0), Time(1), Line(2), Line(3));
        Target.Must(range is null != problem is null, "There is a range, or there is what is wrong with it.");
        if (range is not null) Target.Must(range.From <= Time(0) && Time(1) <= range.To && range.From.Offset == TimeSpan.Zero, "A range is widened, and in UTC.");
        if (UsageRange.TryCursor(Line(4), out var after) && after is var (at, key)) Target.Must(at >= DateTimeOffset.UnixEpoch && !key.Contains('\0', StringComparison.Ordinal), "A cursor is a moment and a key.");
    }
}
