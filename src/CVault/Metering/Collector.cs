using System.Diagnostics;
using CVault.Peers;
using CVault.Security;
using CVault.Sessions;
using JasperFx;
using Marten;
using Marten.Exceptions;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Metering;

/// <summary>
/// From each reading of a server to what its peers moved since the one before. Position, samples and the sessions that a
/// reading begins are one transaction, held against every other sweep of the server and against links that have lost it:
/// a crash anywhere, or two collectors at once, neither loses nor doubles a byte that the server reported.
/// </summary>
public sealed class Collector(
    IDocumentStore store, SessionNumbers numbers, EndSessions ending, TimeProvider time, ILogger<Collector> logger)
{
    /// <summary>How often a sweep is begun anew, where a connect took a session's place while it was made.</summary>
    private const int Tries = 3;

    /// <summary>Counts what the last removals of retired servers left: nobody reads those any more.</summary>
    public async Task SettleLeftAsync(CancellationToken cancellation)
    {
        var left = new List<Guid>();
        await using (var session = store.QuerySession(StorageConstants.DefaultTenantId))
        {
            await using var command = new NpgsqlCommand($"""
                select distinct l.server_id from {Database.Schema}.peer_last_counters l join {Database.Schema}.mt_doc_server s on s.id = l.server_id
                where l.settled_at is null and s.data ->> 'status' = 'Retired'
                """);
            await using var reader = await session.ExecuteReaderAsync(command, cancellation);
            while (await reader.ReadAsync(cancellation)) left.Add(reader.GetGuid(0));
        }

        foreach (var serverId in left) await SweepAsync(new ServerReading(serverId, null, null, new Dictionary<PeerKey, SeenPeer>()), cancellation);
    }

    /// <exception cref="NpgsqlException">Nothing was counted; the next reading makes up for it.</exception>
    /// <exception cref="LeaseLostException">The server is another node's to read.</exception>
    public async Task SweepAsync(ServerReading reading, CancellationToken cancellation)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await SweepOnceAsync(reading, cancellation);
                return;
            }
            catch (Exception e) when (attempt < Tries && IsOvertaken(e))
            {
                logger.LogDebug("Server {ServerId}: a session began while its counters were read. Counted anew", reading.ServerId);
            }
            catch (MartenCommandException e) when (e.InnerException is NpgsqlException inner)
            {
                throw inner;
            }
        }
    }

    /// <summary>A session that the reading begins was begun by a connect meanwhile: a device has one.</summary>
    private static bool IsOvertaken(Exception e) =>
        e is ConcurrencyException or DocumentAlreadyExistsException or MartenCommandException { InnerException: PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } };

    private async Task SweepOnceAsync(ServerReading reading, CancellationToken cancellation)
    {
        var started = Stopwatch.GetTimestamp();
        await using var session = store.LightweightSession(StorageConstants.DefaultTenantId);
        session.LastModifiedBy = "platform";
        TenantWall.ActForAll();
        var held = await PeerMeters.HoldAsync(session, reading.ServerId, reading.Epoch, cancellation);
        var now = time.GetUtcNow();
        // A clock that was put back makes an interval of nothing, never a negative one.
        var at = held.ReadAt is { } last && last > now ? last : now;
        var sweep = new Sweep(reading, held.ReadAt ?? at, at, await PeerMeters.LoadAsync(session, reading.ServerId, cancellation), await PeerMeters.FinalsAsync(session, reading.ServerId, cancellation));
        if (sweep.Keys.Count > 0)
        {
            var owners = await PeerMeters.OwnersAsync(session, reading.ServerId, sweep.Keys, cancellation);
            await sweep.SettleAsync(owners, c => numbers.NextAsync(session, c), cancellation);
        }

        PeerMeters.Write(session, reading.ServerId, sweep.Changes);
        PeerMeters.Settle(session, reading.ServerId, sweep.Finals, at);
        if (reading.Identity is { } identity)
        {
            if (held.Incarnation != identity.Incarnation) session.Events.StartStream(Guid.CreateVersion7(at), new ServerRestarted(reading.ServerId, identity.BootId, identity.Incarnation, at));
            PeerMeters.NoteRead(session, reading.ServerId, identity.BootId, identity.Incarnation, at);
        }

        var samples = sweep.SamplesByTenant().ToList();
        // Whose access changes by this, each link sees within a second: no wake-up could be much sooner.
        await BandwidthQuota.AddAsync(session, [.. samples.Select(s => (s.TenantId, sweep.From, at, s.Samples.RxBytes, s.Samples.TxBytes))], cancellation);
        foreach (var begun in sweep.Begun)
        {
            var events = new List<object> { begun.Started };
            if (begun.Ended is { } ended) events.Add(ended);
            session.ForTenant(begun.TenantId).Events.StartStream<Session>(begun.SessionId, events);
        }

        foreach (var (tenantId, moved) in samples)
        {
            session.ForTenant(tenantId).Events.Append(UsageMetered.StreamOf(tenantId, reading.ServerId, at), new UsageMetered(reading.ServerId, sweep.From, at, moved));
        }

        FailPoint.Reached("metering-before-commit");
        await session.SaveChangesAsync(cancellation);
        FailPoint.Reached("metering-after-commit");
        Instruments.Counted(Stopwatch.GetElapsedTime(started), samples.Sum(s => s.Samples.RxBytes), samples.Sum(s => s.Samples.TxBytes));
        ending.Wake();
    }
}
