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
        var servers = await session.Query<Server>().Where(s => s.Id > page.After).OrderBy(s => s.Id).Take(page.Take).ToListAsync(cancellation);
        var loads = await ServerLoad.ReadAsync(session, cancellation);
        var (shown, next) = page.Cut(servers, s => s.Id);
        return Reply.Ok(new ServersView([.. shown.Select(s =>
        {
            var (devices, reachable) = loads.GetValueOrDefault(s.Id);
            return new ServerView(
                s.Id, s.Region, s.Capacity == 0 ? 100 : (int)(100L * devices / s.Capacity),
                s.Status == ServerStatus.Active && reachable && devices < s.Capacity, s.Transport == ServerTransport.Simulated);
        })], next));
    }
}
