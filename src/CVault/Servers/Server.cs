using System.Net;
using System.Text.Json.Serialization;
using JasperFx;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Servers;

/// <summary>What a server is used for now.</summary>
public enum ServerStatus
{
    /// <summary>Takes new devices.</summary>
    Active,

    /// <summary>Keeps its devices and takes no new ones.</summary>
    Maintenance,

    /// <summary>Takes no new devices, and those that it has are moved to others.</summary>
    Draining,

    /// <summary>Out of the pool for good: it has no devices and is not connected to; its name and key may be registered anew.</summary>
    Retired,
}

/// <summary>How CVault reaches a server.</summary>
public enum ServerTransport
{
    /// <summary>The forced command of <c>ops/server</c>, over SSH.</summary>
    Ssh,

    /// <summary>Memory of this process, for machines that can have no lab. Nothing can connect to it.</summary>
    Simulated,
}

/// <param name="Name">Unique among servers.</param>
/// <param name="Region">Where it stands, such as <c>us-east</c>.</param>
/// <param name="EndpointHost">The address that devices connect to.</param>
/// <param name="EndpointPort">And its UDP port.</param>
/// <param name="PublicKey">The server's WireGuard public key, base64, as it said itself at registration.</param>
/// <param name="Ssh">How it is reached.</param>
/// <param name="AddressPool">The devices' IPv4 network; its first host is the server.</param>
/// <param name="AddressPool6">The devices' IPv6 network (ULA, /64), beside it.</param>
/// <param name="Dns">The resolvers that configs name.</param>
/// <param name="Capacity">How many devices it may have.</param>
/// <param name="At">When, by the clock that the answer went by.</param>
public sealed record ServerRegistered(
    string Name, string Region, string EndpointHost, int EndpointPort, string PublicKey, ServerTransport Transport, SshAddress? Ssh,
    string AddressPool, string AddressPool6, string[] Dns, int Capacity, ServerStatus Status, DateTimeOffset At);

/// <summary>Where a server's sshd listens and how we know it is that server.</summary>
/// <param name="Host">Name or address.</param>
/// <param name="Port">TCP port.</param>
/// <param name="User">The unprivileged user whose key runs the forced command.</param>
/// <param name="HostKey">The pinned host key: type and base64, as in <c>known_hosts</c>.</param>
public sealed record SshAddress(string Host, int Port, string User, string HostKey);

public sealed record ServerRegionChanged(string Region);

public sealed record ServerCapacityChanged(int Capacity);

public sealed record ServerStatusChanged(ServerStatus Status);

/// <summary>The server's sshd is reached elsewhere now; its host key stays the pinned one.</summary>
public sealed record ServerSshMoved(string Host, int Port);

/// <summary>Reading a server from any tenant's session: servers are the platform's.</summary>
public static class ServerReads
{
    public static Task<Server?> LoadServerAsync(this IQuerySession session, Guid serverId, CancellationToken cancellation) =>
        session.ForTenant(StorageConstants.DefaultTenantId).LoadAsync<Server>(serverId, cancellation);

    public static ProblemDetails RetiredProblem() => Problems.Conflict("The server is retired. Register it anew.");

    /// <summary>The statuses that an operator may simply set; the others have endpoints of their own.</summary>
    public static bool TryParseSettable(string? text, out ServerStatus status) => Names.TryParse(text, out status) && status is ServerStatus.Active or ServerStatus.Maintenance;

    /// <summary>A page of servers, each with its devices and whether it answers; and the cursor of the next.</summary>
    public static async Task<(IReadOnlyList<(Server Server, int Devices, bool Reachable)> Shown, string? Next)> PageOfServersAsync(
        this IQuerySession session, Page page, bool withRetired, CancellationToken cancellation)
    {
        var servers = await session.Query<Server>().Where(s => s.Id > page.After && (withRetired || s.Status != ServerStatus.Retired)).OrderBy(s => s.Id).Take(page.Take).ToListAsync(cancellation);
        var loads = await ServerLoad.ReadAsync(session, cancellation);
        var (shown, next) = page.Cut(servers, s => s.Id);
        return ([.. shown.Select(s => (s, loads.GetValueOrDefault(s.Id).Devices, loads.GetValueOrDefault(s.Id).Reachable))], next);
    }
}

/// <summary>One WireGuard host of the shared pool. Of the platform, not of a tenant.</summary>
public sealed record Server(
    Guid Id, string Name, string Region, string EndpointHost, int EndpointPort, string PublicKey, ServerTransport Transport, SshAddress? Ssh,
    string AddressPool, string AddressPool6, string[] Dns, int Capacity, ServerStatus Status, DateTimeOffset CreatedAt)
{
    public static Server Create(IEvent<ServerRegistered> e) => new(
        e.StreamId, e.Data.Name, e.Data.Region, e.Data.EndpointHost, e.Data.EndpointPort, e.Data.PublicKey, e.Data.Transport, e.Data.Ssh,
        e.Data.AddressPool, e.Data.AddressPool6, e.Data.Dns, e.Data.Capacity, e.Data.Status, e.Data.At);

    /// <summary>Name and key while the server is in the pool, null once it is retired: their unique indexes are on these.</summary>
    public string? LiveName => Status == ServerStatus.Retired ? null : Name;

    /// <inheritdoc cref="LiveName"/>
    public string? LiveKey => Status == ServerStatus.Retired ? null : PublicKey;

    public Server Apply(ServerRegionChanged e) => this with { Region = e.Region };

    public Server Apply(ServerCapacityChanged e) => this with { Capacity = e.Capacity };

    public Server Apply(ServerStatusChanged e) => this with { Status = e.Status };

    public Server Apply(ServerSshMoved e) => this with { Ssh = Ssh! with { Host = e.Host, Port = e.Port } };

    /// <summary>The endpoint as a WireGuard config writes it; an IPv6 address stands in brackets.</summary>
    [JsonIgnore]
    public string Endpoint => IPAddress.TryParse(EndpointHost, out var ip) && ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
        ? $"[{EndpointHost}]:{EndpointPort}"
        : $"{EndpointHost}:{EndpointPort}";
}
