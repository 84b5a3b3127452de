using System.Net;
using System.Net.Sockets;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.IpLeases;

/// <summary>Who held an address at a moment; the ids are null when nobody did.</summary>
/// <param name="Since">When the holder got it, or when the last one gave it back; null when nobody ever held it.</param>
public sealed record LeaseView(Guid ServerId, string Address, DateTimeOffset At, Guid? TenantId, Guid? DeviceId, DateTimeOffset? Since);

/// <summary>
/// <c>GET /admin/leases?server=&amp;address=&amp;at=</c>: the question of an abuse report, answered from the address's own
/// stream. <c>at</c> is RFC 3339; absent, it is now.
/// </summary>
public static class WhoHeld
{
    [WolverineGet("/admin/leases", OperationId = "whoHeldAddress"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<LeaseView>(200)]
    public static async Task<IResult> Get(Guid server, string? address, DateTimeOffset? at, IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        if (await session.LoadAsync<Server>(server, cancellation) is not { } found) return new ProblemResult(Problems.NotFound());
        var pool = IPNetwork.Parse(found.AddressPool);
        if (!IPAddress.TryParse(address, out var ip) || ip.AddressFamily != AddressFamily.InterNetwork || !pool.Contains(ip))
        {
            return new ProblemResult(Problems.Validation(("address", "An IPv4 address of the server's pool.")));
        }

        var moment = at ?? time.GetUtcNow();
        var history = await session.Events.FetchStreamAsync(IpLease.StreamId(server, Pool.NumberOf(pool, ip)), timestamp: moment, token: cancellation);
        var last = history.Count > 0 ? history[^1] : null;
        var holder = last?.Data as IpLeased;
        return Reply.Ok(new LeaseView(server, ip.ToString(), moment, holder?.TenantId, holder?.DeviceId, last?.Timestamp));
    }
}
