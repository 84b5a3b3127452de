using CVault.IpLeases;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine;
using Wolverine.Http;

namespace CVault.Peers;

/// <summary>
/// <c>POST /admin/servers/{serverId}/retire</c>: out of the pool for good. Only without devices, and, where the server
/// answers, only once it has lost the last peer: nobody is there to remove it afterwards.
/// </summary>
public static class RetireServer
{
    public static async Task<(Server?, ProblemDetails)> LoadAsync(Guid serverId, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await session.Events.FetchForExclusiveWriting<Server>(serverId, cancellation);
        if (stream.Aggregate is not { } server) return (null, Problems.NotFound());
        if (server.Status == ServerStatus.Retired) return (server, WolverineContinue.NoProblems);
        if (!await AddressPool.CloseAsync(session, serverId, cancellation)) return (null, Problems.Conflict("The server still has devices. Drain it, and wait until no device remains."));
        return await IsLosingPeersAsync(session, serverId, cancellation)
            ? (null, Problems.Conflict("The server is still losing its last peers. Try again."))
            : (server, WolverineContinue.NoProblems);
    }

    [WolverinePost("/admin/servers/{serverId}/retire", OperationId = "retireServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static (Reply, Changes, OutgoingMessages) Post(Guid serverId, [NotBody] Server server)
    {
        var changes = new Changes();
        var change = new ServerStatusChanged(ServerStatus.Retired);
        var reply = Reply.Ok(AdminServerView.Of(server.Apply(change), 0, reachable: false));
        if (server.Status == ServerStatus.Retired) return (reply, changes, []);
        changes.Append(serverId, change);
        return (reply, changes, [new ServerChanged(serverId)]);
    }

    private static async Task<bool> IsLosingPeersAsync(IDocumentSession session, Guid serverId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select reachable and exists (select 1 from {Database.Schema}.peers p where p.server_id = l.server_id) from {Database.Schema}.server_load l where l.server_id = $1
            """);
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) && reader.GetBoolean(0);
    }
}
