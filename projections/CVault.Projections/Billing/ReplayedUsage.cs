using System.Globalization;
using CVault.Billing;
using CVault.Metering;
using CVault.Projections.Usage;
using CVault.Servers;
using CVault.Sessions;
using Marten;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>What one tenant used, summed up anew from its events alone, without a read model.</summary>
public sealed class ReplayedUsage : IBillableUsage
{
    private readonly UsageFold fold = new([], []);
    private readonly Dictionary<long, StartedSession> sessions;
    private readonly Dictionary<Guid, DateTimeOffset> ends;
    private readonly List<(long Sequence, UsageMetered Reading)> readings = [];
    private readonly DateTimeOffset now;

    private ReplayedUsage(IEnumerable<StoredEvent> events, long through, DateTimeOffset now)
    {
        (Through, this.now) = (through, now);
        foreach (var e in events)
        {
            fold.Add(e);
            if (e.Data is UsageMetered reading) readings.Add((e.Sequence, reading));
        }

        sessions = fold.Started.ToDictionary(s => s.Number);
        ends = fold.Ended.ToDictionary(e => e.Session, e => e.At);
    }

    public long Through { get; }

    /// <param name="now">Up to when open sessions count.</param>
    public static async Task<ReplayedUsage> ReadAsync(NpgsqlDataSource database, IDocumentStore store, Guid tenant, long through, DateTimeOffset now, CancellationToken cancellation)
    {
        var rows = new EventRows(store, typeof(SessionStarted), typeof(SessionEnded), typeof(UsageMetered), typeof(ServerRegistered), typeof(ServerRegionChanged));
        await using var command = database.CreateCommand($"""
            select {EventRows.Columns} from {Database.Schema}.mt_events
            where type = any($1) and seq_id <= $2 and (tenant_id = $3 or type in ('server_registered_v1', 'server_region_changed_v1')) order by seq_id
            """);
        command.CommandTimeout = 600;
        command.Parameters.Add(new() { Value = rows.Names });
        command.Parameters.Add(new() { Value = through });
        command.Parameters.Add(new() { Value = tenant.ToString() });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<StoredEvent>();
        while (await reader.ReadAsync(cancellation)) events.Add(rows.Read(reader));

        return new ReplayedUsage(events, through, now);
    }

    public Task<IReadOnlyList<IReadOnlyList<Use>>> OfAsync(IReadOnlyList<TenantDays> asked, CancellationToken cancellation) =>
        Task.FromResult<IReadOnlyList<IReadOnlyList<Use>>>([.. asked.Select(a => Of(a.From, a.Until))]);

    private List<Use> Of(DateOnly from, DateOnly until)
    {
        var (first, end) = (Month.At(from), Month.At(until));
        var days = fold.Days.Where(d => d.Key.Start >= first && d.Key.Start < end).ToArray();
        var uses = new List<Use>();
        void Add(Metric metric, string region, long quantity)
        {
            if (quantity > 0) uses.Add(new Use(metric, region, quantity));
        }

        foreach (var region in days.GroupBy(d => RegionOf(d.Key.Number))) Add(Metric.Traffic, region.Key, region.Sum(d => d.Value.RxBytes + d.Value.TxBytes));
        var goOn = end < now ? end : now;
        var open = sessions.Values.Where(s => !ends.ContainsKey(s.Id) && s.StartedAt < goOn).Select(s => (s.Region, Seconds: HourSplit.Seconds(s.StartedAt, goOn) - HourSplit.Seconds(s.StartedAt, first < goOn ? first : goOn)));
        foreach (var region in days.Select(d => (Region: RegionOf(d.Key.Number), d.Value.Seconds)).Concat(open).GroupBy(d => d.Region)) Add(Metric.ConnectionTime, region.Key, region.Sum(d => d.Seconds));
        var connected = sessions.Values.Where(s => s.StartedAt < end && (!ends.TryGetValue(s.Id, out var at) || at >= first)).ToArray();
        Add(Metric.ActiveUsers, "", connected.Select(s => s.User).Distinct().Count());
        Add(Metric.ActiveDevices, "", connected.Select(s => s.Device).Distinct().Count());
        return uses;
    }

    public Task<ILookup<Guid, Month>> ChangedAsync(IReadOnlyList<(Guid Tenant, Month Last, long Behind)> asked, CancellationToken cancellation) =>
        Task.FromResult((from a in asked from m in fold.Months where m.Key.Month < a.Last.Until && m.Value > a.Behind orderby m.Key.Month select (a.Tenant, Month: Month.Of(m.Key.Month))).ToLookup(m => m.Tenant, m => m.Month));

    /// <summary>Where a line's quantity comes from, in words; empty for a line that counts nothing.</summary>
    /// <param name="own">Whether a region's use is this line's.</param>
    public string Provenance(Line line, Func<string, bool> own)
    {
        var (first, end) = (Month.At(line.From), Month.At(line.Until));
        switch (line.Metric)
        {
            case Metric.Traffic:
                var of = readings.Where(r => r.Reading.To > first && r.Reading.From < end && r.Reading.Samples.All.Any(s => own(RegionOf(s.Session)))).ToArray();
                return of.Length == 0 ? "no readings" : string.Create(CultureInfo.InvariantCulture, $"{of.Length} readings, {of.Min(r => r.Reading.From):yyyy-MM-ddTHH:mm:ssZ} to {of.Max(r => r.Reading.To):yyyy-MM-ddTHH:mm:ssZ}, events {of[0].Sequence} to {of[^1].Sequence}");
            case not null:
                var sessionsOf = sessions.Values.Where(s => s.StartedAt < end && (!ends.TryGetValue(s.Id, out var at) || at >= first) && (line.Metric != Metric.ConnectionTime || own(s.Region))).ToArray();
                return string.Create(CultureInfo.InvariantCulture, $"{sessionsOf.Length} sessions, {sessionsOf.Count(s => !ends.ContainsKey(s.Id))} of them open");
            default:
                return "";
        }
    }

    private string RegionOf(long number) => sessions.TryGetValue(number, out var session) ? session.Region : "";
}
