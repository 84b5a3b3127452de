using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Peers;

/// <summary>A full pass was ordered.</summary>
public sealed record ResyncView(Guid ServerId, string Status);

/// <summary><c>POST /admin/servers/{serverId}/resync</c>: a full pass now, which may remove however many peers are unknown.</summary>
public static class ResyncServer
{
    public static ProblemDetails Validate(Guid serverId, ServerLinks links) =>
        links.Of(serverId) is null ? Problems.NotFound() : WolverineContinue.NoProblems;

    [WolverinePost("/admin/servers/{serverId}/resync", OperationId = "resyncServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ResyncView>(202)]
    public static Reply Post(Guid serverId, ServerLinks links)
    {
        links.Of(serverId)?.Resync();
        return new Reply(202, new ResyncView(serverId, "ordered"));
    }
}
