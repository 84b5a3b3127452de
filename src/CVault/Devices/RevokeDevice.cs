using System.Security.Claims;
using CVault.IpLeases;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Devices;

/// <summary>A device that is no more.</summary>
public sealed record RevokedDeviceView : IPeerReply
{
    public required Guid DeviceId { get; init; }
    public string Status { get; init; } = Names.Of(DeviceStatus.Revoked);

    /// <summary><c>live</c>: its server has confirmed that the peer is gone.</summary>
    public string PeerStatus { get; set; } = PeerStatuses.Pending;
}

/// <summary>A device, and the servers that it is on: its home, and another while it moves.</summary>
public sealed record Revocation(Device Device, Server Home, Server? Leaving);

/// <summary><c>DELETE /api/v1/devices/{deviceId}</c>: its peers go, its addresses rest, the slot is free again.</summary>
public static class RevokeDevice
{
    public static async Task<(Revocation?, ProblemDetails)> LoadAsync(Guid deviceId, ClaimsPrincipal principal, IDocumentSession session, CancellationToken cancellation)
    {
        // Locked against a move, its end, or another removal until this one has committed.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.UserId != principal.UserId()) return (null, Problems.NotFound());
        var home = (await session.LoadServerAsync(device.Home.ServerId, cancellation))!;
        var leaving = device.Leaving is { } place ? await session.LoadServerAsync(place.ServerId, cancellation) : null;
        return (new Revocation(device, home, leaving), WolverineContinue.NoProblems);
    }

    [WolverineDelete("/api/v1/devices/{deviceId}", OperationId = "revokeDevice"), Authorize(Policies.User)]
    [ProducesResponseType<RevokedDeviceView>(200)]
    public static (Reply, Changes, OutgoingMessages) Delete(Guid deviceId, [NotBody] Revocation revocation, LeaseRules rules, TimeProvider time)
    {
        var (device, home, leaving) = revocation;
        var now = time.GetUtcNow();
        var changes = new Changes();
        var leases = new List<(Guid, IMartenOp)> { (home.Id, AddressPool.Release(home, device.Home.Address, deviceId, "device_revoked", rules, now)) };
        var messages = new OutgoingMessages { new ReconcileServer(home.Id), new DeviceGone(deviceId) };
        if (leaving is not null)
        {
            leases.Add((leaving.Id, AddressPool.Release(leaving, device.Leaving!.Address, deviceId, "device_revoked", rules, now)));
            messages.Add(new ReconcileServer(leaving.Id));
        }

        changes.Append(deviceId, new DeviceRevoked("user"));
        changes.Add(MartenOps.Delete<DevicePrivateKey>(deviceId));
        changes.Add(Quotas.Give(device.UserId));
        changes.InOrderOfServers(leases);
        return (new Reply(200, new RevokedDeviceView { DeviceId = deviceId }) { Peer = new PeerChange(home.Id, device.PublicKey, Wanted: false) }, changes, messages);
    }
}
