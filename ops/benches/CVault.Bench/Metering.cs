using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CVault.Metering;
using CVault.Peers;
using CVault.Servers;
using CVault.Sessions;
using JasperFx;
using Marten;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;
using Renci.SshNet;

namespace CVault.Bench;

/// <summary>
/// What a sweep costs: one server's peers and counters read over its SSH connection and counted by the collector, until
/// the commit; beside it, on the server itself, <c>wg show wg0 dump</c>. The API is ended first, and the bench keeps the
/// server's link in its place.
/// </summary>
/// <remarks>
/// The server, its peers, SSH, <c>cvault-wg</c>, the collector and PostgreSQL are the real ones. That a tenth of the peers
/// has moved bytes is pretended, between the dump and the collector: this machine has no five thousand clients.
/// </remarks>
public sealed class Metering(Stack stack, int peers, int rounds)
{
    private const int Tenants = 100, Growth = 40;
    private static readonly string[] Grown = ["mt_events", "mt_streams", "peer_meters", "server_meters", "bandwidth", "mt_doc_session"];

    public async Task<string> RunAsync()
    {
        var serverId = await stack.ServerIdAsync("vpn1");
        var ssh = System.Text.Json.Nodes.JsonNode.Parse(await stack.QueryAsync("select data ->> 'ssh' from cvault.mt_doc_server where id = $1", serverId))!;
        using (var api = Process.GetProcessById(Stack.Pid("api")))
        {
            api.Kill();
            await api.WaitForExitAsync();
        }

        var url = await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "secrets", "database-url"));
        await using var database = NpgsqlDataSource.Create(CVault.Database.ConnectionString(url.Trim()));
        await using var store = DocumentStore.For(o =>
        {
            o.Connection(database);
            Configuration.ConfigureStore(o);
            o.AutoCreateSchemaObjects = AutoCreate.None;
        });
        var epoch = await stack.CountAsync("update cvault.server_links set epoch = epoch + 1000, expires_at = now() + interval '1 day' where server_id = $1 returning epoch", serverId);

        Console.Error.WriteLine($"    {peers:N0} peers to the server and to the database");
        await using var connection = new ServerConnection(await SshChannel.OpenAsync(
            ssh["host"]!.ToString(), (int)ssh["port"]!, ssh["user"]!.ToString(), ssh["hostKey"]!.ToString(), new PrivateKeyFile(Path.Combine(Stack.StateDir, "secrets", "ssh-key")), CancellationToken.None), TimeSpan.FromMinutes(2));
        await connection.OwnAsync(epoch);
        var wanted = Enumerable.Range(0, peers).Select(i => new WantedPeer(Random(), Random(), PoolAddress(i))).ToArray();
        await connection.SyncAsync(wanted);
        await FillAsync(database, serverId, wanted);

        var collector = new Collector(store, new SessionNumbers(), new EndSessions(store, database, null!, NullLogger<EndSessions>.Instance), TimeProvider.System, NullLogger<Collector>.Instance);
        var moving = wanted.Where((_, i) => i % 10 == 0).Select(w => PeerKey.Parse(w.PublicKey)).ToArray();
        List<double> sweeps = [], read = [], floor = [];
        for (var round = 0; round < rounds + 3; round++)
        {
            var dump = double.Parse(await Stack.ShellOnAsync("vpn1", "a=${EPOCHREALTIME/./}; wg show wg0 dump >/dev/null; b=${EPOCHREALTIME/./}; echo $((b - a))"), CultureInfo.InvariantCulture) / 1000;
            var start = Stopwatch.GetTimestamp();
            var reading = await ReadAsync(connection, serverId, epoch, moving, round + 1);
            var took = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            await collector.SweepAsync(reading, CancellationToken.None);
            if (round < 3) continue; // Warm-up.
            sweeps.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            read.Add(took);
            floor.Add(dump);
        }

        Console.Error.WriteLine($"    what {Growth} sweeps leave in the database");
        var one = await ReadAsync(connection, serverId, epoch, [], 0);
        await stack.QueryAsync("vacuum cvault.peer_meters");
        var before = await SizesAsync();
        for (var i = 0; i < Growth; i++) await collector.SweepAsync(one with { Peers = Moved(one.Peers, moving, rounds + 4 + i) }, CancellationToken.None);
        var after = await SizesAsync();
        var samples = Growth * moving.Length;
        var billed = await stack.CountAsync("select sum(session_rx_bytes + session_tx_bytes)::bigint from cvault.peer_meters where server_id = $1", serverId);
        var expected = moving.Sum(k => (long)(Traffic(k, rounds + 3 + Growth).Rx + Traffic(k, rounds + 3 + Growth).Tx));
        return Report(sweeps, read, floor, samples, before, after, billed, expected);
    }

    private static async Task<ServerReading> ReadAsync(ServerConnection connection, Guid serverId, long epoch, PeerKey[] moving, int round)
    {
        var diff = new PeerDiff();
        var identity = await connection.DumpAsync(diff.See, diff.SeeUnread);
        var reading = diff.Reading(serverId, epoch, identity);
        return reading with { Peers = Moved(reading.Peers, moving, round) };
    }

    /// <summary>The dump as it would be had these peers moved bytes, with a handshake every eighth round (120 s of 15).</summary>
    private static Dictionary<PeerKey, SeenPeer> Moved(IReadOnlyDictionary<PeerKey, SeenPeer> seen, PeerKey[] moving, int round)
    {
        var moved = new Dictionary<PeerKey, SeenPeer>(seen);
        foreach (var key in moving)
        {
            var (rx, tx) = Traffic(key, round);
            moved[key] = seen[key] with { RxBytes = rx, TxBytes = tx, LastHandshake = DateTimeOffset.UtcNow.ToUnixTimeSeconds() / 8 * 8 };
        }

        return moved;
    }

    /// <summary>Some 30 kB up and 400 kB down each time.</summary>
    private static (long Rx, long Tx) Traffic(PeerKey key, int round) => (round * (20_000L + (long)(key.A % 20_000)), round * (300_000L + (long)(key.B % 200_000)));

    private async Task FillAsync(NpgsqlDataSource database, Guid serverId, WantedPeer[] wanted)
    {
        var tenants = Enumerable.Range(0, Tenants).Select(_ => Guid.CreateVersion7().ToString()).ToArray();
        await using var command = database.CreateCommand("""
            with new as (select k, a, t, gen_random_uuid() as device, gen_random_uuid() as u, n from unnest($2::text[], $3::text[], $4::text[]) with ordinality as x (k, a, t, n)),
            p as (insert into cvault.peers (server_id, public_key, device_id, user_id, tenant_id, allowed_ips, preshared_key, wanted, suspended, revision, confirmed, changed_at)
              select $1, k, device, u, t, a, '', true, false, 1, 1, now() from new)
            insert into cvault.peer_meters (server_id, public_key, tenant_id, user_id, device_id, incarnation, generation, state, rx_bytes, tx_bytes, handshake, heard_at, session_id, session_number, session_live, session_at)
            select $1, k, t, u, device, '', 0, 1, 0, 0, 0, now(), gen_random_uuid(), 100000 + n, true, now() from new
            """);
        command.CommandTimeout = 120;
        command.Parameters.Add(new() { Value = serverId });
        foreach (var column in new[] { wanted.Select(w => w.PublicKey), wanted.Select(w => w.AllowedIps), wanted.Select((_, i) => tenants[i % Tenants]) })
        {
            command.Parameters.Add(new() { Value = column.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        }

        await command.ExecuteNonQueryAsync();
        await stack.QueryAsync("analyze cvault.peers");
        await stack.QueryAsync("vacuum (analyze) cvault.peer_meters");
    }

    private async Task<Dictionary<string, long>> SizesAsync()
    {
        var sizes = new Dictionary<string, long>();
        foreach (var name in Grown) sizes[name] = await stack.CountAsync("select coalesce(pg_total_relation_size(to_regclass('cvault.' || $1)), 0)", name);
        return sizes;
    }

    private string Report(List<double> sweeps, List<double> read, List<double> floor, int samples, Dictionary<string, long> before, Dictionary<string, long> after, long billed, long expected)
    {
        var (sweep, dump, wg) = (Median(sweeps), Median(read), Median(floor));
        var grown = Grown.Sum(g => after[g] - before[g]) / (double)samples;
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Metering, {DateTimeOffset.UtcNow:yyyy-MM-dd}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"`ops/bench metering`: one server with {peers:N0} peers of {Tenants} tenants, a tenth of which moved bytes since the last sweep; {rounds} rounds in turns, medians. All real but the traffic, which is added to the dump's counters. Everything shares {Environment.ProcessorCount} cores.").AppendLine();
        text.AppendLine("| | ms | times the dump |").AppendLine("|---|---:|---:|");
        text.AppendLine(CultureInfo.InvariantCulture, $"| `wg show wg0 dump`, on the server | {wg:0} | 1.00 |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| the same read over SSH and compared | {dump:0} | {dump / wg:0.00} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| a sweep, to its commit | {sweep:0} | **{sweep / wg:0.00}** |").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"What {Growth} sweeps of {samples / Growth:N0} moving sessions left in PostgreSQL, bytes a session and sweep:").AppendLine();
        text.AppendLine("| relation, with its indexes and TOAST | bytes |").AppendLine("|---|---:|");
        foreach (var name in Grown) text.AppendLine(CultureInfo.InvariantCulture, $"| `{name}` | {(after[name] - before[name]) / (double)samples:0.0} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| **all** | **{grown:0.0}** |").AppendLine();
        text.AppendLine("| target | |").AppendLine("|---|---|");
        text.AppendLine(CultureInfo.InvariantCulture, $"| a sweep at most 3 times the dump | {Verdict(sweep / wg <= 3)} ({sweep / wg:0.00}) |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| at most 60 bytes, aim 30 | {Verdict(grown <= 60)} ({grown:0.0}) |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| what is counted is what was added, to the byte | {Verdict(billed == expected)} ({billed:N0} of {expected:N0}) |");
        return text.ToString();
    }

    private static string Verdict(bool met) => met ? "met" : "**missed**";

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>Any 32 bytes are a key to WireGuard.</summary>
    private static string Random() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private static string PoolAddress(int i) => string.Create(CultureInfo.InvariantCulture, $"10.8.{(i + 256) >> 8}.{(i + 256) & 255}/32");
}
