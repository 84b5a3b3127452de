using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.IpLeases;

/// <summary>A server for a device, and an address there.</summary>
public sealed record Placement(Server Server, IpLease Lease)
{
    /// <summary>
    /// Takes an address on the least loaded server that has one. <c>POOL_EXHAUSTED</c> means that every server that could
    /// have taken the device is full, by capacity or by addresses; <c>SERVER_UNAVAILABLE</c> that there is no such server.
    /// </summary>
    /// <param name="region">Where; null: anywhere.</param>
    public static async Task<(Placement?, ProblemDetails)> TakeAsync(IDocumentSession session, string? region, Guid deviceId, DateTimeOffset now, CancellationToken cancellation)
    {
        var (any, withRoom) = await ServerLoad.CandidatesAsync(session, region, cancellation);
        foreach (var serverId in withRoom)
        {
            var server = (await session.LoadServerAsync(serverId, cancellation))!;
            if (await AddressPool.GrantAsync(session, server, deviceId, now, cancellation) is { } lease) return (new Placement(server, lease), WolverineContinue.NoProblems);
        }

        return (null, any ? Problems.PoolExhausted() : Problems.ServerUnavailable());
    }
}
