using CsCheck;
using CVault.Metering;
using CVault.Peers;
using CVault.Servers;

namespace CVault.Tests.Unit;

/// <summary>Readings of servers with any history at all, and what is billed of them.</summary>
public sealed class SweepHistoryTests
{
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
