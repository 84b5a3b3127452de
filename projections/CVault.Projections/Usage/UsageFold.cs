using System.Runtime.InteropServices;
using CVault.Metering;
using CVault.Servers;
using CVault.Sessions;

namespace CVault.Projections.Usage;

/// <summary>A row by hour or by day.</summary>
/// <param name="Number">The session's.</param>
internal readonly record struct UsageKey(Guid Tenant, DateTimeOffset Start, long Number) : IComparable<UsageKey>
{
    public int CompareTo(UsageKey other) =>
        Tenant.CompareTo(other.Tenant) is not 0 and var tenant ? tenant : Start.CompareTo(other.Start) is not 0 and var start ? start : Number.CompareTo(other.Number);
}

/// <summary>What is added to such a row.</summary>
internal readonly record struct Amounts(long RxBytes, long TxBytes, long Seconds);

/// <summary>A session that has not ended, as its end needs it.</summary>
internal sealed record OpenSession(Guid Tenant, long Number, DateTimeOffset StartedAt);

/// <summary>A session's first row.</summary>
internal sealed record StartedSession(Guid Tenant, long Number, Guid Id, Guid User, Guid Device, Guid Server, string Region, DateTimeOffset StartedAt);

/// <summary>A session's end.</summary>
internal sealed record EndedSession(Guid Session, DateTimeOffset At, string Reason);

/// <summary>A batch of events, summed up into the rows that they change.</summary>
/// <param name="regions">Of servers, before the batch.</param>
/// <param name="sessions">Of sessions that end in the batch and began before; null where one has ended already.</param>
internal sealed class UsageFold(Dictionary<Guid, string> regions, Dictionary<Guid, OpenSession?> sessions)
{
    public Dictionary<Guid, string> Servers { get; } = [];
    public List<StartedSession> Started { get; } = [];
    public List<EndedSession> Ended { get; } = [];
    public Dictionary<UsageKey, Amounts> Hours { get; } = [];
    public Dictionary<UsageKey, Amounts> Days { get; } = [];

    /// <summary>The last event that changed anything in a month.</summary>
    public Dictionary<(Guid Tenant, DateTimeOffset Month), long> Months { get; } = [];

    private long sequence;

    public void Add(StoredEvent e)
    {
        sequence = e.Sequence;
        switch (e.Data)
        {
            case ServerRegistered registered: Servers[e.StreamId] = regions[e.StreamId] = registered.Region; break;
            case ServerRegionChanged changed: Servers[e.StreamId] = regions[e.StreamId] = changed.Region; break;
            case SessionStarted started: Start(e, started); break;
            case SessionEnded ended: End(e, ended); break;
            case UsageMetered metered: Meter(Guid.Parse(e.TenantId), metered); break;
        }
    }

    /// <summary>As PostgreSQL keeps it, in microseconds: the sums must not depend on whether a moment has been there.</summary>
    private static DateTimeOffset Stored(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    private void Start(StoredEvent e, SessionStarted s)
    {
        var session = new StartedSession(
            Guid.Parse(e.TenantId), s.Number > 0 ? s.Number : -e.Sequence, e.StreamId, s.UserId, s.DeviceId, s.ServerId, regions.GetValueOrDefault(s.ServerId, UsageModel.NoRegion), Stored(s.At ?? e.Timestamp));
        Started.Add(session);
        Change(session.Tenant, session.StartedAt, session.StartedAt);
        sessions[e.StreamId] = new OpenSession(session.Tenant, session.Number, session.StartedAt);
    }

    private void End(StoredEvent e, SessionEnded ended)
    {
        if (!sessions.TryGetValue(e.StreamId, out var session)) throw new InvalidOperationException("A session ended that never began.");
        if (session is null) return; // Two have ended it at the same time, and the first one did.
        var at = Stored(ended.At ?? e.Timestamp);
        Ended.Add(new EndedSession(e.StreamId, at, ended.Reason));
        // Until now it was taken for one that goes on.
        Change(session.Tenant, session.StartedAt, e.Timestamp > at ? e.Timestamp : at);
        sessions[e.StreamId] = null;
        if (at <= session.StartedAt) return;
        long before = 0;
        foreach (var (hour, until) in HourSplit.Hours(session.StartedAt, at))
        {
            var by = HourSplit.Seconds(session.StartedAt, until);
            Count(session.Tenant, session.Number, hour, new Amounts(0, 0, by - before));
            before = by;
        }
    }

    private void Meter(Guid tenant, UsageMetered metered)
    {
        var hours = HourSplit.Hours(metered.From, metered.To);
        Change(tenant, hours[0].Hour, hours[^1].Hour);
        foreach (var sample in metered.Samples.All)
        {
            HourSplit.Divide(sample.RxBytes, sample.TxBytes, metered.From, metered.To, hours, (hour, rx, tx) => Count(tenant, sample.Session, hour, new Amounts(rx, tx, 0)));
        }
    }

    private void Change(Guid tenant, DateTimeOffset from, DateTimeOffset until)
    {
        for (var month = HourSplit.MonthOf(from); month <= until; month = month.AddMonths(1)) Months[(tenant, month)] = sequence;
    }

    private void Count(Guid tenant, long number, DateTimeOffset hour, Amounts more)
    {
        Add(Hours, new UsageKey(tenant, hour, number), more);
        Add(Days, new UsageKey(tenant, HourSplit.DayOf(hour), number), more);

        static void Add(Dictionary<UsageKey, Amounts> to, UsageKey key, Amounts more)
        {
            ref var amounts = ref CollectionsMarshal.GetValueRefOrAddDefault(to, key, out _);
            amounts = new Amounts(checked(amounts.RxBytes + more.RxBytes), checked(amounts.TxBytes + more.TxBytes), amounts.Seconds + more.Seconds);
        }
    }
}
