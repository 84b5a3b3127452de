using System.Security.Claims;
using CVault.IpLeases;
using CVault.Security;
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

/// <summary><c>DELETE /api/v1/devices/{deviceId}</c>: its peers go, its addresses rest, the slot is free again.</summary>
public static class RevokeDevice
{
    public static async Task<(Held?, ProblemDetails)> LoadAsync(Guid deviceId, ClaimsPrincipal principal, IDocumentSession session, CancellationToken cancellation)
    {
        // Locked against a move, its end, or another removal until this one has committed.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.UserId != principal.UserId()) return (null, Problems.NotFound());
        return (await Held.LoadAsync(session, device, cancellation), WolverineContinue.NoProblems);
    }

    [WolverineDelete("/api/v1/devices/{deviceId}", OperationId = "revokeDevice"), Authorize(Policies.User)]
    [ProducesResponseType<RevokedDeviceView>(200)]
    public static (Reply, Changes, OutgoingMessages) Delete(Guid deviceId, [NotBody] Held held, LeaseRules rules, TimeProvider time)
    {
        var changes = new Changes();
        var messages = Revoke(changes, held, "user", rules, time.GetUtcNow());
        // A parked device has no peer that would have to go.
        var view = new RevokedDeviceView { DeviceId = deviceId, PeerStatus = held.Device.Home is null ? PeerStatuses.Live : PeerStatuses.Pending };
        return (
            new Reply(200, view) { Peer = held.Device.Home is { } home ? new PeerChange(home.ServerId, held.Device.PublicKey, Wanted: false) : null },
            changes,
            messages);
    }

    /// <summary>All that goes with a device, and what others are told. The caller holds the device's stream.</summary>
    /// <param name="reason"><c>user</c> or <c>user_deleted</c>.</param>
    public static OutgoingMessages Revoke(Changes changes, Held held, string reason, LeaseRules rules, DateTimeOffset now)
    {
        changes.Append(held.Device.Id, new DeviceRevoked(reason));
        changes.Add(MartenOps.Delete<DevicePrivateKey>(held.Device.Id));
        changes.Add(Quotas.Give(held.Device.UserId));
        held.Release(changes, "device_revoked", rules, now);
        return [.. held.Servers.Select(s => new ReconcileServer(s.Id)), new DeviceGone(held.Device.Id)];
    }
}
