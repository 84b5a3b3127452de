using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Servers;

/// <summary>A server as operators see it.</summary>
public sealed record AdminServerView
{
    public required Guid Id { get; init; }
    public required string Name { get; init; }
    public required string Region { get; init; }

    /// <summary><c>active</c>, <c>maintenance</c>, <c>draining</c> or <c>retired</c>; <c>offline</c> when it is active and does not answer.</summary>
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

    /// <summary>How many of them a draining server still has to lose; null when it is not draining.</summary>
    public required int? Remaining { get; init; }
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
        Remaining = s.Status == ServerStatus.Draining ? devices : null,
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
        var (shown, next) = await session.PageOfServersAsync(page, withRetired: true, cancellation);
        return Reply.Ok(new AdminServersView([.. shown.Select(s => AdminServerView.Of(s.Server, s.Devices, s.Reachable))], next));
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
