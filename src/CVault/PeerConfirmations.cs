using System.Collections.Concurrent;
using Npgsql;

namespace CVault;

/// <summary>One change of one server's peers, as a request waits for it.</summary>
/// <param name="ServerId">The server.</param>
/// <param name="PublicKey">The peer's WireGuard public key, base64.</param>
/// <param name="Wanted">True: the peer should be there. False: it should be gone.</param>
public readonly record struct PeerChange(Guid ServerId, string PublicKey, bool Wanted);

/// <summary>
/// Where requests wait for their peers. A confirmation may come before the request starts to wait (the wake-up leaves
/// with the commit), so the last ones are remembered for a short while.
/// </summary>
public sealed class PeerConfirmations(NpgsqlDataSource database, TimeProvider time)
{
    /// <summary>
    /// When the rows are asked instead: early once, for a peer that was live all along, and then now and again, for
    /// one whose server another node keeps.
    /// </summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(30), NextLook = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<PeerChange, Entry> entries = new();
    private long swept;

    /// <summary>True once the server confirmed the change; false after <paramref name="atMost"/>.</summary>
    public async Task<bool> WaitAsync(PeerChange change, TimeSpan atMost, CancellationToken cancellation)
    {
        var entry = entries.GetOrAdd(change, _ => new Entry(time.GetUtcNow()));
        var start = time.GetTimestamp();
        for (var look = FirstLook; time.GetElapsedTime(start) < atMost; look = NextLook)
        {
            try
            {
                await entry.Done.Task.WaitAsync(look, time, cancellation);
                return true;
            }
            catch (TimeoutException)
            {
                if (await IsSettledAsync(change, cancellation)) return true;
            }
        }

        return false;
    }

    /// <summary>Whether the rows say so: confirmed as it stands, or gone.</summary>
    private async Task<bool> IsSettledAsync(PeerChange change, CancellationToken cancellation)
    {
        try
        {
            await using var command = database.CreateCommand($"select wanted and confirmed = revision from {Database.Schema}.peers where server_id = $1 and public_key = $2");
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

    /// <summary>The server has confirmed the change. What was said of the peer before no longer holds.</summary>
    public void Confirm(PeerChange change)
    {
        entries.TryRemove(change with { Wanted = !change.Wanted }, out _);
        var now = time.GetUtcNow();
        var entry = entries.GetOrAdd(change, _ => new Entry(now));
        entry.At = now;
        entry.Done.TrySetResult();
        Sweep(now);
    }

    private void Sweep(DateTimeOffset now)
    {
        var last = Interlocked.Read(ref swept);
        if (now.UtcTicks - last < Remembered.Ticks || Interlocked.CompareExchange(ref swept, now.UtcTicks, last) != last) return;
        foreach (var (change, entry) in entries)
        {
            if (now - entry.At > Remembered) entries.TryRemove(change, out _);
        }
    }

    private sealed class Entry(DateTimeOffset at)
    {
        public DateTimeOffset At { get; set; } = at;
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
