using System.Diagnostics;
using CVault.Security;
using CVault.Servers;
using JasperFx;
using Marten;
using Marten.Exceptions;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Peers;

/// <summary>
/// The one worker of one server. It keeps one connection; takes all that is pending and applies it as one batch,
/// then whatever became pending meanwhile as the next; and on a timer, and after each reconnect, compares all that the
/// server has with all that it should have. It says nothing to the server but under its node's lease.
/// </summary>
public sealed class ServerLink(
    Server registered, LinkLease lease, ServerDialer dialer, IDocumentStore store, NpgsqlDataSource database, MasterKey master, PeerConfirmations confirmations, NodeSignals signals, TimeProvider time, ILogger logger, SecurityLog security, PassRules rules, ReadingHeard heard)
{
    /// <summary>How often pending rows are looked for without being told: a wake-up may be lost.</summary>
    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1);

    /// <summary>How often a silent server is asked whether it is there; one that does not answer is offline.</summary>
    private static readonly TimeSpan Probe = TimeSpan.FromSeconds(5);

    /// <summary>How long a request's peer may be on its way before no request waits for it any more.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(600);
    private const int BatchSize = 2000;

    /// <summary>The greatest that a server takes; no owner of ours gets there.</summary>
    private const long MaxEpoch = 1L << 62;

    private readonly Signal wake = new();
    private long lastExchange;
    private bool passDue, removalsStopped;

    /// <summary>When the resync was ordered that the row last told of, and the one that was last done, in ticks.</summary>
    private long resyncOrdered, resyncDone;

    /// <summary>Rows that the server refused: not offered again before the next pass, or before they change.</summary>
    private readonly HashSet<(string PublicKey, long Revision)> refused = [];

    public LinkState State { get; private set; } = LinkState.Connecting;

    /// <summary>As it was last read; the address that the link dials does not change during its life.</summary>
    public Server Server { get; set; } = registered;

    public LinkLease Lease => lease;

    /// <summary>Something about the server's peers may have changed.</summary>
    public void Wake() => wake.Give();

    /// <summary>The row says that an operator wants a full pass, and since when.</summary>
    public void ResyncOrdered(DateTime ordered)
    {
        Volatile.Write(ref resyncOrdered, ordered.Ticks);
        Wake();
    }

    /// <summary>Connects, works, and when anything breaks waits a little and connects anew, until cancelled or the lease is lost.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var failures = 0;
        var dialled = false;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                lease.Demand();
                if (dialled && !await lease.RaiseAsync(database, lease.Epoch, cancellation)) throw new LeaseLostException();
                dialled = true;
                await using var connection = await dialer.DialAsync(Server.Transport, Server.Name, Server.Ssh, Server.Ssh?.HostKey, cancellation);
                var identity = await connection.VersionAsync();
                if (identity.PublicKey != Server.PublicKey) throw new InvalidDataException("The server's WireGuard key is not the registered one.");
                await OwnAsync(connection, cancellation);
                failures = 0;
                await WorkAsync(connection, identity, cancellation);
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (LeaseLostException)
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
                    security.Write(SecurityEvent.HostKeyChanged, null, ("server", Server.Id), ("shown", changed.Shown));
                }
                else if (failures++ == 0)
                {
                    logger.LogWarning("Link to server {Server} is down: {Reason}", Server.Name, e.Message);
                }

                await TrySayAsync(state, cancellation);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 250 << Math.Min(failures, 5))), time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>
    /// Tells the server our epoch, which ends the writing of every earlier owner. Where it knows a greater one though
    /// the row is ours, the row decides.
    /// </summary>
    private async Task OwnAsync(ServerConnection connection, CancellationToken cancellation)
    {
        try
        {
            await connection.OwnAsync(lease.Epoch);
        }
        catch (ServerRefusedException refusal) when (refusal.Code == "superseded" && refusal.Detail.Split(' ') is ["epoch", var known, ..] && long.TryParse(known, out var beyond))
        {
            if (beyond >= MaxEpoch) throw;
            logger.LogError("ALARM server {Server} has been owned with epoch {Beyond}, this database says {Epoch}: it is older than the server, or the server has another control plane. Taken over", Server.Name, beyond, lease.Epoch);
            if (!await lease.RaiseAsync(database, beyond, cancellation)) throw new LeaseLostException();
            await connection.OwnAsync(lease.Epoch);
        }
    }

    private async Task WorkAsync(ServerConnection connection, ServerIdentity identity, CancellationToken cancellation)
    {
        var nextPass = time.GetUtcNow();
        var waitsForDatabase = false;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                while (await ApplyPendingAsync(connection, identity, cancellation))
                {
                    // What became pending during the batch goes out as the next one, at once.
                }

                var ordered = Volatile.Read(ref resyncOrdered);
                var meant = ordered != resyncDone;
                if (meant || passDue || time.GetUtcNow() >= nextPass)
                {
                    passDue = false;
                    await PassAsync(connection, meant, cancellation);
                    if (meant) await lease.ResyncedAsync(database, new DateTime(ordered, DateTimeKind.Utc), cancellation);
                    resyncDone = ordered;
                    nextPass = time.GetUtcNow() + rules.Interval;
                }
                else if (time.GetElapsedTime(lastExchange) > Probe)
                {
                    await ExchangeAsync(async () => { await connection.PingAsync(); return true; });
                }

                if (State != LinkState.Up || waitsForDatabase)
                {
                    logger.LogInformation("Link to server {Server} is up", Server.Name);
                    await SayAsync(LinkState.Up, cancellation);
                }

                waitsForDatabase = false;
            }
            catch (Exception e) when (e is NpgsqlException || IsDatabaseAway(e))
            {
                // The server is not at fault: its connection is kept, and all is compared once the rows can be read.
                if (!waitsForDatabase) logger.LogWarning("Link to server {Server} waits for the database: {Reason}", Server.Name, e.Message);
                waitsForDatabase = true;
                nextPass = time.GetUtcNow();
            }

            await wake.WaitAsync(Glance, cancellation);
        }
    }

    private async Task<bool> ApplyPendingAsync(ServerConnection connection, ServerIdentity identity, CancellationToken cancellation)
    {
        var pending = await PeerTable.PendingAsync(database, master, Server.Id, BatchSize, cancellation);
        var batch = refused.Count == 0 ? pending : [.. pending.Where(p => !refused.Contains((p.PublicKey, p.Revision)))];
        if (batch.Count == 0) return false;
        try
        {
            await ApplyAsync(connection, identity, batch, cancellation);
        }
        catch (ServerRefusedException refusal) when (refusal.Code != "superseded")
        {
            // A frame is all or nothing. One bad row must not hold up the others: each alone, and the bad one aside.
            var applied = false;
            foreach (var one in batch) applied |= await TryApplyAsync(connection, identity, one, cancellation);
            return applied;
        }

        return true;
    }

    private async Task<bool> TryApplyAsync(ServerConnection connection, ServerIdentity identity, PendingPeer one, CancellationToken cancellation)
    {
        try
        {
            await ApplyAsync(connection, identity, [one], cancellation);
            return true;
        }
        catch (ServerRefusedException refusal) when (refusal.Code != "superseded")
        {
            logger.LogError("Server {Server} refused peer {PublicKey}, which is set aside until the next pass: {Reason}", Server.Name, one.PublicKey, refusal.Message);
            refused.Add((one.PublicKey, one.Revision));
            // Perhaps an unknown peer has it: a pass finds out, unless the last one found so many that it waits for a resync.
            passDue |= refusal.Code == "address-taken" && !removalsStopped;
            return false;
        }
    }

    private async Task ApplyAsync(ServerConnection connection, ServerIdentity identity, IReadOnlyList<PendingPeer> batch, CancellationToken cancellation)
    {
        var counters = await ExchangeAsync(() => connection.ApplyAsync(
            [.. batch.Where(p => p.Peer is not null).Select(p => p.Peer!)],
            [.. batch.Where(p => p.Peer is null).Select(p => p.PublicKey)]));
        FailPoint.Reached("after-ssh");
        var (there, gone) = await PeerTable.ConfirmAsync(database, lease, identity, batch, counters, time.GetUtcNow(), cancellation);
        foreach (var key in there) confirmations.Confirmed(Server.Id, key, wanted: true);
        foreach (var key in gone) confirmations.Confirmed(Server.Id, key, wanted: false);
        signals.Confirmed(Server.Id, true, there);
        signals.Confirmed(Server.Id, false, gone);
    }

    /// <summary>
    /// Observe, diff, mend. The rows may be read beside the server, since whatever is not as expected is looked at again
    /// in rows of a later moment: nothing is removed that any of them wants.
    /// </summary>
    /// <param name="meant">An operator ordered it: whatever it removes is meant.</param>
    private async Task PassAsync(ServerConnection connection, bool meant, CancellationToken cancellation)
    {
        refused.Clear();
        removalsStopped = false;
        var (started, allocated) = (Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes());
        var reading = PeerTable.ExpectedAsync(database, Server.Id, cancellation);
        var diff = new PeerDiff();
        ServerIdentity identity;
        try
        {
            identity = await ExchangeAsync(() => connection.DumpAsync(diff.See, diff.SeeUnread));
        }
        finally
        {
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        var expected = await reading;
        diff.Compare(expected);
        var (elapsed, bytes) = (Stopwatch.GetElapsedTime(started), GC.GetTotalAllocatedBytes() - allocated);
        logger.LogDebug("Server {Server}: pass over {There} peers took {Milliseconds} ms, allocated {Bytes} bytes", Server.Name, diff.There, (long)elapsed.TotalMilliseconds, bytes);
        if (diff.UnreadLines > 0)
        {
            Instruments.LeftAside(Server.Name, diff.UnreadLines);
            logger.LogWarning("Server {Server}: {Unread} lines of a dump of {There} peers cannot be read and are left aside; those peers are neither counted nor mended in this pass", Server.Name, diff.UnreadLines, diff.There);
        }

        // Before anything is mended: a peer that is missing here and added anew begins to count anew.
        await TellAsync(diff.Reading(Server.Id, lease.Epoch, identity), cancellation);
        if (diff.Handshakes.Count > 0) await PeerTable.NoteHandshakesAsync(database, Server.Id, diff.Handshakes, cancellation);
        if (!diff.IsEmpty) await MendAsync(connection, diff, nothingWanted: expected.Count == 0, meant, cancellation);
    }

    private async Task TellAsync(ServerReading reading, CancellationToken cancellation)
    {
        try
        {
            await heard(reading, cancellation);
        }
        catch (Exception e) when (e is not (LeaseLostException or OperationCanceledException))
        {
            Instruments.NotCounted();
            if (IsDatabaseAway(e)) throw;
            // Peers are kept right all the same; nothing is lost as long as the counters stand.
            logger.LogError(e, "ALARM server {Server}: its counters could not be counted", Server.Name);
        }
    }

    /// <summary>The database is unreachable, stopping or short of something: whoever asks again will be answered. A statement that it refuses it refuses again. Marten wraps the one and the other.</summary>
    private static bool IsDatabaseAway(Exception e) => e switch
    {
        PostgresException refused => refused.SqlState[..2] is "08" or "25" or "40" or "53" or "55" or "57" or "58",
        NpgsqlException or SessionTransactionUnusableException => true,
        _ => e.InnerException is { } inner && IsDatabaseAway(inner),
    };

    private async Task MendAsync(ServerConnection connection, PeerDiff diff, bool nothingWanted, bool meant, CancellationToken cancellation)
    {
        string[] missing = [.. diff.Missing.Select(k => k.ToString())], different = [.. diff.Different.Select(k => k.ToString())], unknown = [.. diff.Unknown.Select(k => k.ToString())];
        var rows = await PeerTable.RowsAsync(database, master, Server.Id, [.. missing, .. different, .. unknown], cancellation);

        // What a row has not settled is no drift: the next batch takes it, whether it comes, changes or goes (a tenant suspended).
        WantedPeer[] Wrong(IEnumerable<string> keys) => [.. keys.Select(k => rows.GetValueOrDefault(k)).Where(r => r is { Settled: true, Peer: not null } && !diff.Has(r.Peer)).Select(r => r!.Peer!)];
        WantedPeer[] lost = Wrong(missing), changed = Wrong(different), add = [.. lost, .. changed];
        string[] remove = [.. unknown.Where(k => !rows.TryGetValue(k, out var row) || (row.Settled && row.Peer is null))];
        if (add.Length == 0 && remove.Length == 0) return;

        var found = remove.Length;
        var knownEmpty = nothingWanted && await ServerLoad.IsEmptyAsync(database, Server.Id, cancellation);
        removalsStopped = !meant && PeerDiff.IsSuspicious(remove.Length, diff.There, nothingWanted, knownEmpty);
        if (removalsStopped)
        {
            logger.LogError(
                "ALARM server {Server}: a pass would remove {Remove} of {There} peers, which is too many to be drift. None was removed. POST /admin/servers/{ServerId}/resync if it is meant",
                Server.Name, remove.Length, diff.There, Server.Id);
            remove = [];
        }

        foreach (var key in remove) logger.LogWarning("Server {Server}: removing unknown peer {PublicKey}", Server.Name, key);
        var synced = false;
        try
        {
            foreach (var chunk in remove.Chunk(BatchSize)) await ExchangeAsync(() => connection.ApplyAsync([], chunk));
            foreach (var chunk in add.Chunk(BatchSize)) await ExchangeAsync(() => connection.ApplyAsync(chunk, []));
        }
        catch (ServerRefusedException refusal) when (refusal.Code != "superseded")
        {
            // Perhaps its own file knows a peer that its interface does not show, and an address is taken: all at once,
            // then. If that is refused too, some row is bad: the others one by one, and no row ends the connection.
            logger.LogWarning("Server {Server} refused a correction: {Reason}", Server.Name, refusal.Message);
            var wanted = await PeerTable.WantedAsync(database, master, Server.Id, cancellation);
            synced = remove.Length == found && await TryAsync(() => connection.SyncAsync([.. wanted.Values]));
            if (!synced)
            {
                foreach (var peer in add) await TryAsync(() => connection.ApplyAsync([peer], []));
            }
        }

        await RecordAsync(
            [.. lost.Select(p => Mended(p.PublicKey, "missing")), .. changed.Select(p => Mended(p.PublicKey, "different")), .. remove.Select(k => Mended(k, "unknown"))], cancellation);
        logger.LogInformation(
            "Server {Server}: pass over {There} peers found {Missing} missing, {Different} different and {Unknown} unknown, of which {Removed} removed{Synced}",
            Server.Name, diff.There, lost.Length, changed.Length, found, remove.Length, synced ? ", all set anew" : "");

        PeerMended Mended(string key, string what) => new(Server.Id, key, what, rows.GetValueOrDefault(key)?.DeviceId, rows.GetValueOrDefault(key)?.TenantId);
    }

    /// <summary>One fact a peer, those of one pass in one stream of the platform's.</summary>
    private async Task RecordAsync(IReadOnlyList<PeerMended> mends, CancellationToken cancellation)
    {
        var stream = Guid.CreateVersion7(time.GetUtcNow());
        foreach (var some in mends.Chunk(1000))
        {
            await using var session = store.LightweightSession(StorageConstants.DefaultTenantId);
            session.Events.Append(stream, [.. some]);
            await session.SaveChangesAsync(cancellation);
        }
    }

    /// <summary>Every exchange goes by here: under the lease, and as a sign of life.</summary>
    private async Task<T> ExchangeAsync<T>(Func<Task<T>> exchange)
    {
        lease.Demand();
        var answering = exchange();
        using var answered = new CancellationTokenSource();
        if (State == LinkState.Up && await Task.WhenAny(answering, Task.Delay(Late, time, answered.Token)) != answering) await TrySayAsync(LinkState.Late, CancellationToken.None);
        await answered.CancelAsync();
        var answer = await answering;
        lastExchange = time.GetTimestamp();
        if (State == LinkState.Late) await TrySayAsync(LinkState.Up, CancellationToken.None);
        return answer;
    }

    private async Task<bool> TryAsync(Func<Task> exchange)
    {
        try
        {
            lease.Demand();
            await exchange();
            return true;
        }
        catch (ServerRefusedException refusal) when (refusal.Code != "superseded")
        {
            logger.LogError("Server {Server} refused: {Reason}", Server.Name, refusal.Message);
            return false;
        }
    }

    private async Task SayAsync(LinkState state, CancellationToken cancellation)
    {
        if (!await lease.SayAsync(database, state, cancellation)) throw new LeaseLostException();
        if (state != LinkState.Late) await ServerLoad.SetReachableAsync(database, Server.Id, state == LinkState.Up, cancellation);
        State = state;
    }

    private async Task TrySayAsync(LinkState state, CancellationToken cancellation)
    {
        if (state != LinkState.Up) State = state; // Up is what the row says too.
        try
        {
            await SayAsync(state, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException or LeaseLostException)
        {
            // The database is away too, or the link is another's; the next round finds out.
        }
    }
}
