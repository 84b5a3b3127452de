using System.Numerics;
using CVault.Metering;
using CVault.Projections;
using CVault.Projections.Usage;
using CVault.Servers;
using CVault.Sessions;
using Npgsql;

namespace CVault.Tests.Api;

/// <summary>
/// Random histories of several tenants' sessions, readings, moves and removals, mixed with one another, late, twice and by
/// clocks that jump, applied by the model's own SQL to the real database (in tables that nobody else sees, and that are
/// gone with the transaction) and summed up a second time by an independent model that does nothing clever.
/// </summary>
public sealed class UsageHistoryTests(Stack stack)
{
    private static readonly int Histories = Size.Of(2_000, 10_000);
    private static readonly DateTimeOffset Begin = new(2026, 2, 27, 22, 0, 0, TimeSpan.Zero);
    private static readonly TableNames Tables = new("_histories");
    private static readonly UsageModel Model = new();

    [Fact]
    public async Task usage_is_what_an_independent_model_sums_up_and_never_anothers()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var seed = Environment.TickCount;
        var expected = new Naive();
        var events = new World(seed).Events(Histories);
        foreach (var e in events) expected.Add(e);

        await using var connection = await stack.Database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using (var make = new NpgsqlCommand(Model.CreateSql(Tables), connection, transaction)) await make.ExecuteNonQueryAsync(cancellation);
        var random = new Random(seed);
        for (var at = 0; at < events.Count;)
        {
            var size = Math.Min(events.Count - at, random.Next(4) == 0 ? random.Next(1, 20) : random.Next(500, 4000));
            await Model.ApplyAsync(connection, Tables, events.GetRange(at, size), cancellation);
            at += size;
        }

        foreach (var (table, rows) in new[] { (UsageModel.Hours, expected.Hours), (UsageModel.Days, expected.Days) })
        {
            var actual = new Dictionary<Row, Sums>();
            await using var command = new NpgsqlCommand($"""
                select u.tenant_id, u.start, s.user_id, s.device_id, coalesce(s.region, ''), sum(u.rx_bytes)::bigint, sum(u.tx_bytes)::bigint, sum(u.connected_seconds)::bigint, min(least(u.rx_bytes, u.tx_bytes, u.connected_seconds))
                from {Tables[table]} u left join {Tables[UsageModel.Sessions]} s on s.tenant_id = u.tenant_id and s.number = u.number group by 1, 2, 3, 4, 5
                """, connection, transaction);
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                Assert.True(reader.GetInt64(8) >= 0, $"Seed {seed}: a negative amount.");
                actual[new Row(reader.GetGuid(0), reader.GetFieldValue<DateTimeOffset>(1), reader.IsDBNull(2) ? null : reader.GetGuid(2), reader.IsDBNull(3) ? null : reader.GetGuid(3), reader.GetString(4))] =
                    new Sums(reader.GetInt64(5), reader.GetInt64(6), reader.GetInt64(7));
            }

            var differences = rows.Keys.Union(actual.Keys).Where(k => rows.GetValueOrDefault(k) != actual.GetValueOrDefault(k)).ToArray();
            if (differences is [var first, ..]) Assert.Fail($"Seed {seed}: {differences.Length} of {rows.Count} rows of {table} differ, such as {first}: {rows.GetValueOrDefault(first)} / {actual.GetValueOrDefault(first)}");
            Assert.True(rows.Count > Histories, "Hardly anything was compared.");
        }

        await using (var sessions = new NpgsqlCommand($"select session_id, tenant_id, ended_at = 'infinity', started_at from {Tables[UsageModel.Sessions]}", connection, transaction))
        await using (var reader = await sessions.ExecuteReaderAsync(cancellation))
        {
            var count = 0;
            while (await reader.ReadAsync(cancellation))
            {
                var session = expected.Sessions[reader.GetGuid(0)];
                Assert.Equal((session.Tenant, session.Open, session.StartedAt), (reader.GetGuid(1), reader.GetBoolean(2), reader.GetFieldValue<DateTimeOffset>(3)));
                count++;
            }

            Assert.Equal(expected.Sessions.Count, count);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{Histories} histories, {events.Count} events, {expected.Hours.Count} rows by hour equal, seed {seed}");
    }

    private sealed record Row(Guid Tenant, DateTimeOffset Start, Guid? User, Guid? Device, string Region);

    private readonly record struct Sums(long Rx, long Tx, long Seconds);

    private sealed class Known(Guid tenant, long number, Guid user, Guid device, string region, DateTimeOffset startedAt)
    {
        public Guid Tenant => tenant;
        public long Number => number;
        public Guid User => user;
        public Guid Device => device;
        public string Region => region;
        public DateTimeOffset StartedAt => startedAt;
        public bool Open { get; set; } = true;
    }

    /// <summary>The histories: each of two or three tenants, all on the same few servers.</summary>
    private sealed class World(int seed)
    {
        private static readonly string[] Regions = ["us-east", "eu-west", "ap-south"];
        private readonly Random random = new(seed);
        private readonly Guid[] servers = [.. Enumerable.Range(0, 4).Select(_ => Guid.NewGuid())];
        private readonly List<StoredEvent> events = [];
        private long number;

        public List<StoredEvent> Events(int histories)
        {
            foreach (var server in servers) Add("*DEFAULT*", server, Begin, new ServerRegistered("s" + server, Pick(Regions), "h", 1, server.ToString(), ServerTransport.Simulated, null, "10.0.0.0/8", "fd00::/64", [], 10, ServerStatus.Active, Begin));
            // Several at a time, so that their events are mixed.
            var running = new List<IEnumerator<bool>>();
            for (var begun = 0; begun < histories || running.Count > 0;)
            {
                if (begun < histories && running.Count < 8)
                {
                    running.Add(History().GetEnumerator());
                    begun++;
                    continue;
                }

                var next = random.Next(running.Count);
                if (!running[next].MoveNext()) running.RemoveAt(next);
                if (random.Next(500) == 0) Add("*DEFAULT*", Pick(servers), Begin, new ServerRegionChanged(Pick(Regions)));
            }

            return events;
        }

        private IEnumerable<bool> History()
        {
            var tenants = Enumerable.Range(0, random.Next(2, 4)).Select(_ => Guid.NewGuid()).ToArray();
            var people = tenants.ToDictionary(t => t, _ => Enumerable.Range(0, random.Next(1, 3)).Select(_ => (User: Guid.NewGuid(), Device: Guid.NewGuid())).ToArray());
            var open = new List<(Guid Id, Guid Tenant, long Number, Guid Server, (Guid, Guid) Who)>();
            var (over, now) = (new List<(Guid Id, Guid Tenant, long Number, Guid Server)>(), Begin.AddSeconds(random.Next(100_000)));
            for (var step = random.Next(10, 40); step > 0; step--)
            {
                now += TimeSpan.FromMilliseconds(random.Next(20) switch { 0 => random.Next(-10_000_000, 0), < 4 => random.Next(20_000_000), _ => random.Next(40_000) });
                switch (random.Next(10))
                {
                    case < 3:
                        Start(Pick(tenants));
                        break;
                    case < 7 when open.Count > 0:
                        // One reading of a tenant on a server, of all that moved; after a restart over hours.
                        var (tenant, server) = (Pick(tenants), Pick(servers));
                        var moved = open.Where(s => s.Tenant == tenant && s.Server == server).Select(s => s.Number).Concat(over.Where(s => s.Tenant == tenant && s.Server == server && random.Next(3) == 0).Select(s => s.Number)).ToList();
                        if (random.Next(100) == 0) moved.Add(open[0].Number); // A number of whoever it is, which a reading of this tenant must not make it count for.
                        if (moved.Count > 0) Add(tenant.ToString(), Guid.NewGuid(), now, new UsageMetered(server, now.AddMilliseconds(-random.Next(10) switch { 0 => random.Next(20_000_000), 1 => 0, _ => 15_000 }), now, new SampleSet(moved.Distinct().Select(n => new Sample(n, Bytes(), Bytes())))));
                        break;
                    case 7 when open.Count > 0:
                        // A move: the device's session ends, and another begins elsewhere.
                        var moving = Pick(open);
                        End(moving.Id, "superseded");
                        Start(moving.Tenant, moving.Who);
                        break;
                    default:
                        if (open.Count > 0) End(Pick(open).Id, random.Next(2) == 0 ? "device_revoked" : "timed_out");
                        if (over.Count > 0 && random.Next(5) == 0) Add(over[^1].Tenant.ToString(), over[^1].Id, now, new SessionEnded("disconnected", now)); // Twice.
                        break;
                }

                yield return true;
            }

            void Start(Guid tenant, (Guid User, Guid Device)? who = null)
            {
                var (user, device) = who ?? Pick(people[tenant]);
                var session = (Guid.NewGuid(), tenant, ++number, Pick(servers), (user, device));
                open.Add(session);
                // Some are of before there were numbers.
                var named = random.Next(20) == 0 ? 0 : session.Item3;
                Add(tenant.ToString(), session.Item1, now, new SessionStarted(user, device, session.Item4, "10.8.0.2", named, At: random.Next(2) == 0 ? null : now.AddTicks(random.Next(-100_000_000, 100_000_000))));
            }

            void End(Guid id, string reason)
            {
                var session = open.Single(s => s.Id == id);
                open.Remove(session);
                over.Add((session.Id, session.Tenant, session.Number, session.Server));
                Add(session.Tenant.ToString(), id, now, new SessionEnded(reason, random.Next(2) == 0 ? null : now.AddTicks(random.Next(-100_000_000, 100_000_000))));
            }
        }

        private long Bytes() => random.Next(5) switch { 0 => 0, 1 => random.Next(3), 2 => random.NextInt64(1L << 45), _ => random.Next(1 << 24) };

        private T Pick<T>(IReadOnlyList<T> of) => of[random.Next(of.Count)];

        private void Add(string tenant, Guid stream, DateTimeOffset at, object data) => events.Add(new StoredEvent(events.Count + 1, Guid.Empty, data.GetType().Name, stream, tenant, at, data));
    }

    /// <summary>Sums up event by event, sample by sample and hour by hour.</summary>
    private sealed class Naive
    {
        private readonly Dictionary<Guid, string> regions = [];
        private readonly Dictionary<(Guid, long), Known> byNumber = [];

        public Dictionary<Guid, Known> Sessions { get; } = [];
        public Dictionary<Row, Sums> Hours { get; } = [];
        public Dictionary<Row, Sums> Days { get; } = [];

        public void Add(StoredEvent e)
        {
            switch (e.Data)
            {
                case ServerRegistered s: regions[e.StreamId] = s.Region; break;
                case ServerRegionChanged s: regions[e.StreamId] = s.Region; break;
                case SessionStarted s:
                    var session = new Known(Guid.Parse(e.TenantId), s.Number, s.UserId, s.DeviceId, regions[s.ServerId], Micros(s.At ?? e.Timestamp));
                    Sessions[e.StreamId] = session;
                    if (s.Number > 0) byNumber[(session.Tenant, s.Number)] = session;
                    break;
                case SessionEnded s when Sessions[e.StreamId].Open:
                    var ended = Sessions[e.StreamId];
                    ended.Open = false;
                    var at = Micros(s.At ?? e.Timestamp);
                    for (var hour = Floor(ended.StartedAt, 1); hour < at && ended.StartedAt < at; hour = hour.AddHours(1))
                    {
                        var end = hour.AddHours(1) < at ? hour.AddHours(1) : at;
                        var before = hour > ended.StartedAt ? (long)Math.Floor((decimal)(hour - ended.StartedAt).Ticks / 10_000_000m) : 0;
                        Count(ended.Tenant, ended, hour, new Sums(0, 0, (long)Math.Floor((decimal)(end - ended.StartedAt).Ticks / 10_000_000m) - before));
                    }

                    break;
                case UsageMetered m:
                    foreach (var sample in m.Samples.All) Sample(Guid.Parse(e.TenantId), m, sample);
                    break;
            }
        }

        private void Sample(Guid tenant, UsageMetered m, Sample sample)
        {
            var session = byNumber.GetValueOrDefault((tenant, sample.Session));
            if (m.From >= m.To)
            {
                Count(tenant, session, Floor(m.To, 1), new Sums(sample.RxBytes, sample.TxBytes, 0));
                return;
            }

            BigInteger whole = (m.To - m.From).Ticks, rx = 0, tx = 0;
            for (var hour = Floor(m.From, 1); hour < m.To; hour = hour.AddHours(1))
            {
                BigInteger passed = ((hour.AddHours(1) < m.To ? hour.AddHours(1) : m.To) - m.From).Ticks;
                var (rxBy, txBy) = (sample.RxBytes * passed / whole, sample.TxBytes * passed / whole);
                Count(tenant, session, hour, new Sums((long)(rxBy - rx), (long)(txBy - tx), 0));
                (rx, tx) = (rxBy, txBy);
            }
        }

        /// <summary>An unknown session's row is nobody's until the session begins; here sessions begin before their samples or never.</summary>
        private void Count(Guid tenant, Known? session, DateTimeOffset hour, Sums more)
        {
            foreach (var (to, start) in new[] { (Hours, hour), (Days, Floor(hour, 24)) })
            {
                var key = new Row(tenant, start, session?.User, session?.Device, session?.Region ?? "");
                var sums = to.GetValueOrDefault(key);
                to[key] = new Sums(sums.Rx + more.Rx, sums.Tx + more.Tx, sums.Seconds + more.Seconds);
            }
        }

        private static DateTimeOffset Floor(DateTimeOffset at, int hours) => new(at.UtcTicks / (hours * TimeSpan.TicksPerHour) * (hours * TimeSpan.TicksPerHour), TimeSpan.Zero);

        private static DateTimeOffset Micros(DateTimeOffset at) => new(at.UtcTicks / 10 * 10, TimeSpan.Zero);
    }
}
