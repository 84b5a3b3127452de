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

/// <summary>Body of <c>POST /api/v1/devices</c>.</summary>
/// <param name="DeviceName">1 to 255 characters.</param>
/// <param name="PublicKey">The device's own key; absent: CVault makes the pair.</param>
/// <param name="ServerRegion">Where its server should be; absent: wherever there is most room.</param>
public sealed record RegisterDevice(string? DeviceName, string? PublicKey, string? ServerRegion);

/// <summary>A registered device with its config.</summary>
[NeverLogged]
public sealed record RegisteredDeviceView : IPeerReply
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(RegisteredDeviceView);

    public required Guid DeviceId { get; init; }

    /// <summary>The whole WireGuard config; without its private key where the device brought its own public key.</summary>
    public required string Config { get; init; }
    public required string AssignedIp { get; init; }
    public required string AssignedIpv6 { get; init; }
    public required string DeviceName { get; init; }
    public required string PublicKey { get; init; }
    public required Guid ServerId { get; init; }
    public required string ServerRegion { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary><c>live</c>: its server has confirmed the peer. <c>pending</c>: it will be there soon, without another call.</summary>
    public string PeerStatus { get; set; } = PeerStatuses.Pending;
}

/// <summary>All that a registration needs, read and taken inside its transaction.</summary>
public sealed record Registration(Guid DeviceId, DataKey DataKey, Tenant Tenant, Server Server, IpLease Lease, DateTimeOffset Now);

/// <summary><c>POST /api/v1/devices</c>: a new device of the logged-in user, with an address, a peer and a config.</summary>
public static class RegisterDeviceEndpoint
{
    public static ProblemDetails Validate(RegisterDevice? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (string.IsNullOrWhiteSpace(command.DeviceName) || command.DeviceName.Length > 255 || command.DeviceName.Any(char.IsControl)) errors.Add(("device_name", "1 to 255 characters, no control characters."));
        if (command.PublicKey is not null && !WireGuardKeys.IsPublicKey(command.PublicKey)) errors.Add(("public_key", "A WireGuard public key: 32 bytes in base64."));
        if (command.ServerRegion is not null && !Texts.IsLabel(command.ServerRegion, 50)) errors.Add(("server_region", "1 to 50 letters, digits, dots, dashes or underscores."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    /// <summary>
    /// Takes a device slot and an address. Both are locked rows of this transaction: what follows either commits with
    /// them or gives them back.
    /// </summary>
    public static async Task<(Registration?, ProblemDetails)> LoadAsync(
        RegisterDevice command, HttpContext http, ClaimsPrincipal principal, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var userId = principal.UserId();
        var tenant = TenantAuthentication.TenantOf(http);
        // As this node knows it. One that is over since a moment ago gets a peer that no server is told of (PeerProjection).
        if (tenant.OverBandwidth) return (null, Problems.BandwidthLimitExceeded());
        if (tenant.Settings.KeyCustody == KeyCustody.Client && command.PublicKey is null)
        {
            return (null, Problems.Validation(("public_key", "This tenant's devices make their own keys: send the public one.")));
        }

        if (command.PublicKey is { } own && await WireGuardKeys.IsAServersAsync(session, own, cancellation)) return (null, WireGuardKeys.InUse());
        var (key, taken) = await DataKeys.LoadTakingAsync(session, master, userId, tenant.Settings.MaxDevicesPerUser, cancellation);
        if (key is not { } dataKey) return (null, Problems.Unauthenticated());
        if (!taken) return (null, Problems.DeviceLimitExceeded());

        var now = time.GetUtcNow();
        var deviceId = Guid.CreateVersion7(now);
        var (placement, problem) = await Placement.TakeAsync(session, command.ServerRegion, deviceId, now, cancellation);
        return placement is null ? (null, problem) : (new Registration(deviceId, dataKey, tenant, placement.Server, placement.Lease, now), problem);
    }

    [WolverinePost("/api/v1/devices", OperationId = "registerDevice"), Authorize(Policies.User)]
    [ProducesResponseType<RegisteredDeviceView>(201)]
    public static (Reply, IMartenOp, IMartenOp, IMartenOp, OutgoingMessages) Post(RegisterDevice command, Registration registration)
    {
        var (deviceId, dataKey, tenant, server, lease, now) = registration;
        var (publicKey, privateKey) = command.PublicKey is { } own ? (own, null) : WireGuardKeys.NewPair();
        var presharedKey = WireGuardKeys.NewPresharedKey();
        var home = new DeviceHome(server.Id, lease.Address, lease.Address6);
        var name = command.DeviceName!.Trim();
        return (
            new Reply(201, new RegisteredDeviceView
            {
                DeviceId = deviceId,
                Config = WireGuardConfig.Render(server, home, privateKey, presharedKey),
                AssignedIp = lease.Address,
                AssignedIpv6 = lease.Address6,
                DeviceName = name,
                PublicKey = publicKey,
                ServerId = server.Id,
                ServerRegion = server.Region,
                CreatedAt = now,
            })
            { Location = $"/api/v1/devices/{deviceId}", Peer = new PeerChange(server.Id, publicKey, Wanted: true, IsNew: true) },
            MartenOps.StartStream<Device>(deviceId, new DeviceRegistered(
                dataKey.UserId, dataKey.Seal(Device.NamePurpose, name), publicKey, dataKey.Seal(Device.PresharedKeyPurpose, presharedKey),
                privateKey is null ? KeyCustody.Client : KeyCustody.Managed, home, now)),
            privateKey is null ? MartenOps.Nothing() : MartenOps.Insert(new DevicePrivateKey(deviceId, dataKey.Seal(Device.PrivateKeyPurpose, privateKey))),
            AddressPool.Granted(lease, tenant.Id, deviceId),
            [new ReconcileServer(server.Id)]);
    }
}
