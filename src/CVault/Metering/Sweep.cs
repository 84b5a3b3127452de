using CVault.Peers;
using CVault.Sessions;

namespace CVault.Metering;

/// <summary>A session that a reading begins, and, where its peer is gone already, ends.</summary>
public sealed record BegunSession(string TenantId, Guid SessionId, SessionStarted Started, SessionEnded? Ended);

/// <summary>
/// One reading of one server against its meters: what is to be written. It decides from what it is given and touches
/// nothing else.
/// </summary>
public sealed class Sweep
{
    /// <summary>
    /// A peer that was heard this long ago cannot send any more without another handshake: WireGuard's REJECT_AFTER_TIME,
    /// section 6.1 of its paper. Until then it is connected.
    /// </summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(180);

    private readonly ServerReading reading;
    private readonly DateTimeOffset at;
    private readonly Dictionary<PeerKey, MeterRow> meters;
    private readonly Dictionary<PeerKey, Moved> moved = [];
    private readonly Dictionary<(string TenantId, long Session), (long Rx, long Tx)> samples = [];

    public Sweep(ServerReading reading, DateTimeOffset from, DateTimeOffset at, Dictionary<PeerKey, MeterRow> meters, IReadOnlyList<FinalCounters> finals)
    {
        (this.reading, From, this.at, this.meters, Finals) = (reading, from, at, meters, finals);
        // Removals first: whatever the server shows of these peers now began after them.
        foreach (var final in finals) Remove(final);
        if (reading.Identity is not { } identity) return;
        foreach (var (key, seen) in reading.Peers) See(key, new Counters(identity.Incarnation, seen.RxBytes, seen.TxBytes, seen.LastHandshake));
        foreach (var (key, row) in meters)
        {
            if (row.Position.State == MeterState.Open && !moved.ContainsKey(key) && reading.Lacks(key)) moved[key] = new Moved { Position = row.Position, Missing = true };
        }
    }

    public DateTimeOffset From { get; }

    public IReadOnlyList<FinalCounters> Finals { get; }

    /// <summary>The peers of which there is something to write.</summary>
    public IReadOnlyCollection<PeerKey> Keys => moved.Keys;

    public List<MeterChange> Changes { get; } = [];

    public List<BegunSession> Begun { get; } = [];

    /// <summary>Finds the session that each peer's bytes are of, and begins those that have none.</summary>
    /// <param name="owners">Of <see cref="Keys"/>.</param>
    /// <param name="numbers">The next session's number.</param>
    public async Task SettleAsync(IReadOnlyDictionary<PeerKey, MeterOwner> owners, Func<CancellationToken, ValueTask<long>> numbers, CancellationToken cancellation)
    {
        foreach (var (key, peer) in moved)
        {
            if (!owners.TryGetValue(key, out var owner))
            {
                // An unknown peer is nobody's; the pass removes it. One that came and went between two readings is whose it was.
                if (peer.Finals.Count == 0) continue;
                var was = peer.Finals[^1].Final;
                owner = new MeterOwner(was.TenantId, was.UserId, was.DeviceId, "", Wanted: false, Settled: true, null, 0, SessionLive: false, LiveElsewhere: true);
            }

            var (rx, tx) = (peer.RxBytes, peer.TxBytes);
            // A key that another device registered: what was removed is the former's.
            foreach (var final in peer.Finals.Where(f => f.Final.DeviceId != owner.DeviceId))
            {
                (rx, tx) = (rx - final.Rx, tx - final.Tx);
                if (final.Rx + final.Tx > 0) Add(final.Final.TenantId, await BeginAsync(final.Final.TenantId, final.Final.UserId, final.Final.DeviceId, "", at, over: true, numbers, cancellation), final.Rx, final.Tx);
            }

            if (peer.Missing) peer.Position = Meter.Miss(peer.Position, owner.Settled);
            var bytes = rx + tx > 0;
            var heardAt = peer.HeardAt;
            var mayBegin = peer.Position.State == MeterState.Open && owner is { Wanted: true, SessionLive: false, LiveElsewhere: false } && !peer.Absorbs
                && heardAt is { } heard && at - heard < Silence;
            DateTimeOffset? begunAt = null;
            if (mayBegin || (bytes && owner.SessionId is null))
            {
                // The first packets of a handshake that has not come about: they are counted when it has, or at the removal.
                if (!mayBegin && peer.Finals.Count == 0 && peer.Position is { State: MeterState.Open, Handshake: 0 }) continue;
                begunAt = heardAt ?? at;
                var begun = await BeginAsync(owner.TenantId, owner.UserId, owner.DeviceId, owner.Address, begunAt.Value, over: !mayBegin, numbers, cancellation);
                owner = owner with { SessionId = begun.SessionId, SessionNumber = begun.Started.Number, SessionLive = mayBegin };
            }

            if (bytes) Add(owner.TenantId, owner.SessionNumber, rx, tx);
            Changes.Add(new MeterChange(key, peer.Position, heardAt, peer.Absorbs, owner, rx, tx, begunAt));
        }
    }

    public IEnumerable<(string TenantId, SampleSet Samples)> SamplesByTenant() =>
        samples.GroupBy(s => s.Key.TenantId, StringComparer.Ordinal).Select(g => (g.Key, new SampleSet(g.Select(s => new Sample(s.Key.Session, s.Value.Rx, s.Value.Tx)))));

    private void Remove(FinalCounters final)
    {
        var peer = Of(final.Key);
        var metered = Meter.Remove(peer.Position.Incarnation is null ? null : peer.Position, final.Last);
        peer.Finals.Add((final, metered.RxBytes, metered.TxBytes));
        Take(peer, metered);
    }

    private void See(PeerKey key, in Counters now)
    {
        var known = meters.TryGetValue(key, out var row);
        var begun = moved.TryGetValue(key, out var peer);
        MeterPosition? before = begun ? peer!.Position : known ? row.Position : null;
        var metered = Meter.Read(before, now);
        if (before is null && now is { RxBytes: 0, TxBytes: 0, Handshake: 0 }) return;
        if (metered.Position == before && !(known && row.Absorbs)) return;

        peer ??= Of(key);
        Take(peer, metered);
        peer.Absorbs = known && row.Absorbs;
        if (now.Handshake == 0 || now.Handshake == before?.Handshake) return;
        // The server's clock is not ours: what is new lies between the two readings, whatever it says.
        var heard = DateTimeOffset.FromUnixTimeSeconds(Math.Min(now.Handshake, at.ToUnixTimeSeconds()));
        peer.HeardAt = heard > at ? at : known && heard < From ? From : heard;
    }

    private Moved Of(PeerKey key)
    {
        if (!moved.TryGetValue(key, out var peer)) moved[key] = peer = new Moved { Position = meters.TryGetValue(key, out var row) ? row.Position : default };
        return peer;
    }

    private static void Take(Moved peer, in Metered metered)
    {
        peer.Position = metered.Position;
        peer.RxBytes += metered.RxBytes;
        peer.TxBytes += metered.TxBytes;
    }

    private void Add(string tenantId, BegunSession session, long rx, long tx) => Add(tenantId, session.Started.Number, rx, tx);

    private void Add(string tenantId, long session, long rx, long tx)
    {
        var (rxBefore, txBefore) = samples.GetValueOrDefault((tenantId, session));
        samples[(tenantId, session)] = (rxBefore + rx, txBefore + tx);
    }

    private async Task<BegunSession> BeginAsync(string tenantId, Guid userId, Guid deviceId, string address, DateTimeOffset since, bool over, Func<CancellationToken, ValueTask<long>> numbers, CancellationToken cancellation)
    {
        var begun = new BegunSession(
            tenantId, Guid.CreateVersion7(at),
            new SessionStarted(userId, deviceId, reading.ServerId, address, await numbers(cancellation), SessionStarted.ByHandshake, since),
            over ? new SessionEnded(SessionEnded.PeerRemoved, at) : null);
        Begun.Add(begun);
        return begun;
    }

    private sealed class Moved
    {
        public MeterPosition Position { get; set; }
        public long RxBytes { get; set; }
        public long TxBytes { get; set; }
        public DateTimeOffset? HeardAt { get; set; }
        public bool Absorbs { get; set; }
        public bool Missing { get; init; }
        public List<(FinalCounters Final, long Rx, long Tx)> Finals { get; } = [];
    }
}
