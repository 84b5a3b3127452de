using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace CVault;

/// <summary>One change of one server's peers, as a request waits for it.</summary>
/// <param name="ServerId">The server.</param>
/// <param name="PublicKey">The peer's WireGuard public key, base64.</param>
/// <param name="Wanted">True: the peer should be there. False: it should be gone.</param>
/// <param name="IsNew">No earlier change of this key can be under way, so its first confirmation is this one's.</param>
public readonly record struct PeerChange(Guid ServerId, string PublicKey, bool Wanted, bool IsNew = false);

/// <summary>
/// Where requests wait for their peers. A confirmation is a signal, from this node's link or another node's; only the
/// row says whether the server has the change as it now stands, but for a key that is new, whose first confirmation can
/// be no other's. A look at the row now and again serves for a signal that was lost.
/// </summary>
public sealed class PeerConfirmations(NpgsqlDataSource database, TimeProvider time)
{
    private static readonly TimeSpan LookAnyway = TimeSpan.FromMilliseconds(250);
    private readonly ConcurrentDictionary<(Guid, string), TaskCompletionSource<bool>> signals = new();

    /// <summary>Asks for the change's signal, before the commit, for the request's life.</summary>
    public Task<bool> Expect(PeerChange change, HttpContext http)
    {
        var expected = new Expected(this, change);
        http.Response.RegisterForDispose(expected);
        return expected.Signal;
    }

    /// <summary>True once the server confirmed the change; false after <paramref name="atMost"/>, or soon where its link is known to be down.</summary>
    /// <param name="signal">The signal that was asked for before the commit.</param>
    public async Task<bool> WaitAsync(PeerChange change, Task<bool> signal, TimeSpan atMost, CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            var left = atMost - time.GetElapsedTime(start);
            if (left > TimeSpan.Zero) await ((Task)signal).WaitAsync(left < LookAnyway ? left : LookAnyway, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellation.ThrowIfCancellationRequested();
            if (change.IsNew && signal.IsCompletedSuccessfully && await signal == change.Wanted) return true;
            // Asked for before the look, so that a confirmation right after it is not missed.
            signal = SignalOf(change).Task;
            var (settled, hopeless) = await LookAsync(change, cancellation);
            if (settled || hopeless || left <= TimeSpan.Zero) return settled;
        }
    }

    /// <summary>The server has confirmed that the peer is there, or gone.</summary>
    public void Confirmed(Guid serverId, string publicKey, bool wanted)
    {
        if (signals.TryRemove((serverId, publicKey), out var signal)) signal.TrySetResult(wanted);
    }

    private TaskCompletionSource<bool> SignalOf(PeerChange change) =>
        signals.GetOrAdd((change.ServerId, change.PublicKey), _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    /// <summary>Whether the row says so (confirmed as it stands, or gone), and whether it is of no use to wait.</summary>
    private async Task<(bool Settled, bool Hopeless)> LookAsync(PeerChange change, CancellationToken cancellation)
    {
        try
        {
            await using var command = database.CreateCommand($"""
                select (select wanted and not suspended and confirmed = revision from {Database.Schema}.peers where server_id = $1 and public_key = $2),
                  (select state in ('late', 'down', 'host_key_changed') from {Database.Schema}.server_links where server_id = $1)
                """);
            command.Parameters.Add(new() { Value = change.ServerId });
            command.Parameters.Add(new() { Value = change.PublicKey });
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            await reader.ReadAsync(cancellation);
            var live = reader.IsDBNull(0) ? (bool?)null : reader.GetBoolean(0);
            return (change.Wanted ? live is true : live is null, !reader.IsDBNull(1) && reader.GetBoolean(1));
        }
        catch (NpgsqlException)
        {
            return (false, false);
        }
    }

    /// <summary>Forgets the signal when the request is over.</summary>
    private sealed class Expected(PeerConfirmations confirmations, PeerChange change) : IDisposable
    {
        public Task<bool> Signal { get; } = confirmations.SignalOf(change).Task;

        public void Dispose() => confirmations.signals.TryRemove((change.ServerId, change.PublicKey), out _);
    }
}

/// <summary>Wolverine middleware, before the commit: the confirmation may come before the request has begun to wait for it.</summary>
public static class ExpectPeer
{
    public static void After(Reply reply, HttpContext http, PeerConfirmations confirmations)
    {
        if (reply.Peer is { } change) reply.Confirmation = confirmations.Expect(change, http);
    }
}
