using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary>
/// <c>POST /admin/servers/{serverId}/drain</c>: takes no new devices from now on, and those that it has move to others
/// as there is room for them (<c>Peers/DrainServers</c>). <c>activate</c> takes it back.
/// </summary>
public static class DrainServer
{
    public static ProblemDetails Validate(Server server) => server.Status == ServerStatus.Retired ? ServerReads.RetiredProblem() : WolverineContinue.NoProblems;

    [WolverinePost("/admin/servers/{serverId}/drain", OperationId = "drainServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static async Task<(Reply, Events, OutgoingMessages)> Post([WriteAggregate("serverId")] Server server, IQuerySession session, CancellationToken cancellation)
    {
        var change = new ServerStatusChanged(ServerStatus.Draining);
        var view = ReadServers.View(server.Apply(change), await ServerLoad.ReadAsync(session, cancellation));
        return server.Status == ServerStatus.Draining ? (Reply.Ok(view), [], []) : (Reply.Ok(view), [change], [new ServerChanged(server.Id), new DrainBegun(server.Id)]);
    }
}
