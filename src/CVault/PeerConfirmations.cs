using System.Collections.Concurrent;
using Npgsql;

namespace CVault;

/// <summary>One change of one server's peers, as a request waits for it.</summary>
/// <param name="ServerId">The server.</param>
/// <param name="PublicKey">The peer's WireGuard public key, base64.</param>
/// <param name="Wanted">True: the peer should be there. False: it should be gone.</param>
public readonly record struct PeerChange(Guid ServerId, string PublicKey, bool Wanted);

/// <summary>
/// Where requests wait for their peers. Only the row says whether the server has confirmed the change as it now
/// stands; the signal merely says when to look, and a look now and again serves for a server whose link another node
/// keeps.
/// </summary>
public sealed class PeerConfirmations(NpgsqlDataSource database, TimeProvider time)
{
    private static readonly TimeSpan LookAnyway = TimeSpan.FromMilliseconds(250);
    private readonly ConcurrentDictionary<(Guid, string), TaskCompletionSource> signals = new();

    /// <summary>True once the server confirmed the change; false after <paramref name="atMost"/>.</summary>
    public async Task<bool> WaitAsync(PeerChange change, TimeSpan atMost, CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        var peer = (change.ServerId, change.PublicKey);
        while (true)
        {
            // Asked for before the look, so that a confirmation right after it is not missed.
            var signal = signals.GetOrAdd(peer, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
            if (await IsSettledAsync(change, cancellation)) return true;
            var left = atMost - time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                signals.TryRemove(new(peer, signal));
                return false;
            }

            await signal.Task.WaitAsync(left < LookAnyway ? left : LookAnyway, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The server has confirmed something about the peer.</summary>
    public void Confirmed(Guid serverId, string publicKey)
    {
        if (signals.TryRemove((serverId, publicKey), out var signal)) signal.TrySetResult();
    }

    /// <summary>Whether the row says so: confirmed as it stands, or gone.</summary>
    private async Task<bool> IsSettledAsync(PeerChange change, CancellationToken cancellation)
    {
        try
        {
            await using var command = database.CreateCommand($"select wanted and not suspended and confirmed = revision from {Database.Schema}.peers where server_id = $1 and public_key = $2");
            command.Parameters.Add(new() { Value = change.ServerId });
            command.Parameters.Add(new() { Value = change.PublicKey });
            var live = await command.ExecuteScalarAsync(cancellation);
            return change.Wanted ? live is true : live is null;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
