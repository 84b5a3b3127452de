using CVault.Devices;
using CVault.IpLeases;
using CVault.Tenants;
using Marten;
using Wolverine;
using Wolverine.Attributes;

namespace CVault.Sessions;

/// <summary>Where a tenant's leases are ephemeral, a device whose session is over gives up its address and its peer.</summary>
[WolverineHandler]
public static class ParkAfterSession
{
    public static async Task<(Changes, OutgoingMessages)> Handle(SessionOver message, IDocumentSession session, LeaseRules rules, TimeProvider time, CancellationToken cancellation)
    {
        var changes = new Changes();
        if (await session.LoadAsync<Tenant>(Guid.Parse(session.TenantId), cancellation) is not { Settings.LeasePolicy: LeasePolicy.Ephemeral }) return (changes, []);
        // A connect holds the stream while it begins a session: either it is seen here, or it finds the device parked.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(message.DeviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active, Home: not null } device) return (changes, []);
        if (await session.Query<Session>().AnyAsync(s => s.LiveDevice == message.DeviceId, cancellation)) return (changes, []);

        var held = await Held.LoadAsync(session, device, cancellation);
        held.Park(changes, "session_ended", rules, time.GetUtcNow());
        return (changes, [.. held.Servers.Select(s => new ReconcileServer(s.Id))]);
    }
}
