using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Peers;

/// <summary>
/// What nodes tell each other, by PostgreSQL's NOTIFY on a connection of their own: a server's rows changed (to
/// whoever keeps its link), and its peers are confirmed (to whoever has a request waiting). Only wake-ups: the rows
/// say what is so, and one that is lost costs a moment, never a change.
/// </summary>
public sealed class NodeSignals(NpgsqlDataSource database, PeerConfirmations confirmations, ILogger<NodeSignals> logger) : BackgroundService
{
    private const string Channel = "cvault_peers";

    /// <summary>A payload is at most 8,000 bytes; a key is 44.</summary>
    private const int KeysAPayload = 150;

    private readonly string self = Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<string, bool> unsaid = new();
    private readonly Signal toSay = new();

    /// <summary>Hears that a server's rows changed; of the node's own words too.</summary>
    public event Action<Guid>? Woken;

    /// <summary>Tells whichever node keeps the server's link. Said once, however often it is called meanwhile.</summary>
    public void Wake(Guid serverId) => Say($"wake {serverId}");

    /// <summary>Tells the requests of other nodes which of a server's peers are now there, or gone.</summary>
    public void Confirmed(Guid serverId, bool wanted, IEnumerable<string> publicKeys)
    {
        foreach (var some in publicKeys.Chunk(KeysAPayload)) Say($"{(wanted ? "live" : "gone")} {serverId} {self} {string.Join(',', some)}");
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(SpeakAsync(stoppingToken), ListenAsync(stoppingToken));

    private void Say(string words)
    {
        unsaid[words] = true;
        toSay.Give();
    }

    private async Task SpeakAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await toSay.WaitAsync(Timeout.InfiniteTimeSpan, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var words = unsaid.Keys.ToArray();
            if (words.Length == 0) continue;
            foreach (var word in words) unsaid.TryRemove(word, out _);
            try
            {
                // To nobody but oneself nothing is said: a notification is a transaction that writes.
                await using var command = database.CreateCommand($"select pg_notify('{Channel}', w) from unnest($1::text[]) w where (select count(*) > 1 from {Database.Schema}.wolverine_nodes)");
                command.Parameters.Add(new() { Value = words });
                await command.ExecuteNonQueryAsync(stopping);
            }
            catch (Exception)
            {
                // Whom it was for looks anyway, a moment later.
            }
        }
    }

    private async Task ListenAsync(CancellationToken stopping)
    {
        var heard = true;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(stopping);
                connection.Notification += (_, e) => Hear(e.Payload);
                await using (var listen = new NpgsqlCommand($"listen {Channel}", connection)) await listen.ExecuteNonQueryAsync(stopping);
                heard = true;
                while (true) await connection.WaitAsync(stopping);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (heard) logger.LogWarning("Other nodes are not heard: {Reason}", e.Message);
                heard = false;
                await Task.Delay(TimeSpan.FromMilliseconds(500), stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private void Hear(string payload)
    {
        switch (payload.Split(' '))
        {
            case ["wake", var id] when Guid.TryParse(id, out var server):
                Woken?.Invoke(server);
                break;
            case [("live" or "gone") and var how, var id, var from, var keys] when from != self && Guid.TryParse(id, out var server):
                foreach (var key in keys.Split(',')) confirmations.Confirmed(server, key, how == "live");
                break;
        }
    }
}
