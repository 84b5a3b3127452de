using CVault.Devices;
using CVault.IpLeases;
using CVault.Sessions;
using CVault.Tenants;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Attributes;
using Wolverine.Runtime;

namespace CVault.Peers;

/// <summary>
/// Parks devices that are idle past their tenant's <c>lease_idle_days</c>: no handshake, no change of the peer and no
/// connect for so long (ops/decisions/0010). Level-triggered, as <see cref="FinishMoves"/> is.
/// </summary>
public sealed class ParkIdle(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, LeaseRules rules, TimeProvider time, ILogger<ParkIdle> logger)
    : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromMinutes(5);
    private const int Chunk = 200;

    private readonly Signal wake = new();

    /// <summary>A tenant's lease time changed.</summary>
    public void Wake() => wake.Give();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await wake.WaitAsync(Look, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                var after = Guid.Empty;
                while (await DueAsync(after, stoppingToken) is { Count: > 0 } due)
                {
                    foreach (var (tenantId, deviceId) in due) await ParkAsync(tenantId, deviceId, stoppingToken);
                    after = due[^1].DeviceId;
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Idle devices could not be parked: {Reason}", e.Message);
            }
        }
    }

    /// <summary>
    /// Devices whose peer has been idle for so long, after this one. Only those of servers that answer: of the others
    /// nobody knows the handshakes.
    /// </summary>
    private async Task<IReadOnlyList<(string TenantId, Guid DeviceId)>> DueAsync(Guid after, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.tenant_id, p.device_id from {Database.Schema}.mt_doc_tenant t
            join {Database.Schema}.peers p on p.tenant_id = t.tenant_id
            join {Database.Schema}.server_load l on l.server_id = p.server_id and l.reachable
            where t.data -> 'settings' ->> 'leaseIdleDays' is not null and p.wanted and not p.leaving and not p.suspended and p.device_id > $2
              and greatest(p.changed_at, coalesce(p.last_handshake, p.changed_at)) < $1 - make_interval(days => (t.data -> 'settings' ->> 'leaseIdleDays')::int)
            order by p.device_id limit {Chunk}
            """);
        command.Parameters.Add(new() { Value = time.GetUtcNow() });
        command.Parameters.Add(new() { Value = after });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(string, Guid)>();
        while (await reader.ReadAsync(cancellation)) due.Add((reader.GetString(0), reader.GetGuid(1)));
        return due;
    }

    /// <summary>Looks again with the device's stream locked, at its connects too, and parks it. A session that was left open ends.</summary>
    private async Task ParkAsync(string tenantId, Guid deviceId, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId);
        session.LastModifiedBy = "platform";
        if (await session.LoadAsync<Tenant>(Guid.Parse(tenantId), cancellation) is not { Settings.LeaseIdleDays: { } days }) return;
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active, Home: not null, Leaving: null } device) return;
        var now = time.GetUtcNow();
        var since = now.AddDays(-days);
        if (!await IsIdleAsync(session, device, since, cancellation)) return;
        var sessions = await session.Query<Session>().Where(s => s.UserId == device.UserId && s.DeviceId == deviceId && (s.LiveDevice != null || s.ConnectedAt >= since)).ToListAsync(cancellation);
        if (sessions.Any(s => s.ConnectedAt >= since)) return;

        var changes = new Changes();
        var held = await Held.LoadAsync(session, device, cancellation);
        held.Park(changes, "idle", rules, now);
        foreach (var open in sessions) changes.End(open, "idle");
        changes.Execute(session);
        await session.SaveChangesAsync(cancellation);
        foreach (var server in held.Servers) await new MessageBus(wolverine).PublishAsync(new ReconcileServer(server.Id));
    }

    private static async Task<bool> IsIdleAsync(IDocumentSession session, Device device, DateTimeOffset since, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select wanted and greatest(changed_at, coalesce(last_handshake, changed_at)) < $3 from {Database.Schema}.peers where server_id = $1 and public_key = $2
            """);
        command.Parameters.Add(new() { Value = device.Home!.ServerId });
        command.Parameters.Add(new() { Value = device.PublicKey });
        command.Parameters.Add(new() { Value = since });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) && reader.GetBoolean(0);
    }
}

/// <summary>Handles the wake-up.</summary>
[WolverineHandler]
public static class WakeParking
{
    public static void Handle(LeaseTimeChanged _, ParkIdle parking) => parking.Wake();
}
