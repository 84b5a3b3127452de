using System.Security.Claims;
using CVault.Devices;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Sessions;

/// <summary>One open session.</summary>
public sealed record SessionView(Guid SessionId, Guid DeviceId, string ServerIp, int ServerPort, string ServerRegion, string AssignedIp, DateTimeOffset ConnectedAt);

/// <summary>The user's connection: the members of the last begun session at the top, every open one below.</summary>
/// <param name="Status"><c>connected</c> or <c>disconnected</c>.</param>
public sealed record StatusView(
    string Status, Guid? SessionId, Guid? DeviceId, string? ServerIp, int? ServerPort, string? ServerRegion, string? AssignedIp, DateTimeOffset? ConnectedAt,
    IReadOnlyList<SessionView> Sessions);

/// <summary><c>GET /api/v1/vpn/status</c>: the sessions that <c>vpn/connect</c> opened and nothing has ended yet.</summary>
public static class GetStatus
{
    [WolverineGet("/api/v1/vpn/status", OperationId = "getStatus"), Authorize(Policies.UserToken)]
    [ProducesResponseType<StatusView>(200)]
    public static async Task<IResult> Get([FromQuery(Name = "device_id")] Guid? deviceId, ClaimsPrincipal principal, IQuerySession session, CancellationToken cancellation)
    {
        var userId = principal.UserId();
        if (deviceId is { } id && await ReadDevices.OwnAsync(session, principal, id, cancellation) is null) return new ProblemResult(Problems.NotFound());
        var active = await session.Query<Session>().Where(s => s.UserId == userId && s.LiveDevice != null).OrderByDescending(s => s.Id).ToListAsync(cancellation);
        var views = new List<SessionView>();
        foreach (var s in active.Where(s => deviceId is null || s.DeviceId == deviceId))
        {
            var server = (await session.LoadServerAsync(s.ServerId, cancellation))!;
            views.Add(new SessionView(s.Id, s.DeviceId, server.EndpointHost, server.EndpointPort, server.Region, s.Address, s.ConnectedAt));
        }

        var last = views.FirstOrDefault();
        return Reply.Ok(new StatusView(
            last is null ? "disconnected" : "connected",
            last?.SessionId, last?.DeviceId, last?.ServerIp, last?.ServerPort, last?.ServerRegion, last?.AssignedIp, last?.ConnectedAt, views));
    }
}
