using System.Runtime.InteropServices;
using CVault.Metering;
using CVault.Sessions;
using Npgsql;

namespace CVault.Projections.Load;

/// <summary>
/// What each server had to do, by UTC hour: bytes, sessions begun and ended, and the most that were open at once. Of all
/// tenants together, for whoever runs the platform.
/// </summary>
public sealed class LoadModel : ReadModel
{
    public const string Hours = "load_hours", Sessions = "load_sessions", Servers = "load_servers";

    public override string Name => "load";
    public override bool IsMoney => false;
    public override IReadOnlyCollection<Type> Events { get; } = [typeof(SessionStarted), typeof(SessionEnded), typeof(UsageMetered)];
    public override IReadOnlyList<string> Tables { get; } = [Hours, Sessions, Servers];

    /// <summary><c>load_sessions</c> has those that are open, <c>load_servers</c> how many they are: counting them anew each time would cost the more the more there are.</summary>
    public override string CreateSql(TableNames tables) => $"""
        create table {tables[Sessions]} (session_id uuid primary key, server_id uuid not null);
        create table {tables[Servers]} (server_id uuid primary key, open_sessions bigint not null) with (fillfactor = 50);
        create table {tables[Hours]} (
          server_id uuid not null, start timestamptz not null, rx_bytes bigint not null, tx_bytes bigint not null, sessions_started bigint not null, sessions_ended bigint not null, peak_sessions bigint not null,
          primary key (server_id, start)) with (fillfactor = 50);
        """;

    public override async Task ApplyAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        var ended = await ServersOfAsync(connection, tables, events, cancellation);
        var seen = events.Select(e => e.Data switch { SessionStarted s => s.ServerId, UsageMetered m => m.ServerId, _ => ended.GetValueOrDefault(e.StreamId) }).Distinct().ToArray();
        var fold = new Fold(await OpenAsync(connection, tables, seen, cancellation), ended);
        foreach (var e in events) fold.Add(e);

        await using var batch = Statements(connection);
        if (fold.Begun.Count > 0) Add(batch, $"insert into {tables[Sessions]} (session_id, server_id) select * from unnest($1::uuid[], $2::uuid[])", fold.Begun.Keys.ToArray(), fold.Begun.Values.ToArray());
        if (fold.Over.Count > 0) Add(batch, $"delete from {tables[Sessions]} where session_id = any($1)", fold.Over.ToArray());
        if (fold.Open.Count > 0)
        {
            var servers = fold.Open.OrderBy(s => s.Key).ToArray();
            Add(batch, $"insert into {tables[Servers]} (server_id, open_sessions) select * from unnest($1::uuid[], $2::bigint[]) on conflict (server_id) do update set open_sessions = excluded.open_sessions",
                Array.ConvertAll(servers, s => s.Key), Array.ConvertAll(servers, s => s.Value));
        }

        if (fold.ByHour.Count > 0)
        {
            var rows = fold.ByHour.OrderBy(h => h.Key).ToArray();
            Add(batch, $"""
                insert into {tables[Hours]} as t (server_id, start, rx_bytes, tx_bytes, sessions_started, sessions_ended, peak_sessions)
                select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
                on conflict (server_id, start) do update set rx_bytes = t.rx_bytes + excluded.rx_bytes, tx_bytes = t.tx_bytes + excluded.tx_bytes,
                  sessions_started = t.sessions_started + excluded.sessions_started, sessions_ended = t.sessions_ended + excluded.sessions_ended, peak_sessions = greatest(t.peak_sessions, excluded.peak_sessions)
                """,
                Array.ConvertAll(rows, r => r.Key.Server), Array.ConvertAll(rows, r => r.Key.Start), Array.ConvertAll(rows, r => r.Value.Rx), Array.ConvertAll(rows, r => r.Value.Tx),
                Array.ConvertAll(rows, r => r.Value.Started), Array.ConvertAll(rows, r => r.Value.Ended), Array.ConvertAll(rows, r => r.Value.Peak));
        }

        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Where the open sessions are that end in these events.</summary>
    private static async Task<Dictionary<Guid, Guid>> ServersOfAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        var servers = new Dictionary<Guid, Guid>();
        var ids = events.Where(e => e.Data is SessionEnded).Select(e => e.StreamId).Distinct().ToArray();
        if (ids.Length == 0) return servers;
        await using var command = new NpgsqlCommand($"select session_id, server_id from {tables[Sessions]} where session_id = any($1)", connection);
        command.Parameters.Add(new() { Value = ids });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) servers[reader.GetGuid(0)] = reader.GetGuid(1);
        return servers;
    }

    private static async Task<Dictionary<Guid, long>> OpenAsync(NpgsqlConnection connection, TableNames tables, Guid[] servers, CancellationToken cancellation)
    {
        var open = new Dictionary<Guid, long>();
        await using var command = new NpgsqlCommand($"select server_id, open_sessions from {tables[Servers]} where server_id = any($1)", connection);
        command.Parameters.Add(new() { Value = servers });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) open[reader.GetGuid(0)] = reader.GetInt64(1);
        return open;
    }

    private readonly record struct HourKey(Guid Server, DateTimeOffset Start) : IComparable<HourKey>
    {
        public int CompareTo(HourKey other) => Server.CompareTo(other.Server) is not 0 and var server ? server : Start.CompareTo(other.Start);
    }

    private record struct Amounts(long Rx, long Tx, long Started, long Ended, long Peak);

    /// <param name="open">How many sessions are open on each server before the batch.</param>
    /// <param name="servers">Where those are that end.</param>
    private sealed class Fold(Dictionary<Guid, long> open, Dictionary<Guid, Guid> servers)
    {
        public Dictionary<HourKey, Amounts> ByHour { get; } = [];
        public Dictionary<Guid, Guid> Begun { get; } = [];
        public List<Guid> Over { get; } = [];

        /// <summary>How many are open on each server, after the batch.</summary>
        public Dictionary<Guid, long> Open => open;

        public void Add(StoredEvent e)
        {
            switch (e.Data)
            {
                case SessionStarted started:
                    Begun[e.StreamId] = servers[e.StreamId] = started.ServerId;
                    CollectionsMarshal.GetValueRefOrAddDefault(open, started.ServerId, out _)++;
                    Of(started.ServerId, started.At ?? e.Timestamp).Started++;
                    break;
                // One that is not open has ended before: two have ended it at the same time.
                case SessionEnded ended when servers.Remove(e.StreamId, out var server):
                    Of(server, ended.At ?? e.Timestamp).Ended++;
                    open[server]--;
                    if (!Begun.Remove(e.StreamId)) Over.Add(e.StreamId);
                    break;
                case UsageMetered metered:
                    Meter(metered);
                    break;
            }
        }

        private void Meter(UsageMetered metered)
        {
            HourSplit.Divide(metered.Samples.RxBytes, metered.Samples.TxBytes, metered.From, metered.To, HourSplit.Hours(metered.From, metered.To), (hour, rx, tx) =>
            {
                ref var amounts = ref Of(metered.ServerId, hour);
                amounts.Rx += rx;
                amounts.Tx += tx;
            });
        }

        /// <summary>The hour's amounts, in which as many were open at once as are now.</summary>
        private ref Amounts Of(Guid server, DateTimeOffset at)
        {
            ref var amounts = ref CollectionsMarshal.GetValueRefOrAddDefault(ByHour, new HourKey(server, HourSplit.HourOf(at)), out _);
            amounts.Peak = Math.Max(amounts.Peak, open.GetValueOrDefault(server));
            return ref amounts;
        }
    }
}
