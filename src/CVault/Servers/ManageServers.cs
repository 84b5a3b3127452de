using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary>A server as operators see it.</summary>
public sealed record AdminServerView
{
    public required Guid Id { get; init; }
    public required string Name { get; init; }
    public required string Region { get; init; }

    /// <summary><c>active</c> or <c>maintenance</c>; <c>offline</c> when it is active and does not answer.</summary>
    public required string Status { get; init; }
    public required string EndpointHost { get; init; }
    public required int EndpointPort { get; init; }
    public required string PublicKey { get; init; }
    public required string? SshHost { get; init; }
    public required int? SshPort { get; init; }

    /// <summary>The pinned host key.</summary>
    public required string? SshHostKey { get; init; }
    public required string AddressPool { get; init; }
    public required string AddressPool6 { get; init; }
    public required string[] Dns { get; init; }
    public required int Capacity { get; init; }

    /// <summary>How many devices have a lease here.</summary>
    public required int Devices { get; init; }
    public required bool Reachable { get; init; }

    /// <summary>True: memory, not a server. See <see cref="ServerTransport.Simulated"/>.</summary>
    public required bool Simulated { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    public static AdminServerView Of(Server s, int devices, bool reachable) => new()
    {
        Id = s.Id,
        Name = s.Name,
        Region = s.Region,
        Status = s.Status == ServerStatus.Active && !reachable ? "offline" : Names.Of(s.Status),
        EndpointHost = s.EndpointHost,
        EndpointPort = s.EndpointPort,
        PublicKey = s.PublicKey,
        SshHost = s.Ssh?.Host,
        SshPort = s.Ssh?.Port,
        SshHostKey = s.Ssh?.HostKey,
        AddressPool = s.AddressPool,
        AddressPool6 = s.AddressPool6,
        Dns = s.Dns,
        Capacity = s.Capacity,
        Devices = devices,
        Reachable = reachable,
        Simulated = s.Transport == ServerTransport.Simulated,
        CreatedAt = s.CreatedAt,
    };
}

/// <summary>One page of servers.</summary>
public sealed record AdminServersView(IReadOnlyList<AdminServerView> Servers, string? NextCursor);

/// <summary><c>GET /admin/servers</c> and <c>GET /admin/servers/{serverId}</c>.</summary>
public static class ReadServers
{
    [WolverineGet("/admin/servers", OperationId = "listServers"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServersView>(200)]
    public static async Task<IResult> List(int? limit, string? cursor, IQuerySession session, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var servers = await session.Query<Server>().Where(s => s.Id > page.After).OrderBy(s => s.Id).Take(page.Take).ToListAsync(cancellation);
        var loads = await ServerLoad.ReadAsync(session, cancellation);
        var (shown, next) = page.Cut(servers, s => s.Id);
        return Reply.Ok(new AdminServersView([.. shown.Select(s => View(s, loads))], next));
    }

    [WolverineGet("/admin/servers/{serverId}", OperationId = "getServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static async Task<IResult> Get(Guid serverId, IQuerySession session, CancellationToken cancellation) =>
        await session.LoadAsync<Server>(serverId, cancellation) is { } server
            ? Reply.Ok(View(server, await ServerLoad.ReadAsync(session, cancellation)))
            : new ProblemResult(Problems.NotFound());

    public static AdminServerView View(Server server, IReadOnlyDictionary<Guid, (int Devices, bool Reachable)> loads)
    {
        var (devices, reachable) = loads.GetValueOrDefault(server.Id);
        return AdminServerView.Of(server, devices, reachable);
    }
}

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
        if (command.Status is not null && !Names.TryParse<ServerStatus>(command.Status, out _)) errors.Add(("status", "One of: active, maintenance."));
        if (command.SshHost is not null && !Texts.IsHost(command.SshHost)) errors.Add(("ssh_host", "A host name or an IP address."));
        if (command.SshPort is < 1 or > 65535) errors.Add(("ssh_port", "1 to 65535."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(IReadOnlyDictionary<Guid, (int Devices, bool Reachable)>, ProblemDetails)> LoadAsync(ServerChanges command, Guid serverId, IQuerySession session, CancellationToken cancellation)
    {
        var loads = await ServerLoad.ReadAsync(session, cancellation);
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
        if (Names.TryParse<ServerStatus>(command.Status, out var status) && status != server.Status) after = Add(new ServerStatusChanged(status), after.Apply);
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

/// <summary><c>POST /admin/servers/{serverId}/activate</c>: takes new devices from now on.</summary>
public static class ActivateServer
{
    [WolverinePost("/admin/servers/{serverId}/activate", OperationId = "activateServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(200)]
    public static async Task<(Reply, Events, OutgoingMessages)> Post([WriteAggregate("serverId")] Server server, IQuerySession session, CancellationToken cancellation)
    {
        var change = new ServerStatusChanged(ServerStatus.Active);
        var view = ReadServers.View(server.Apply(change), await ServerLoad.ReadAsync(session, cancellation));
        return server.Status == ServerStatus.Active ? (Reply.Ok(view), [], []) : (Reply.Ok(view), [change], [new ServerChanged(server.Id)]);
    }
}
