using System.Security.Claims;
using CVault.Devices;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine;
using Wolverine.Attributes;
using Wolverine.Http;

namespace CVault.Sessions;

/// <summary>Body of <c>POST /api/v1/vpn/disconnect</c>: one device's session, or without a device all of the user's.</summary>
public sealed record Disconnect(Guid? DeviceId);

/// <param name="SessionId">The session that ended; null when there was none. The last begun, where there were several.</param>
/// <param name="Ended">How many ended.</param>
public sealed record DisconnectedView(Guid? SessionId, string Status, int Ended);

/// <summary>The sessions to end, and whether their devices then give up their addresses.</summary>
public sealed record Ending(IReadOnlyList<Session> Sessions, bool Ephemeral);

/// <summary><c>POST /api/v1/vpn/disconnect</c>: ends sessions. Ending what has ended is no error.</summary>
public static class DisconnectEndpoint
{
    public static async Task<(Ending?, ProblemDetails)> LoadAsync(HttpContext http, ClaimsPrincipal principal, IDocumentSession session, CancellationToken cancellation)
    {
        // The body may be left out altogether, which a bound parameter would not allow.
        var command = await http.Request.BodyOrDefaultAsync<Disconnect>(cancellation) ?? new Disconnect(null);
        var userId = principal.UserId();
        if (command.DeviceId is { } deviceId && await ReadDevices.OwnAsync(session, principal, deviceId, cancellation) is null) return (null, Problems.NotFound());
        await HoldAsync(session, userId, cancellation);
        var active = await session.Query<Session>()
            .Where(s => s.UserId == userId && s.LiveDevice != null).OrderByDescending(s => s.Id).ToListAsync(cancellation);
        var tenant = (await session.LoadAsync<Tenant>(principal.TenantId(), cancellation))!;
        return (
            new Ending([.. active.Where(s => command.DeviceId is null || s.DeviceId == command.DeviceId)], tenant.Settings.LeasePolicy == LeasePolicy.Ephemeral),
            WolverineContinue.NoProblems);
    }

    /// <summary>Of several who end the same sessions the others wait here, and then find nothing to end.</summary>
    private static async Task HoldAsync(IDocumentSession session, Guid userId, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"""
            select from {Database.Schema}.mt_streams where tenant_id = $1 and id = any(array(
              select id from {Database.Schema}.mt_doc_session where tenant_id = $1 and user_id = $2 and live_device is not null))
            order by id for update
            """);
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = userId });
        await session.ExecuteAsync(command, cancellation);
    }

    [WolverinePost("/api/v1/vpn/disconnect", OperationId = "disconnect"), Authorize(Policies.UserToken)]
    [ProducesResponseType<DisconnectedView>(200), OptionalBody(typeof(Disconnect))]
    public static (Reply, Changes, OutgoingMessages) Post([NotBody] Ending ending)
    {
        var active = ending.Sessions;
        var changes = new Changes();
        foreach (var session in active) changes.End(session, "disconnected");
        return (Reply.Ok(new DisconnectedView(active.Count > 0 ? active[0].Id : null, "disconnected", active.Count)), changes, ending.Ephemeral ? [.. active.Select(s => new SessionOver(s.DeviceId))] : []);
    }
}

/// <summary>A revoked device has no session.</summary>
[WolverineHandler]
public static class EndSessionOfRevokedDevice
{
    public static async Task<Changes> Handle(DeviceGone message, IDocumentSession session, CancellationToken cancellation)
    {
        var changes = new Changes();
        foreach (var live in await session.Query<Session>().Where(s => s.LiveDevice == message.DeviceId).ToListAsync(cancellation))
        {
            changes.End(live, "device_revoked");
        }

        return changes;
    }
}
