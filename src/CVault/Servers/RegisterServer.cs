using System.Net;
using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Logging;
using Renci.SshNet.Common;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary>Body of <c>POST /admin/servers</c>.</summary>
public sealed record RegisterServer
{
    public string? Name { get; init; }
    public string? Region { get; init; }

    /// <summary>The address that devices connect to.</summary>
    public string? EndpointHost { get; init; }
    public int EndpointPort { get; init; } = 51820;

    /// <summary><c>ssh</c> or <c>simulated</c>.</summary>
    public string Transport { get; init; } = "ssh";
    public string? SshHost { get; init; }
    public int SshPort { get; init; } = 22;
    public string SshUser { get; init; } = "cvault";

    /// <summary>Type and base64. Absent: the key that the server shows now is pinned.</summary>
    public string? SshHostKey { get; init; }

    /// <summary>The WireGuard key that the server is expected to have; absent: it is taken from the server.</summary>
    public string? PublicKey { get; init; }
    public string AddressPool { get; init; } = "10.8.0.0/16";

    /// <summary>A ULA /64; absent: a random one (RFC 4193).</summary>
    public string? AddressPool6 { get; init; }
    public string[] Dns { get; init; } = ["1.1.1.1", "9.9.9.9"];
    public int Capacity { get; init; } = 100;

    /// <summary><c>active</c> or <c>maintenance</c>.</summary>
    public string Status { get; init; } = "active";
}

/// <summary>
/// <c>POST /admin/servers</c>: takes a server into the pool. CVault connects to it there and then: it pins the host
/// key and reads the WireGuard key from the server itself.
/// </summary>
public static class RegisterServerEndpoint
{
    public static ProblemDetails Validate(RegisterServer? command)
    {
        if (command is null) return Body.Missing();
        var errors = Errors(command).ToArray();
        return errors.Length > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<((ServerIdentity, string HostKey), ProblemDetails)> LoadAsync(
        RegisterServer command, ServerDialer dialer, ILogger<ServerDialer> logger, CancellationToken cancellation)
    {
        var transport = Names.Parse<ServerTransport>(command.Transport);
        try
        {
            var ssh = transport == ServerTransport.Ssh ? new SshAddress(command.SshHost!, command.SshPort, command.SshUser, "") : null;
            await using var connection = await dialer.DialAsync(transport, command.Name!, ssh, command.SshHostKey, cancellation);
            var identity = await connection.VersionAsync();
            if (command.PublicKey is not null && command.PublicKey != identity.PublicKey)
            {
                return (default, Problems.Validation(("public_key", "The server has another WireGuard key.")));
            }

            return ((identity, connection.HostKey), WolverineContinue.NoProblems);
        }
        catch (HostKeyChangedException)
        {
            return (default, Problems.Validation(("ssh_host_key", "The server shows another host key.")));
        }
        catch (Exception e) when (e is SshException or IOException or TimeoutException or System.Net.Sockets.SocketException or InvalidDataException or ServerRefusedException)
        {
            logger.LogWarning("Server {Name} did not answer at registration: {Reason}", command.Name, e.Message);
            return (default, Problems.ServerUnreachable());
        }
    }

    [WolverinePost("/admin/servers", OperationId = "registerServer"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<AdminServerView>(201)]
    public static (Reply, IMartenOp, OutgoingMessages) Post(RegisterServer command, (ServerIdentity Identity, string HostKey) found, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var transport = Names.Parse<ServerTransport>(command.Transport);
        var status = Names.Parse<ServerStatus>(command.Status);
        var registered = new ServerRegistered(
            command.Name!.Trim(), command.Region!, command.EndpointHost!, command.EndpointPort, found.Identity.PublicKey, transport,
            transport == ServerTransport.Ssh ? new SshAddress(command.SshHost!, command.SshPort, command.SshUser, found.HostKey) : null,
            command.AddressPool, command.AddressPool6 ?? RandomUla(), command.Dns, command.Capacity, status, now);
        var server = new Server(
            id, registered.Name, registered.Region, registered.EndpointHost, registered.EndpointPort, registered.PublicKey, transport, registered.Ssh,
            registered.AddressPool, registered.AddressPool6, registered.Dns, registered.Capacity, status, now);
        return (
            Reply.Created($"/admin/servers/{id}", AdminServerView.Of(server, 0, reachable: false)),
            MartenOps.StartStream<Server>(id, registered),
            [new ServerChanged(id)]);
    }

    private static IEnumerable<(string, string)> Errors(RegisterServer c)
    {
        if (!Texts.IsLabel(c.Name, 255)) yield return ("name", "1 to 255 letters, digits, dots, dashes or underscores.");
        if (!Texts.IsLabel(c.Region, 50)) yield return ("region", "1 to 50 letters, digits, dots, dashes or underscores.");
        if (!Texts.IsHost(c.EndpointHost)) yield return ("endpoint_host", "A host name or an IP address.");
        if (c.EndpointPort is < 1 or > 65535) yield return ("endpoint_port", "1 to 65535.");
        if (!Names.TryParse<ServerTransport>(c.Transport, out var transport)) yield return ("transport", "One of: ssh, simulated.");
        if (transport == ServerTransport.Ssh)
        {
            if (!Texts.IsHost(c.SshHost)) yield return ("ssh_host", "A host name or an IP address.");
            if (c.SshPort is < 1 or > 65535) yield return ("ssh_port", "1 to 65535.");
            if (!Texts.IsLabel(c.SshUser, 32)) yield return ("ssh_user", "1 to 32 letters, digits, dots, dashes or underscores.");
        }

        if (!ServerReads.TryParseSettable(c.Status, out _)) yield return ("status", "One of: active, maintenance.");
        if (c.Capacity is < 0 or > 65_533) yield return ("capacity", "0 to 65533.");
        if (!Texts.IsNetwork(c.AddressPool, out var pool) || pool.BaseAddress.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork || pool.PrefixLength is < 16 or > 30)
        {
            yield return ("address_pool", "An IPv4 network from /16 to /30.");
        }

        if (c.AddressPool6 is not null && (!Texts.IsNetwork(c.AddressPool6, out var pool6) || pool6.PrefixLength != 64 || (pool6.BaseAddress.GetAddressBytes()[0] & 0xfe) != 0xfc))
        {
            yield return ("address_pool6", "A unique local IPv6 network (fc00::/7) of /64.");
        }

        if (c.Dns is null || c.Dns.Length is 0 or > 4 || !c.Dns.All(Texts.IsAddress)) yield return ("dns", "One to four IP addresses.");
    }

    private static string RandomUla()
    {
        var bytes = new byte[16];
        System.Security.Cryptography.RandomNumberGenerator.Fill(bytes.AsSpan(1, 5));
        bytes[0] = 0xfd;
        return new IPNetwork(new IPAddress(bytes), 64).ToString();
    }
}
