using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary>Body of <c>PATCH /admin/servers/{serverId}</c>; what is absent stays.</summary>
public sealed record ServerChanges(string? Region, int? Capacity, string? Status, string? SshHost, int? SshPort);

/// <summary><c>PATCH /admin/servers/{serverId}</c>.</summary>
public static class UpdateServer
{
    public static ProblemDetails Validate(ServerChanges? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Region is not null && !Texts.IsLabel(command.Region, 50)) errors.Add(("region", "1 to 50 letters, digits, dots, dashes or underscores."));
        if (command.Capacity is < 0 or > 65_533) errors.Add(("capacity", "0 to 65533."));
        if (command.Status is not null && !ServerReads.TryParseSettable(command.Status, out _)) errors.Add(("status", "One of: active, maintenance. POST .../drain and .../retire are for the others."));
        if (command.SshHost is not null && !Texts.IsHost(command.SshHost)) errors.Add(("ssh_host", "A host name or an IP address."));
        if (command.SshPort is < 1 or > 65535) errors.Add(("ssh_port", "1 to 65535."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(IReadOnlyDictionary<Guid, (int Devices, bool Reachable)>, ProblemDetails)> LoadAsync(ServerChanges command, Guid serverId, IQuerySession session, CancellationToken cancellation)
    {
        var loads = await ServerLoad.ReadAsync(session, cancellation);
        if (await session.LoadAsync<Server>(serverId, cancellation) is { Status: ServerStatus.Retired }) return (loads, ServerReads.RetiredProblem());
        return command.Capacity < loads.GetValueOrDefault(serverId).Devices
            ? (loads, Problems.Conflict("The server has more devices than that."))
            : (loads, WolverineContinue.NoProblems);
    }

    [WolverinePatch("/admin/servers/{serverId}", OperationId = "updateServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static (Reply, Events, OutgoingMessages) Patch(
        ServerChanges command, [WriteAggregate("serverId")] Server server, IReadOnlyDictionary<Guid, (int Devices, bool Reachable)> loads)
    {
        var events = new Events();
        var after = server;
        if (command.Region is { } region && region != server.Region) after = Add(new ServerRegionChanged(region), after.Apply);
        if (command.Capacity is { } capacity && capacity != server.Capacity) after = Add(new ServerCapacityChanged(capacity), after.Apply);
        if (ServerReads.TryParseSettable(command.Status, out var status) && status != server.Status) after = Add(new ServerStatusChanged(status), after.Apply);
        if (server.Ssh is { } ssh && (command.SshHost ?? ssh.Host, command.SshPort ?? ssh.Port) is var (host, port) && (host, port) != (ssh.Host, ssh.Port))
        {
            after = Add(new ServerSshMoved(host, port), after.Apply);
        }

        return (Reply.Ok(ReadServers.View(after, loads)), events, events.Count > 0 ? [new ServerChanged(server.Id)] : []);

        Server Add<T>(T e, Func<T, Server> apply) where T : notnull
        {
            events.Add(e);
            return apply(e);
        }
    }
}
