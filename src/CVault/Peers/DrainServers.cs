using CVault.Devices;
using CVault.IpLeases;
using CVault.Servers;
using CVault.Sessions;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Attributes;
using Wolverine.Runtime;

namespace CVault.Peers;

/// <summary>
/// Moves the devices of draining servers to others: to the same region first, else to wherever there is room. At most
/// <see cref="AtOnce"/> of a server are on their way at a time, so that a drain goes as fast as servers confirm and
/// requests are served beside it. Level-triggered, as <see cref="FinishMoves"/> is, which ends these moves too.
/// </summary>
/// <remarks>A session of a device that is moved ends with the reason <c>server_drained</c>: its client needs the new config.</remarks>
public sealed class DrainServers(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, LeaseRules rules, TimeProvider time, ILogger<DrainServers> logger)
    : BackgroundService
{
    public const int AtOnce = 50;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2), Busy = TimeSpan.FromMilliseconds(200);

    private readonly Signal wake = new();

    /// <summary>A server is to be drained.</summary>
    public void Wake() => wake.Give();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pause = Look;
        while (!stoppingToken.IsCancellationRequested)
        {
            await wake.WaitAsync(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = Look;
            try
            {
                foreach (var (tenantId, deviceId, serverId) in await DueAsync(stoppingToken))
                {
                    if (await TryMoveAsync(tenantId, deviceId, serverId, stoppingToken)) pause = Busy;
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Nothing is lost: who is still there is there at the next look.
                logger.LogWarning("A drain was interrupted: {Reason}", e.Message);
            }
        }
    }

    /// <summary>Devices at home on a draining server, for each as many as may still set out.</summary>
    private async Task<IReadOnlyList<(string TenantId, Guid DeviceId, Guid ServerId)>> DueAsync(CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.tenant_id, p.device_id, l.server_id from {Database.Schema}.server_load l
            cross join lateral (
              select tenant_id, device_id from {Database.Schema}.peers where server_id = l.server_id and wanted and not leaving
              limit greatest(0, {AtOnce} - (select count(*) from {Database.Schema}.peers where server_id = l.server_id and leaving = true))) p
            where l.status = 'draining'
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(string, Guid, Guid)>();
        while (await reader.ReadAsync(cancellation)) due.Add((reader.GetString(0), reader.GetGuid(1), reader.GetGuid(2)));
        return due;
    }

    /// <summary>One device that cannot be moved now holds up no other.</summary>
    private async Task<bool> TryMoveAsync(string tenantId, Guid deviceId, Guid serverId, CancellationToken cancellation)
    {
        try
        {
            return await MoveAsync(tenantId, deviceId, serverId, cancellation);
        }
        catch (ProblemException)
        {
            return false; // Just now nobody could say whether there is room.
        }
    }

    /// <returns>False when there was no room for it, or nothing to do.</returns>
    private async Task<bool> MoveAsync(string tenantId, Guid deviceId, Guid serverId, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId);
        session.LastModifiedBy = "platform";
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.Home?.ServerId != serverId) return false;
        if (await session.LoadServerAsync(serverId, cancellation) is not { Status: ServerStatus.Draining } server) return false;

        var now = time.GetUtcNow();
        var (move, _) = await Move.TakeAsync(session, device, server.Region, now, cancellation);
        if (move is null) (move, _) = await Move.TakeAsync(session, device, null, now, cancellation);
        if (move is null) return false;

        var changes = new Changes();
        move.AddTo(changes, device, Guid.Parse(tenantId), rules, now);
        foreach (var open in await session.Query<Session>().Where(s => s.LiveDevice == deviceId).ToListAsync(cancellation)) changes.End(open, "server_drained");
        changes.Execute(session);
        await session.SaveChangesAsync(cancellation);
        foreach (var message in move.Messages(device)) await new MessageBus(wolverine).PublishAsync(message);
        return true;
    }
}

/// <summary>Handles the wake-up.</summary>
[WolverineHandler]
public static class WakeDrain
{
    public static void Handle(DrainBegun _, DrainServers drain) => drain.Wake();
}
