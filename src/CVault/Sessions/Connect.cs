using System.Security.Claims;
using CVault.Devices;
using CVault.IpLeases;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;

namespace CVault.Sessions;

/// <summary>Body of <c>POST /api/v1/vpn/connect</c>.</summary>
/// <param name="DeviceId">One of the user's devices.</param>
/// <param name="ServerRegion">Where to connect to; absent: the device's home server.</param>
public sealed record Connect(Guid? DeviceId, string? ServerRegion);

/// <summary>A session that has begun.</summary>
public sealed record ConnectedView : IPeerReply
{
    public required Guid SessionId { get; init; }
    public required Guid DeviceId { get; init; }
    public required string ServerIp { get; init; }
    public required int ServerPort { get; init; }
    public required string ServerRegion { get; init; }
    public required string AssignedIp { get; init; }
    public string Status { get; init; } = "connected";

    /// <summary>The config to use from now on, where the device moved to another server; else null.</summary>
    public string? Config { get; init; }
    public string PeerStatus { get; set; } = PeerStatuses.Pending;
}

/// <summary>What a connect found and took.</summary>
/// <param name="Move">The grant on the other server; null when the device stays.</param>
/// <param name="Config">The new config, only for a move.</param>
public sealed record Connection(Device Device, Session? Current, Server Server, Server Home, IpLease? Move, string? Config);

/// <summary>
/// <c>POST /api/v1/vpn/connect</c>: opens a session. With another region than the device's, the device moves there
/// first: another address, another peer, another config. Connecting twice is one session.
/// </summary>
public static class ConnectEndpoint
{
    public static ProblemDetails Validate(Connect? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.DeviceId is null) errors.Add(("device_id", "A device id is required."));
        if (command.ServerRegion is not null && !Texts.IsLabel(command.ServerRegion, 50)) errors.Add(("server_region", "1 to 50 letters, digits, dots, dashes or underscores."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(Connection?, ProblemDetails)> LoadAsync(
        Connect command, ClaimsPrincipal principal, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var deviceId = command.DeviceId!.Value;
        if (deviceId == Guid.Empty) return (null, Problems.NotFound());
        // Owned, and locked against a revocation or another connect until this one has committed.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.UserId != principal.UserId()) return (null, Problems.NotFound());

        var current = await session.Query<Session>().FirstOrDefaultAsync(s => s.LiveDevice == deviceId, cancellation);
        var home = (await session.LoadServerAsync(device.Home.ServerId, cancellation))!;
        if (command.ServerRegion is null || command.ServerRegion == home.Region) return (new Connection(device, current, home, home, null, null), WolverineContinue.NoProblems);

        if (await ServerLoad.PlaceAsync(session, command.ServerRegion, cancellation) is not { } serverId) return (null, Problems.ServerUnavailable());
        var server = (await session.LoadServerAsync(serverId, cancellation))!;
        if (await AddressPool.GrantAsync(session, server, deviceId, time.GetUtcNow(), cancellation) is not { } lease) return (null, Problems.PoolExhausted());

        var dataKey = (await DataKeys.LoadAsync(session, master, device.UserId, cancellation))!;
        var secret = await session.LoadAsync<DevicePrivateKey>(deviceId, cancellation);
        var config = WireGuardConfig.Render(
            server, new DeviceHome(serverId, lease.Address, lease.Address6),
            secret is null ? null : dataKey.Open(Device.PrivateKeyPurpose, secret.PrivateKey),
            dataKey.Open(Device.PresharedKeyPurpose, device.PresharedKey));
        return (new Connection(device, current, server, home, lease, config), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/vpn/connect", OperationId = "connect"), Authorize(Policies.UserToken)]
    [ProducesResponseType<ConnectedView>(200)]
    public static (Reply, Changes, OutgoingMessages) Post(Connect command, Connection connection, ClaimsPrincipal principal, TimeProvider time)
    {
        var (device, current, server, home, move, config) = connection;
        var now = time.GetUtcNow();
        var address = move?.Address ?? device.Home.Address;
        var stays = current is not null && current.ServerId == server.Id && move is null;
        var sessionId = stays ? current!.Id : Guid.CreateVersion7(now);
        var ops = new Changes();
        var messages = new OutgoingMessages();

        if (move is not null)
        {
            var from = device.Home;
            ops.Append(device.Id, new DeviceMoved(from, new DeviceHome(server.Id, move.Address, move.Address6)));
            var granted = AddressPool.Granted(move, principal.TenantId(), device.Id);
            var released = AddressPool.Release(home.Id, from.Address, home.AddressPool, device.Id, "moved", now);
            // Both count devices on a row of their server: always in one order, or two opposite moves lock each other out.
            foreach (var op in server.Id < home.Id ? [granted, released] : new[] { released, granted }) ops.Add(op);
            messages.Add(new ReconcileServer(server.Id));
            messages.Add(new ReconcileServer(home.Id));
        }

        if (current is not null && !stays) ops.Append(current.Id, new SessionEnded("superseded"));
        if (!stays) ops.Start<Session>(sessionId, new SessionStarted(device.UserId, device.Id, server.Id, address));

        return (
            new Reply(200, new ConnectedView
            {
                SessionId = sessionId,
                DeviceId = device.Id,
                ServerIp = server.EndpointHost,
                ServerPort = server.EndpointPort,
                ServerRegion = server.Region,
                AssignedIp = address,
                Config = config,
            })
            { Peer = new PeerChange(server.Id, device.PublicKey, Wanted: true) },
            ops,
            messages);
    }
}
