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

/// <summary><c>DELETE /api/v1/devices/{deviceId}</c>: the peer goes, the address rests, the slot is free again.</summary>
public static class RevokeDevice
{
    public static async Task<(Server?, ProblemDetails)> LoadAsync(Guid deviceId, ClaimsPrincipal principal, IDocumentSession session, CancellationToken cancellation)
    {
        if (await ReadDevices.OwnAsync(session, principal, deviceId, cancellation) is not { } device) return (null, Problems.NotFound());
        return (await session.LoadServerAsync(device.Home.ServerId, cancellation), WolverineContinue.NoProblems);
    }

    [WolverineDelete("/api/v1/devices/{deviceId}", OperationId = "revokeDevice"), Authorize(Policies.User)]
    [ProducesResponseType<RevokedDeviceView>(200)]
    public static (Reply, Events, IMartenOp, IMartenOp, IMartenOp, OutgoingMessages) Delete(
        Guid deviceId, [WriteAggregate("deviceId")] Device device, [NotBody] Server server, TimeProvider time)
    {
        // Moved between the two reads: the server at hand is not the one that has the peer.
        if (server.Id != device.Home.ServerId || device.Status != DeviceStatus.Active) throw new ProblemException(Problems.Conflict("The device is just being changed. Try again."));
        return (
            new Reply(200, new RevokedDeviceView { DeviceId = deviceId }) { Peer = new PeerChange(server.Id, device.PublicKey, Wanted: false) },
            [new DeviceRevoked("user")],
            MartenOps.Delete<DevicePrivateKey>(deviceId),
            Quotas.Give(device.UserId),
            AddressPool.Release(server.Id, device.Home.Address, server.AddressPool, deviceId, "device_revoked", time.GetUtcNow()),
            [new ReconcileServer(server.Id), new DeviceGone(deviceId)]);
    }
}
