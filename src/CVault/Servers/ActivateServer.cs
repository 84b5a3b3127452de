using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary><c>POST /admin/servers/{serverId}/activate</c>: takes new devices from now on, and keeps those that a drain has not moved.</summary>
public static class ActivateServer
{
    public static ProblemDetails Validate(Server server) => server.Status == ServerStatus.Retired ? ServerReads.RetiredProblem() : WolverineContinue.NoProblems;

    [WolverinePost("/admin/servers/{serverId}/activate", OperationId = "activateServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static async Task<(Reply, Events, OutgoingMessages)> Post([WriteAggregate("serverId")] Server server, IQuerySession session, CancellationToken cancellation)
    {
        var change = new ServerStatusChanged(ServerStatus.Active);
        var view = ReadServers.View(server.Apply(change), await ServerLoad.ReadAsync(session, cancellation));
        return server.Status == ServerStatus.Active ? (Reply.Ok(view), [], []) : (Reply.Ok(view), [change], [new ServerChanged(server.Id)]);
    }
}
