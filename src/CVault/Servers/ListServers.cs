using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Servers;

/// <summary>A server as tenants and their users see it.</summary>
/// <param name="Load">How full it is, in percent of its capacity, 0 to 100.</param>
/// <param name="Available">Whether a new device could be placed there now.</param>
/// <param name="Simulated">True: nothing can connect to it.</param>
public sealed record ServerView(Guid Id, string Region, int Load, bool Available, bool Simulated);

/// <summary>One page of servers.</summary>
public sealed record ServersView(IReadOnlyList<ServerView> Servers, string? NextCursor);

/// <summary><c>GET /api/v1/servers</c>.</summary>
public static class ListServers
{
    [WolverineGet("/api/v1/servers", OperationId = "listAvailableServers"), NotTenanted, Authorize(Policies.Any)]
    [ProducesResponseType<ServersView>(200)]
    public static async Task<IResult> Get(int? limit, string? cursor, IQuerySession session, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var (shown, next) = await session.PageOfServersAsync(page, withRetired: false, cancellation);
        return Reply.Ok(new ServersView([.. shown.Select(s => new ServerView(
            s.Server.Id, s.Server.Region, s.Server.Capacity == 0 ? 100 : (int)(100L * s.Devices / s.Server.Capacity),
            s.Server.Status == ServerStatus.Active && s.Reachable && s.Devices < s.Server.Capacity, s.Server.Transport == ServerTransport.Simulated))], next));
    }
}
