using CsCheck;
using CVault.Metering;
using CVault.Peers;
using CVault.Servers;
using CVault.Sessions;

namespace CVault.Tests.Unit;

/// <summary>From one reading of a server to what is written: which sessions begin, and of which the bytes are.</summary>
public sealed class SweepTests
{
    private const string Tenant = "t1";
    private static readonly DateTimeOffset From = Samples.Now, At = From.AddSeconds(15);
    private static readonly Guid ServerId = Guid.NewGuid(), User = Guid.NewGuid(), Device = Guid.NewGuid(), Other = Guid.NewGuid(), SessionId = Guid.NewGuid();
    private static readonly PeerKey Key = new(1, 2, 3, 4);

    [Fact]
    public async Task a_handshake_opens_a_session_and_all_that_was_counted_is_its()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From.AddSeconds(5)))), [], [], Owned(Nobody));
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal((Tenant, SessionStarted.ByHandshake, Device, 1L, From.AddSeconds(5)), (begun.TenantId, begun.Started.By, begun.Started.DeviceId, begun.Started.Number, begun.Started.At));
        Assert.Null(begun.Ended);
        Assert.Equal([new Sample(1, 100, 200)], Samples_(sweep));
        var change = Assert.Single(sweep.Changes);
        Assert.Equal((true, begun.SessionId, From.AddSeconds(5)), (change.Owner.SessionLive, change.Owner.SessionId, change.BegunAt));
    }

    [Fact]
    public async Task the_next_reading_adds_to_it_and_begins_none()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(9)))), Known(100, 200, live: true), [], Owned(Live));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 0)], Samples_(sweep));
        Assert.Equal(From.AddSeconds(9), Assert.Single(sweep.Changes).HeardAt);
    }

    [Fact]
    public async Task nothing_moved_is_nothing_written()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From))), Known(100, 200, live: true), [], Owned(Live));
        Assert.Empty(sweep.Keys);
        Assert.Empty(sweep.SamplesByTenant());
    }

    [Fact]
    public async Task a_connected_device_is_not_connected_again_on_another_server()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From.AddSeconds(5)))), Known(0, 0, live: false), [], Owned(Over with { LiveElsewhere = true }));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 100, 200)], Samples_(sweep)); // Late, and its last session's here.
    }

    [Fact]
    public async Task after_a_disconnect_the_handshake_that_is_read_next_is_older_than_the_word()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(5)))), Known(100, 200, live: false, absorbs: true), [], Owned(Over));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 0)], Samples_(sweep));
        Assert.True(Assert.Single(sweep.Changes).Absorbs);

        var next = await SweepAsync(Reading((Key, Seen(180, 200, From.AddSeconds(9)))), Known(150, 200, live: false), [], Owned(Over));
        Assert.Single(next.Begun);
        Assert.Equal([new Sample(1, 30, 0)], Samples_(next));
    }

    [Fact]
    public async Task a_disconnect_is_absorbed_by_a_reading_in_which_nothing_moved_too() =>
        Assert.True(Assert.Single((await SweepAsync(Reading((Key, Seen(100, 200, From))), Known(100, 200, live: false, absorbs: true), [], Owned(Over))).Changes).Absorbs);

    [Fact]
    public async Task late_bytes_without_a_new_handshake_are_the_last_session_s()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(101, 200, From))), Known(100, 200, live: false), [], Owned(Over));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 1, 0)], Samples_(sweep));
    }

    [Fact]
    public async Task a_handshake_that_is_older_than_180_seconds_begins_no_session()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(-200)))), [], [], Owned(Nobody));
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal(SessionEnded.PeerRemoved, begun.Ended?.Reason); // Its bytes are somebody's all the same.
        Assert.Equal([new Sample(1, 150, 200)], Samples_(sweep));
    }

    [Fact]
    public async Task first_packets_of_a_handshake_that_has_not_come_about_are_held_until_it_has()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(148, 92, null))), [], [], Owned(Nobody));
        Assert.Empty(sweep.Changes);
        Assert.Empty(sweep.Begun);
        Assert.Empty(sweep.SamplesByTenant());

        sweep = await SweepAsync(Reading((Key, Seen(300, 92, From.AddSeconds(1)))), [], [], Owned(Nobody));
        Assert.Equal([new Sample(1, 300, 92)], Samples_(sweep));
    }

    [Fact]
    public async Task a_removed_peer_s_last_bytes_are_its_session_s()
    {
        var sweep = await SweepAsync(Reading(), Known(100, 200, live: true), [Final(150, 260)], Owned(Live with { Wanted = false }));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 60)], Samples_(sweep));
        Assert.Equal(MeterState.Removed, Assert.Single(sweep.Changes).Position.State);
    }

    [Fact]
    public async Task a_peer_that_came_and_went_between_two_readings_is_counted_to_whom_it_was()
    {
        // Neither a meter nor a row tells of it any more: only what its removal left.
        var sweep = await SweepAsync(Reading(), [], [Final(150, 260)], []);
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal((Tenant, Device, SessionEnded.PeerRemoved), (begun.TenantId, begun.Started.DeviceId, begun.Ended!.Reason));
        Assert.Equal([new Sample(1, 150, 260)], Samples_(sweep));
        // What the server answers again, should the key come back, is known.
        Assert.Equal(new MeterPosition("i1", 1, MeterState.Removed, 150, 260, Unix(From)), Assert.Single(sweep.Changes).Position);
    }

    [Fact]
    public async Task one_that_was_never_used_leaves_nothing_to_count_and_begins_no_session()
    {
        var sweep = await SweepAsync(Reading(), [], [Final(0, 0)], []);
        Assert.Empty(sweep.Begun);
        Assert.Empty(sweep.SamplesByTenant());
    }

    [Fact]
    public async Task removed_and_added_again_between_two_readings_counts_both_lives()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From.AddSeconds(9)))), Known(100, 200, live: true), [Final(150, 260)], Owned(Live));
        Assert.Equal([new Sample(7, 90, 110)], Samples_(sweep));
        Assert.Equal((MeterState.Open, 2, 40L), Assert.Single(sweep.Changes).Position is var p ? (p.State, p.Generation, p.RxBytes) : default);
    }

    [Fact]
    public async Task what_a_removal_left_is_counted_though_the_peer_is_back_and_has_not_been_heard_yet()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(0, 0, null))), [], [Final(150, 260)], Owned(Nobody));
        Assert.Equal([new Sample(1, 150, 260)], Samples_(sweep));
        Assert.Equal(MeterState.Open, Assert.Single(sweep.Changes).Position.State);
    }

    [Fact]
    public async Task a_removal_that_is_answered_twice_counts_once()
    {
        var sweep = await SweepAsync(Reading(), Known(100, 200, live: true), [Final(150, 260), Final(150, 260)], Owned(Live));
        Assert.Equal([new Sample(7, 50, 60)], Samples_(sweep));
        Assert.Equal(2, sweep.Finals.Count);
    }

    [Fact]
    public async Task what_a_key_moved_before_another_device_took_it_is_the_former_s()
    {
        var owner = new MeterOwner("t2", User, Other, "10.8.0.9", Wanted: true, Settled: true, null, 0, SessionLive: false, LiveElsewhere: false);
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From.AddSeconds(9)))), Known(100, 200, live: true), [Final(150, 260)], Owned(owner));
        Assert.Equal([(Tenant, Device), ("t2", Other)], sweep.Begun.Select(b => (b.TenantId, b.Started.DeviceId)));
        Assert.Equal([(Tenant, 50L, 60L), ("t2", 40L, 50L)], sweep.SamplesByTenant().Select(t => (t.TenantId, t.Samples.RxBytes, t.Samples.TxBytes)));
    }

    [Fact]
    public async Task an_unknown_peer_is_nobody_s()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From))), [], [], []);
        Assert.Empty(sweep.Changes);
        Assert.Empty(sweep.Begun);
    }

    [Fact]
    public async Task a_peer_that_is_gone_begins_anew_when_it_comes_back_and_one_that_could_not_be_read_goes_on()
    {
        // Its removal may still have something to say; a hand has not.
        var gone = await SweepAsync(Reading(), Known(100, 200, live: true), [], Owned(Live with { Wanted = false, Settled = false }));
        Assert.Equal(MeterState.Lost, Assert.Single(gone.Changes).Position.State);
        var byHand = await SweepAsync(Reading(), Known(100, 200, live: true), [], Owned(Live));
        Assert.Equal(MeterState.Removed, Assert.Single(byHand.Changes).Position.State);

        Assert.Empty((await SweepAsync(Reading() with { Unread = new HashSet<PeerKey> { Key } }, Known(100, 200, live: true), [], Owned(Live))).Keys);
        Assert.Empty((await SweepAsync(Reading() with { NamesAll = false }, Known(100, 200, live: true), [], Owned(Live))).Keys);
    }

    /// <summary>Row 24: the server's clock is five minutes off, either way.</summary>
    [Theory]
    [InlineData(300)]
    [InlineData(-300)]
    public async Task whatever_a_server_s_clock_says_a_new_handshake_was_between_the_two_readings(int off)
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(5 + off)))), Known(100, 200, live: false), [], Owned(Over));
        Assert.InRange(Assert.Single(sweep.Changes).HeardAt!.Value, From, At);
        var begun = Assert.Single(sweep.Begun);
        Assert.InRange(begun.Started.At!.Value, From, At);
    }

    /// <summary>Row 24: our own clock was put back, so that the reading before lies ahead; the collector makes it an interval of nothing.</summary>
    [Fact]
    public async Task an_interval_of_nothing_counts_all_the_same_and_no_time_in_it_is_negative()
    {
        var sweep = new Sweep(Reading((Key, Seen(150, 200, From.AddSeconds(-300)))), From, From, Known(100, 200, live: false), []);
        await sweep.SettleAsync(Owned(Over), Numbers(), TestContext.Current.CancellationToken);
        Assert.Equal([new Sample(1, 50, 0)], Samples_(sweep));
        Assert.Equal((From, From), (sweep.From, Assert.Single(sweep.Begun).Started.At));
    }

    /// <summary>Row 24: what is read in the last second of a month is that month's, by UTC, and of no stream of the next one's.</summary>
    [Fact]
    public void the_end_of_a_month_is_the_end_of_a_stream_by_UTC()
    {
        var end = new DateTimeOffset(2026, 3, 31, 23, 59, 59, 999, TimeSpan.Zero);
        var stream = UsageMetered.StreamOf(Tenant, ServerId, end);
        Assert.Equal(stream, UsageMetered.StreamOf(Tenant, ServerId, end.ToOffset(TimeSpan.FromHours(14))));
        Assert.Equal(stream, UsageMetered.StreamOf(Tenant, ServerId, end.AddMinutes(-59)));
        Assert.NotEqual(stream, UsageMetered.StreamOf(Tenant, ServerId, end.AddMilliseconds(1)));
        Assert.NotEqual(stream, UsageMetered.StreamOf("t2", ServerId, end));
    }

    /// <summary>
    /// Servers, devices and tenants with any history at all, and a collector that dies before its commits: what is billed
    /// to each tenant is what its devices moved and a server still reported, and each session's sum is its samples'.
    /// </summary>
    [Fact]
    public async Task whatever_happens_each_tenant_is_billed_what_its_own_devices_moved() =>
        await Gen.Select(Gen.Int[0, 99], Gen.Int[0, 1_000], Gen.Long[0, 100_000], Gen.Long[0, 100_000]).List[1, 120].SampleAsync(async steps =>
        {
            var world = new World();
            foreach (var (what, which, rx, tx) in steps) await world.DoAsync(what, which, rx, tx);
            await world.EndAsync();
        }, iter: Size.Of(2_000, 10_000));

    private static readonly MeterOwner Live = new(Tenant, User, Device, "10.8.0.2", Wanted: true, Settled: true, SessionId, 7, SessionLive: true, LiveElsewhere: true);
    private static readonly MeterOwner Over = Live with { SessionLive = false, LiveElsewhere = false };
    private static readonly MeterOwner Nobody = Over with { SessionId = null, SessionNumber = 0 };

    private static long Unix(DateTimeOffset at) => at.ToUnixTimeSeconds();
    private static SeenPeer Seen(long rx, long tx, DateTimeOffset? handshake) => new(1, handshake is { } at ? Unix(at) : 0, rx, tx);
    private static ServerReading Reading(params (PeerKey Key, SeenPeer Seen)[] peers) => new(ServerId, 1, new ServerIdentity("K", 1, "b1", "i1"), peers.ToDictionary(p => p.Key, p => p.Seen));
    private static FinalCounters Final(long rx, long tx) => new(Key, At, new Counters("i1", rx, tx, rx > 0 ? Unix(From) : 0), Tenant, User, Device);
    private static Dictionary<PeerKey, MeterOwner> Owned(MeterOwner owner) => new() { [Key] = owner };
    private static Dictionary<PeerKey, MeterRow> Known(long rx, long tx, bool live, bool absorbs = false) =>
        new() { [Key] = new MeterRow(new MeterPosition("i1", 1, MeterState.Open, rx, tx, Unix(From)), From, live, absorbs) };

    private static Sample[] Samples_(Sweep sweep) => [.. sweep.SamplesByTenant().SelectMany(t => t.Samples.All)];

    private static Func<CancellationToken, ValueTask<long>> Numbers()
    {
        var next = 0L;
        return _ => new(++next);
    }

    private static async Task<Sweep> SweepAsync(ServerReading reading, Dictionary<PeerKey, MeterRow> meters, FinalCounters[] finals, Dictionary<PeerKey, MeterOwner> owners)
    {
        var sweep = new Sweep(reading, From, At, meters, finals);
        await sweep.SettleAsync(owners, Numbers(), TestContext.Current.CancellationToken);
        return sweep;
    }

    /// <summary>
    /// Two servers and six devices of three tenants, told as they are: what a peer moved that nobody has reported yet is
    /// <c>Fresh</c>, and becomes its tenant's bill with a committed reading or with the answer to its removal.
    /// </summary>
    private sealed class World
    {
        private sealed class Interfaced { public long Rx, Tx, Handshake, FreshRx, FreshTx; public required Owner Of; }
        private sealed record Owner(string TenantId, Guid DeviceId);
        private sealed class Row { public required Owner Of; public bool Wanted = true, Suspended, Leaving, Pending = true; }
        private sealed record MeterOf(MeterRow Row, Owner Of, Guid? SessionId, long Number, DateTimeOffset? At, long Rx, long Tx);
        private sealed class Host
        {
            public Guid Id { get; } = Guid.NewGuid();
            public int Incarnation = 1;
            public DateTimeOffset? ReadAt;
            public readonly Dictionary<PeerKey, Interfaced> Peers = [];
            public readonly Dictionary<PeerKey, (Counters Last, long FreshRx, long FreshTx, string TenantId)> Remembered = [];
            public readonly Dictionary<PeerKey, Row> Rows = [];
            public readonly Dictionary<PeerKey, MeterOf> Meters = [];
            public readonly List<FinalCounters> Finals = [];

            /// <summary>In the order in which they were made, whatever the clock said.</summary>
            public readonly Dictionary<PeerKey, DateTimeOffset> KeptAt = [];
        }

        private sealed class Device { public required Owner Of; public PeerKey Key; public Host? Home; }

        private readonly Host[] hosts = [new(), new()];
        private readonly List<Device> devices = [];
        private readonly Dictionary<Guid, (string TenantId, Guid DeviceId, long Number)> live = [];
        private readonly HashSet<string> suspended = [];
        private readonly Dictionary<string, (long Rx, long Tx)> owed = [], billed = [];
        private readonly Dictionary<long, (long Rx, long Tx)> samples = [];

        /// <summary>Sessions of which a meter has told once and tells of a later one now.</summary>
        private readonly HashSet<long> replaced = [];
        private DateTimeOffset now = Samples.Now;
        private long numbers;
        private ulong keys;

        public World()
        {
            for (var i = 0; i < 6; i++) devices.Add(new Device { Of = new("t" + i % 3, Guid.NewGuid()) });
        }

        public async Task DoAsync(int what, int which, long rx, long tx)
        {
            var device = devices[which % devices.Count];
            var host = hosts[which / 7 % 2];
            now = now.AddSeconds(rx % 40);
            switch (what)
            {
                case < 35: Move(device, rx, tx); break;
                case < 55: await SweepAsync(host, committed: true); break;
                case < 59: await SweepAsync(host, committed: false); break;
                case < 63: Restart(host); break;
                case < 70 when device.Home is null: Register(device, host, which); break;
                case < 70: Connect(device); break;
                case < 74: EndSessionOf(device.Of.DeviceId, absorbs: true); break;
                case < 78: Revoke(device); break;
                case < 81: Suspend(device.Of.TenantId); break;
                case < 85: Reinstate(device.Of.TenantId); break;
                case < 89: Travel(device); break;
                case < 91: Rotate(device); break;
                case < 93: Apply(host, heard: false); break;
                case < 95: Apply(host, heard: true); break;
                case < 97 when device.Home is { } home: home.Peers.Remove(device.Key); break; // By somebody's hand: what it had not reported is gone.
                default: now = now.AddMinutes(-5); break; // The clock is put back.
            }
        }

        /// <summary>All that is left is read, and the books are compared.</summary>
        public async Task EndAsync()
        {
            for (var round = 0; round < 2; round++)
            {
                foreach (var host in hosts) await SweepAsync(host, committed: true);
            }

            Assert.Equal(Nonzero(owed), Nonzero(billed));
            foreach (var session in hosts.SelectMany(h => h.Meters.Values).Where(m => m.SessionId is not null && !replaced.Contains(m.Number)).GroupBy(m => m.Number))
            {
                Assert.Equal(samples.GetValueOrDefault(session.Key), (session.Sum(m => m.Rx), session.Sum(m => m.Tx)));
            }
        }

        private static (string, long, long)[] Nonzero(Dictionary<string, (long Rx, long Tx)> of) => [.. of.Where(t => t.Value != default).OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => (t.Key, t.Value.Rx, t.Value.Tx))];

        private static void Add<T>(Dictionary<T, (long Rx, long Tx)> to, T key, long rx, long tx) where T : notnull => to[key] = to.GetValueOrDefault(key) is var (r, t) ? (r + rx, t + tx) : default;

        private void Move(Device device, long rx, long tx)
        {
            // Wherever its key still is: also on the server that it is leaving.
            foreach (var peer in hosts.Select(h => h.Peers.GetValueOrDefault(device.Key)).OfType<Interfaced>())
            {
                (peer.Rx, peer.Tx, peer.FreshRx, peer.FreshTx) = (peer.Rx + rx, peer.Tx + tx, peer.FreshRx + rx, peer.FreshTx + tx);
                if (peer.Handshake == 0 || rx % 3 == 0) peer.Handshake = now.ToUnixTimeSeconds();
            }
        }

        private void Restart(Host host)
        {
            host.Incarnation++;
            foreach (var peer in host.Peers.Values) (peer.Rx, peer.Tx, peer.Handshake, peer.FreshRx, peer.FreshTx) = (0, 0, 0, 0, 0);
        }

        private void Register(Device device, Host host, int which)
        {
            // A key that was somebody else's, and is free, or a new one.
            var free = host.Meters.Keys.Concat(host.Remembered.Keys).Distinct().Where(k => hosts.All(h => !h.Rows.ContainsKey(k)) && devices.All(d => d.Home is null || d.Key != k)).ToArray();
            device.Key = which % 2 == 0 && free.Length > 0 ? free[which % free.Length] : new PeerKey(++keys, 0, 0, 0);
            device.Home = host;
            host.Rows[device.Key] = new Row { Of = device.Of, Suspended = suspended.Contains(device.Of.TenantId) };
        }

        private void Revoke(Device device)
        {
            EndSessionOf(device.Of.DeviceId, absorbs: true);
            foreach (var row in RowsOf(device)) (row.Wanted, row.Leaving, row.Pending) = (false, false, true);
            device.Home = null;
        }

        private void Travel(Device device)
        {
            if (device.Home is not { } from) return;
            var to = hosts.Single(h => h != from);
            EndSessionOf(device.Of.DeviceId, absorbs: true);
            if (to.Rows.TryGetValue(device.Key, out var back) && back.Of == device.Of && back.Wanted) back.Leaving = false;
            else to.Rows[device.Key] = new Row { Of = device.Of, Suspended = suspended.Contains(device.Of.TenantId) };
            if (now.Second % 2 == 0) from.Rows[device.Key].Leaving = true;
            else (from.Rows[device.Key].Wanted, from.Rows[device.Key].Leaving, from.Rows[device.Key].Pending) = (false, false, true);
            device.Home = to;
        }

        private void Rotate(Device device)
        {
            if (device.Home is not { } host) return;
            var fresh = new PeerKey(++keys, 0, 0, 0);
            if (host.Meters.TryGetValue(device.Key, out var meter) && meter.Row.SessionLive && meter.Of == device.Of)
            {
                host.Meters[fresh] = meter with { Row = new MeterRow(new("", 0, MeterState.Removed, 0, 0, 0), meter.Row.HeardAt, true, false), Rx = 0, Tx = 0 };
                host.Meters[device.Key] = meter with { Row = meter.Row with { SessionLive = false } };
            }

            foreach (var row in RowsOf(device)) (row.Wanted, row.Leaving, row.Pending) = (false, false, true);
            device.Key = fresh;
            host.Rows[fresh] = new Row { Of = device.Of, Suspended = suspended.Contains(device.Of.TenantId) };
        }

        private IEnumerable<Row> RowsOf(Device device) => hosts.Select(h => h.Rows.GetValueOrDefault(device.Key)).OfType<Row>().Where(r => r.Of == device.Of);

        private void Suspend(string tenantId)
        {
            suspended.Add(tenantId);
            foreach (var row in hosts.SelectMany(h => h.Rows.Values).Where(r => r.Of.TenantId == tenantId && r is { Wanted: true, Suspended: false })) (row.Suspended, row.Pending) = (true, true);
            foreach (var device in devices.Where(d => d.Of.TenantId == tenantId)) EndSessionOf(device.Of.DeviceId, absorbs: false);
        }

        private void Reinstate(string tenantId)
        {
            suspended.Remove(tenantId);
            foreach (var row in hosts.SelectMany(h => h.Rows.Values).Where(r => r.Of.TenantId == tenantId && r is { Wanted: true, Suspended: true })) (row.Suspended, row.Pending) = (false, true);
        }

        private void Connect(Device device)
        {
            if (live.Values.Any(s => s.DeviceId == device.Of.DeviceId)) return;
            var (id, number) = (Guid.NewGuid(), ++numbers);
            live[id] = (device.Of.TenantId, device.Of.DeviceId, number);
            var position = device.Home!.Meters.TryGetValue(device.Key, out var meter) ? meter.Row.Position : new("", 0, MeterState.Removed, 0, 0, 0);
            if (meter is not null) replaced.Add(meter.Number);
            device.Home.Meters[device.Key] = new MeterOf(new MeterRow(position, meter?.Row.HeardAt, true, false), device.Of, id, number, now, 0, 0);
        }

        private void EndSessionOf(Guid deviceId, bool absorbs)
        {
            foreach (var id in live.Where(s => s.Value.DeviceId == deviceId).Select(s => s.Key).ToArray())
            {
                live.Remove(id);
                foreach (var host in hosts)
                {
                    foreach (var (key, meter) in host.Meters.Where(m => m.Value.SessionId == id).ToArray()) host.Meters[key] = meter with { Row = meter.Row with { SessionLive = false, Absorbs = absorbs } };
                }
            }
        }

        /// <summary>As a server does it, and as the confirmation keeps it.</summary>
        private void Apply(Host host, bool heard)
        {
            now = now.AddMilliseconds(1);
            foreach (var (key, row) in host.Rows.Where(r => r.Value.Pending).ToArray())
            {
                if (row is { Wanted: false } or { Suspended: true })
                {
                    if (host.Peers.Remove(key, out var peer))
                    {
                        // Of an earlier removal that nobody heard of, nothing is known to be left: it is answered with this adding's removal no more.
                        host.Remembered[key] = (new Counters("i" + host.Incarnation, peer.Rx, peer.Tx, peer.Handshake), peer.FreshRx, peer.FreshTx, peer.Of.TenantId);
                    }

                    if (heard) Answer(host, key, row, forget: false);
                }
                else if (!host.Peers.ContainsKey(key))
                {
                    if (!heard) continue;
                    Answer(host, key, row, forget: true);
                    host.Peers[key] = new Interfaced { Of = row.Of };
                }

                if (!heard) continue;
                row.Pending = false;
                if (!row.Wanted) host.Rows.Remove(key);
            }
        }

        private void Answer(Host host, PeerKey key, Row row, bool forget)
        {
            if (!host.Remembered.TryGetValue(key, out var last)) return;
            now = now.AddMilliseconds(1);
            host.KeptAt[key] = host.KeptAt.TryGetValue(key, out var before) && before >= now ? before.AddMicroseconds(1) : now;
            host.Finals.Add(new FinalCounters(key, host.KeptAt[key], last.Last, row.Of.TenantId, Guid.Empty, row.Of.DeviceId));
            Add(owed, last.TenantId, last.FreshRx, last.FreshTx);
            if (forget) host.Remembered.Remove(key);
            else host.Remembered[key] = last with { FreshRx = 0, FreshTx = 0 };
        }

        private async Task SweepAsync(Host host, bool committed)
        {
            Apply(host, heard: true);
            var at = host.ReadAt > now ? host.ReadAt.Value : now;
            var reading = new ServerReading(host.Id, 1, new ServerIdentity("K", 1, "b", "i" + host.Incarnation), host.Peers.ToDictionary(p => p.Key, p => new SeenPeer(1, p.Value.Handshake, p.Value.Rx, p.Value.Tx)));
            var sweep = new Sweep(reading, host.ReadAt ?? at, at, host.Meters.ToDictionary(m => m.Key, m => m.Value.Row), [.. host.Finals.OrderBy(f => f.ReadAt)]);
            var owners = new Dictionary<PeerKey, MeterOwner>();
            foreach (var key in sweep.Keys)
            {
                var (row, meter) = (host.Rows.GetValueOrDefault(key), host.Meters.GetValueOrDefault(key));
                if ((row?.Of ?? meter?.Of) is not { } of) continue;
                var same = meter is { SessionId: not null } && meter.Of == of ? meter : null;
                owners[key] = new MeterOwner(of.TenantId, Guid.Empty, of.DeviceId, "10.8.0.2", row is { Wanted: true, Suspended: false, Leaving: false }, row is not { Pending: true }, same?.SessionId, same?.Number ?? 0, same?.Row.SessionLive ?? false, live.Values.Any(s => s.DeviceId == of.DeviceId));
            }

            await sweep.SettleAsync(owners, _ => new(++numbers), CancellationToken.None);
            Assert.True(sweep.From <= at);
            if (!committed) return;

            foreach (var peer in host.Peers.Values)
            {
                Add(owed, peer.Of.TenantId, peer.FreshRx, peer.FreshTx);
                (peer.FreshRx, peer.FreshTx) = (0, 0);
            }

            Commit(host, sweep, at);
            // The pass mends what is missing, once it is counted; the server forgets what it knew of it.
            foreach (var (key, row) in host.Rows.Where(r => r.Value is { Wanted: true, Suspended: false } && !host.Peers.ContainsKey(r.Key)))
            {
                host.Remembered.Remove(key);
                host.Peers[key] = new Interfaced { Of = row.Of };
            }
        }

        private void Commit(Host host, Sweep sweep, DateTimeOffset at)
        {
            host.ReadAt = at;
            host.Finals.Clear();
            foreach (var begun in sweep.Begun)
            {
                if (begun.Ended is { } ended)
                {
                    Assert.True(ended.At >= begun.Started.At);
                    continue;
                }

                Assert.DoesNotContain(live.Values, s => s.DeviceId == begun.Started.DeviceId);
                live[begun.SessionId] = (begun.TenantId, begun.Started.DeviceId, begun.Started.Number);
            }

            foreach (var (tenantId, set) in sweep.SamplesByTenant())
            {
                foreach (var sample in set.All)
                {
                    Add(billed, tenantId, sample.RxBytes, sample.TxBytes);
                    Add(samples, sample.Session, sample.RxBytes, sample.TxBytes);
                }
            }

            foreach (var change in sweep.Changes)
            {
                var (owner, before) = (change.Owner, host.Meters.GetValueOrDefault(change.Key));
                var of = new Owner(owner.TenantId, owner.DeviceId);
                if (before is not null && before.Number != owner.SessionNumber) replaced.Add(before.Number);
                var row = new MeterRow(change.Position, change.HeardAt ?? before?.Row.HeardAt, false, before is { Row.Absorbs: true } && !change.Absorbs);
                host.Meters[change.Key] = before is null || change.BegunAt is not null || before.Of != of
                    ? new MeterOf(row with { SessionLive = owner.SessionLive }, of, owner.SessionId, owner.SessionNumber, change.BegunAt, change.RxBytes, change.TxBytes)
                    : before with { Row = row with { SessionLive = before.Row.SessionLive }, Rx = before.Rx + change.RxBytes, Tx = before.Tx + change.TxBytes };
            }
        }
    }
}
