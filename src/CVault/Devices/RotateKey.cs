using System.Security.Claims;
using CVault.IpLeases;
using CVault.Security;
using CVault.Servers;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Devices;

/// <summary>Body of <c>POST /api/v1/devices/{deviceId}/rotate-key</c>; may be absent.</summary>
/// <param name="PublicKey">The new key of a device that makes its own; absent: CVault makes the pair.</param>
public sealed record RotateKey(string? PublicKey);

/// <summary>A device's new keys and config. The old ones stop working when <c>peer_status</c> is <c>live</c>.</summary>
[NeverLogged]
public sealed record RotatedKeyView : IPeerReply
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(RotatedKeyView);

    public required Guid DeviceId { get; init; }
    public required string PublicKey { get; init; }
    public required string Config { get; init; }
    public string PeerStatus { get; set; } = PeerStatuses.Pending;
}

/// <summary>What a rotation found.</summary>
/// <param name="Leaving">The server of a move that is not finished; null when there is none.</param>
public sealed record Rotation(RotateKey Command, Device Device, Server Server, Server? Leaving, DataKey DataKey);

/// <summary>
/// <c>POST /api/v1/devices/{deviceId}/rotate-key</c>: new key pair and preshared key, same address. On the server an
/// address is one peer's, so the old peer goes in the very exchange that brings the new one. A move that is under way ends
/// with it: no config holds the new keys and the old server.
/// </summary>
public static class RotateKeyEndpoint
{
    public static async Task<(Rotation?, ProblemDetails)> LoadAsync(
        Guid deviceId, HttpContext http, ClaimsPrincipal principal, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        if (TenantAuthentication.TenantOf(http).OverBandwidth) return (null, Problems.BandwidthLimitExceeded());
        var command = await http.Request.BodyOrDefaultAsync<RotateKey>(cancellation) ?? new RotateKey(null);
        if (command.PublicKey is not null && !WireGuardKeys.IsPublicKey(command.PublicKey)) return (null, Problems.Validation(("public_key", "A WireGuard public key: 32 bytes in base64.")));
        if (command.PublicKey is { } own && await WireGuardKeys.IsAServersAsync(session, own, cancellation)) return (null, WireGuardKeys.InUse());
        // Locked against a move, a revocation or another rotation until this one has committed.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.UserId != principal.UserId()) return (null, Problems.NotFound());
        if (device.Home is null) return (null, Device.ParkedProblem());
        if (device.Custody == KeyCustody.Client && command.PublicKey is null) return (null, Problems.Validation(("public_key", "This device makes its own keys: send the new public one.")));
        if (await DataKeys.LoadAsync(session, master, device.UserId, cancellation) is not { } dataKey) return (null, Problems.NotFound());
        var server = (await session.LoadServerAsync(device.Home.ServerId, cancellation))!;
        var leaving = device.Leaving is { } place ? await session.LoadServerAsync(place.ServerId, cancellation) : null;
        return (new Rotation(command, device, server, leaving, dataKey), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/devices/{deviceId}/rotate-key", OperationId = "rotateKey"), Authorize(Policies.User)]
    [ProducesResponseType<RotatedKeyView>(200), OptionalBody(typeof(RotateKey))]
    public static (Reply, Changes, OutgoingMessages) Post(Guid deviceId, [NotBody] Rotation rotation, LeaseRules rules, TimeProvider time)
    {
        var (command, device, server, leaving, dataKey) = rotation;
        var (publicKey, privateKey) = command.PublicKey is { } own ? (own, null) : WireGuardKeys.NewPair();
        var presharedKey = WireGuardKeys.NewPresharedKey();
        var changes = new Changes();
        var messages = new OutgoingMessages { new ReconcileServer(server.Id) };
        if (leaving is not null)
        {
            changes.Append(deviceId, new DeviceLeft(device.Leaving!, "key_rotated"));
            changes.Add(AddressPool.Release(leaving, device.Leaving!.Address, deviceId, "moved", rules, time.GetUtcNow()));
            messages.Add(new ReconcileServer(leaving.Id));
        }

        changes.Append(deviceId, new DeviceKeyRotated(
            server.Id, device.PublicKey, publicKey, dataKey.Seal(Device.PresharedKeyPurpose, presharedKey), privateKey is null ? KeyCustody.Client : KeyCustody.Managed));
        changes.Add(privateKey is null
            ? MartenOps.Delete<DevicePrivateKey>(deviceId)
            : MartenOps.Store(new DevicePrivateKey(deviceId, dataKey.Seal(Device.PrivateKeyPurpose, privateKey))));
        return (
            new Reply(200, new RotatedKeyView { DeviceId = deviceId, PublicKey = publicKey, Config = WireGuardConfig.Render(server, device.Home!, privateKey, presharedKey) })
            { Peer = new PeerChange(server.Id, publicKey, Wanted: true) },
            changes,
            messages);
    }
}
