using CVault.Security;
using CVault.Servers;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Peers;

/// <summary>How a link is doing, for <c>/health</c>.</summary>
public enum LinkState { Connecting, Up, Down, HostKeyChanged }

/// <summary>
/// The one worker of one server. It keeps one connection; takes all that is pending and applies it as one batch,
/// then whatever became pending meanwhile as the next; and on a timer, and after each reconnect, compares all that the
/// server has with all that it should have.
/// </summary>
public sealed class ServerLink(
    Server registered, ServerDialer dialer, NpgsqlDataSource database, MasterKey master, PeerConfirmations confirmations, TimeProvider time, ILogger logger)
{
    /// <summary>How often all peers are compared.</summary>
    public static readonly TimeSpan FullPass = TimeSpan.FromSeconds(30);

    /// <summary>How often pending rows are looked for without being told: a wake-up may be lost.</summary>
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1);
    private const int BatchSize = 2000;

    private readonly Signal wake = new();
    private volatile bool resync;
    private bool passDue;

    /// <summary>Rows that the server refused: not offered again before the next pass, or before they change.</summary>
    private readonly HashSet<(string PublicKey, long Revision)> refused = [];

    public LinkState State { get; private set; } = LinkState.Connecting;

    /// <summary>As it was last read; the address that the link dials does not change during its life.</summary>
    public Server Server { get; set; } = registered;

    /// <summary>Something about the server's peers may have changed.</summary>
    public void Wake() => wake.Give();

    /// <summary>An operator wants a full pass now, and whatever it removes is meant.</summary>
    public void Resync()
    {
        resync = true;
        Wake();
    }

    /// <summary>Connects, works, and when anything breaks waits a little and connects anew, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var failures = 0;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await using var connection = await dialer.DialAsync(Server.Transport, Server.Name, Server.Ssh, Server.Ssh?.HostKey, cancellation);
                var identity = await connection.VersionAsync();
                if (identity.PublicKey != Server.PublicKey) throw new InvalidDataException("The server's WireGuard key is not the registered one.");
                failures = 0;
                await WorkAsync(connection, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was, the connection is not trusted any more: SSH takes minutes to notice what we have seen.
                var state = e is HostKeyChangedException ? LinkState.HostKeyChanged : LinkState.Down;
                if (e is HostKeyChangedException changed && State != state)
                {
                    logger.LogError("ALARM server {Server} shows another host key than the pinned one: {Shown}. Nothing is sent to it", Server.Name, changed.Shown);
                }
                else if (failures++ == 0)
                {
                    logger.LogWarning("Link to server {Server} is down: {Reason}", Server.Name, e.Message);
                }

                State = state;
                await TrySetReachableAsync(false, cancellation);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 250 << Math.Min(failures, 5))), time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task WorkAsync(ServerConnection connection, CancellationToken cancellation)
    {
        var nextPass = time.GetUtcNow();
        var waitsForDatabase = false;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                while (await ApplyPendingAsync(connection, cancellation))
                {
                    // What became pending during the batch goes out as the next one, at once.
                }

                if (resync || passDue || time.GetUtcNow() >= nextPass)
                {
                    passDue = false;
                    await PassAsync(connection, cancellation);
                    await ServerLoad.SetReachableAsync(database, Server.Id, true, cancellation);
                    nextPass = time.GetUtcNow() + FullPass;
                }

                if (State != LinkState.Up || waitsForDatabase) logger.LogInformation("Link to server {Server} is up", Server.Name);
                State = LinkState.Up;
                waitsForDatabase = false;
            }
            catch (NpgsqlException e)
            {
                // The server is not at fault: its connection is kept, and all is compared once the rows can be read.
                if (!waitsForDatabase) logger.LogWarning("Link to server {Server} waits for the database: {Reason}", Server.Name, e.Message);
                waitsForDatabase = true;
                nextPass = time.GetUtcNow();
            }

            await wake.WaitAsync(Glance, cancellation);
        }
    }

    private async Task<bool> ApplyPendingAsync(ServerConnection connection, CancellationToken cancellation)
    {
        var pending = await PeerTable.PendingAsync(database, master, Server.Id, BatchSize, cancellation);
        var batch = refused.Count == 0 ? pending : [.. pending.Where(p => !refused.Contains((p.PublicKey, p.Revision)))];
        if (batch.Count == 0) return false;
        try
        {
            await ApplyAsync(connection, batch, cancellation);
        }
        catch (ServerRefusedException)
        {
            // A frame is all or nothing. One bad row must not hold up the others: each alone, and the bad one aside.
            var applied = false;
            foreach (var one in batch) applied |= await TryApplyAsync(connection, one, cancellation);
            return applied;
        }

        return true;
    }

    private async Task<bool> TryApplyAsync(ServerConnection connection, PendingPeer one, CancellationToken cancellation)
    {
        try
        {
            await ApplyAsync(connection, [one], cancellation);
            return true;
        }
        catch (ServerRefusedException refusal)
        {
            logger.LogError("Server {Server} refused peer {PublicKey}, which is set aside until the next pass: {Reason}", Server.Name, one.PublicKey, refusal.Message);
            refused.Add((one.PublicKey, one.Revision));
            passDue |= refusal.Code == "address-taken";
            return false;
        }
    }

    private async Task ApplyAsync(ServerConnection connection, IReadOnlyList<PendingPeer> batch, CancellationToken cancellation)
    {
        await connection.ApplyAsync(
            [.. batch.Where(p => p.Peer is not null).Select(p => p.Peer!)],
            [.. batch.Where(p => p.Peer is null).Select(p => p.PublicKey)]);
        FailPoint.Reached("after-ssh");
        await PeerTable.ConfirmAsync(database, Server.Id, batch, time.GetUtcNow(), cancellation);
        foreach (var peer in batch) confirmations.Confirmed(Server.Id, peer.PublicKey);
    }

    /// <summary>
    /// Observe, diff, mend. The server is read before the rows, so a peer that was just added can only be added again;
    /// nothing is removed that a row of any later moment wants.
    /// </summary>
    private async Task PassAsync(ServerConnection connection, CancellationToken cancellation)
    {
        var meant = resync;
        resync = false;
        refused.Clear();
        var dump = await connection.DumpAsync();
        var wanted = await PeerTable.WantedAsync(database, master, Server.Id, cancellation);
        var diff = PeerDiff.Between(wanted, dump.Peers);
        if (diff.IsEmpty) return;

        if (diff.IsSuspicious(dump.Peers.Count))
        {
            // Many that go because rows have just said so (a tenant suspended) are no drift: the next batch takes them.
            var going = (await PeerTable.PendingAsync(database, master, Server.Id, int.MaxValue, cancellation)).Select(p => p.PublicKey).ToHashSet(StringComparer.Ordinal);
            diff = diff with { Remove = [.. diff.Remove.Where(key => !going.Contains(key))] };
        }

        var remove = diff.Remove;
        var knownEmpty = diff.NothingWanted && await ServerLoad.IsEmptyAsync(database, Server.Id, cancellation);
        if (diff.IsSuspicious(dump.Peers.Count, knownEmpty) && !meant)
        {
            logger.LogError(
                "ALARM server {Server}: a pass would remove {Remove} of {There} peers, which is too many to be drift. None was removed. POST /admin/servers/{ServerId}/resync if it is meant",
                Server.Name, remove.Count, dump.Peers.Count, Server.Id);
            remove = [];
        }

        var synced = false;
        foreach (var key in remove) logger.LogWarning("Server {Server}: removing unknown peer {PublicKey}", Server.Name, key);
        try
        {
            foreach (var chunk in remove.Chunk(BatchSize)) await connection.ApplyAsync([], chunk);
            foreach (var chunk in diff.Add.Chunk(BatchSize)) await connection.ApplyAsync(chunk, []);
        }
        catch (ServerRefusedException refusal)
        {
            // Perhaps its own file knows a peer that its interface does not show, and an address is taken: all at once,
            // then. If that is refused too, some row is bad: the others one by one, and no row ends the connection.
            logger.LogWarning("Server {Server} refused a correction: {Reason}", Server.Name, refusal.Message);
            synced = remove.Count == diff.Remove.Count && await TryAsync(() => connection.SyncAsync([.. wanted.Values]));
            if (!synced)
            {
                foreach (var peer in diff.Add) await TryAsync(() => connection.ApplyAsync([peer], []));
            }
        }

        logger.LogInformation(
            "Server {Server}: pass over {There} peers found {Wrong} missing or wrong and {Unknown} unknown, of which {Removed} removed{Synced}",
            Server.Name, dump.Peers.Count, diff.Add.Count, diff.Remove.Count, remove.Count, synced ? ", all set anew" : "");
    }

    private async Task<bool> TryAsync(Func<Task> exchange)
    {
        try
        {
            await exchange();
            return true;
        }
        catch (ServerRefusedException refusal)
        {
            logger.LogError("Server {Server} refused: {Reason}", Server.Name, refusal.Message);
            return false;
        }
    }

    private async Task TrySetReachableAsync(bool reachable, CancellationToken cancellation)
    {
        try
        {
            await ServerLoad.SetReachableAsync(database, Server.Id, reachable, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // The database is away too; the next round says it again.
        }
    }
}
