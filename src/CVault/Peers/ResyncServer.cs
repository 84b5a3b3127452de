using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Peers;

/// <summary>A full pass was ordered.</summary>
public sealed record ResyncView(Guid ServerId, string Status);

/// <summary><c>POST /admin/servers/{serverId}/resync</c>: a full pass now, which may remove however many peers are unknown.</summary>
public static class ResyncServer
{
    /// <summary>On the row, so that whichever node keeps the link does it, and a crash does not forget it.</summary>
    public static async Task<ProblemDetails> LoadAsync(Guid serverId, NpgsqlDataSource database, CancellationToken cancellation) =>
        await LinkLease.OrderResyncAsync(database, serverId, cancellation) ? WolverineContinue.NoProblems : Problems.NotFound();

    [WolverinePost("/admin/servers/{serverId}/resync", OperationId = "resyncServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ResyncView>(202)]
    public static Reply Post(Guid serverId, ServerLinks links)
    {
        links.LookNow();
        return new Reply(202, new ResyncView(serverId, "ordered"));
    }
}
