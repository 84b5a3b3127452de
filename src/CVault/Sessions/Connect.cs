using System.Security.Claims;
using CVault.Devices;
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

namespace CVault.Sessions;

/// <summary>Body of <c>POST /api/v1/vpn/connect</c>.</summary>
/// <param name="DeviceId">One of the user's devices.</param>
/// <param name="ServerRegion">Where to connect to; absent: the device's home server, or for a parked device wherever there is most room.</param>
public sealed record Connect(Guid? DeviceId, string? ServerRegion);

/// <summary>A session that has begun.</summary>
[NeverLogged]
public sealed record ConnectedView : IPeerReply
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(ConnectedView);

    public required Guid SessionId { get; init; }
    public required Guid DeviceId { get; init; }
    public required string ServerIp { get; init; }
    public required int ServerPort { get; init; }
    public required string ServerRegion { get; init; }
    public required string AssignedIp { get; init; }
    public string Status { get; init; } = "connected";

    /// <summary>The config to use from now on, where the device moved to another server or had none; else null.</summary>
    public string? Config { get; init; }
    public string PeerStatus { get; set; } = PeerStatuses.Pending;
}

/// <summary>What a connect found and took.</summary>
/// <param name="Server">Where the device's home is from now on.</param>
/// <param name="Move">Its way there; null when it stays.</param>
/// <param name="Config">The new config, only for a move.</param>
/// <param name="Number">The number of the session, should it be a new one.</param>
[NeverLogged]
public sealed record Connection(Device Device, Session? Current, Server Server, Move? Move, string? Config, long Number)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(Connection);
}

/// <summary>
/// <c>POST /api/v1/vpn/connect</c>: opens a session. With another region than the device's, the device moves there
/// first: another address, another peer, another config; what it had before it keeps until the new peer is live.
/// A parked device gets an address, a peer and a config again.
/// Connecting twice is one session.
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
        Connect command, HttpContext http, ClaimsPrincipal principal, IDocumentSession session, MasterKey master, SessionNumbers numbers, TimeProvider time, CancellationToken cancellation)
    {
        if (TenantAuthentication.TenantOf(http).OverBandwidth) return (null, Problems.BandwidthLimitExceeded());
        var deviceId = command.DeviceId!.Value;
        if (deviceId == Guid.Empty) return (null, Problems.NotFound());
        // Owned, and locked against a revocation or another connect until this one has committed.
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device || device.UserId != principal.UserId()) return (null, Problems.NotFound());

        var current = await session.Query<Session>().FirstOrDefaultAsync(s => s.LiveDevice == deviceId, cancellation);
        if (device.Home is { } place && (await session.LoadServerAsync(place.ServerId, cancellation))! is var home && (command.ServerRegion is null || command.ServerRegion == home.Region))
        {
            return (new Connection(device, current, home, null, null, await numbers.NextAsync(session, cancellation)), WolverineContinue.NoProblems);
        }

        var (move, problem) = await Move.TakeAsync(session, device, command.ServerRegion, time.GetUtcNow(), cancellation);
        if (move is null) return (null, problem);

        var dataKey = (await DataKeys.LoadAsync(session, master, device.UserId, cancellation))!;
        var secret = await session.LoadAsync<DevicePrivateKey>(deviceId, cancellation);
        var config = WireGuardConfig.Render(
            move.To, move.Home,
            secret is null ? null : dataKey.Open(Device.PrivateKeyPurpose, secret.PrivateKey),
            dataKey.Open(Device.PresharedKeyPurpose, device.PresharedKey));
        return (new Connection(device, current, move.To, move, config, await numbers.NextAsync(session, cancellation)), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/vpn/connect", OperationId = "connect"), Authorize(Policies.UserToken)]
    [ProducesResponseType<ConnectedView>(200)]
    public static (Reply, Changes, OutgoingMessages) Post(Connect command, Connection connection, ClaimsPrincipal principal, LeaseRules rules, TimeProvider time)
    {
        var (device, current, server, move, config, number) = connection;
        var now = time.GetUtcNow();
        var address = (move?.Home ?? device.Home)!.Address;
        var stays = current is not null && current.ServerId == server.Id && move is null;
        var sessionId = stays ? current!.Id : Guid.CreateVersion7(now);
        var ops = new Changes();
        var messages = new OutgoingMessages();
        if (move is not null)
        {
            move.AddTo(ops, device, principal.TenantId(), rules, now);
            messages.AddRange(move.Messages(device));
        }

        if (current is not null && !stays) ops.End(current, "superseded");
        if (!stays) ops.Start<Session>(sessionId, new SessionStarted(device.UserId, device.Id, server.Id, address, number));

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
