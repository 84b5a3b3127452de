using System.Security.Claims;
using CVault.Devices;
using CVault.Security;
using CVault.Servers;
using CVault.Sessions;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Metering;

/// <summary>One open session, with what the last reading of its server said of it.</summary>
/// <param name="Tunnel"><c>up</c>: a handshake within 180 s of the reading. <c>down</c>: none. <c>unknown</c>: the server has not been read since the session began.</param>
/// <param name="LastHandshakeAt">Null before the first.</param>
/// <param name="RxBytes">Received from the device in this session, as of the reading.</param>
/// <param name="TxBytes">Sent to the device.</param>
/// <param name="ReadAt">When the server was last read; null for never.</param>
/// <param name="ReadAgeSeconds">How old that is.</param>
public sealed record SessionView(
    Guid SessionId, Guid DeviceId, string ServerIp, int ServerPort, string ServerRegion, string AssignedIp, DateTimeOffset ConnectedAt,
    string Tunnel, DateTimeOffset? LastHandshakeAt, long RxBytes, long TxBytes, DateTimeOffset? ReadAt, long? ReadAgeSeconds);

/// <summary>The user's connection: the members of the last begun session at the top, every open one below.</summary>
/// <param name="Status"><c>connected</c> or <c>disconnected</c>.</param>
public sealed record StatusView(
    string Status, Guid? SessionId, Guid? DeviceId, string? ServerIp, int? ServerPort, string? ServerRegion, string? AssignedIp, DateTimeOffset? ConnectedAt,
    IReadOnlyList<SessionView> Sessions);

/// <summary><c>GET /api/v1/vpn/status</c>: the sessions that an app or a handshake began and nothing has ended yet.</summary>
public static class GetStatus
{
    [WolverineGet("/api/v1/vpn/status", OperationId = "getStatus"), Authorize(Policies.UserToken)]
    [ProducesResponseType<StatusView>(200)]
    public static async Task<IResult> Get([FromQuery(Name = "device_id")] Guid? deviceId, ClaimsPrincipal principal, IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        var userId = principal.UserId();
        if (deviceId is { } id && await ReadDevices.OwnAsync(session, principal, id, cancellation) is null) return new ProblemResult(Problems.NotFound());
        var active = await session.Query<Session>().Where(s => s.UserId == userId && s.LiveDevice != null).OrderByDescending(s => s.Id).ToListAsync(cancellation);
        var readings = active.Count == 0 ? [] : await ReadingsAsync(session, [.. active.Select(s => s.Id)], cancellation);
        var now = time.GetUtcNow();
        var views = new List<SessionView>();
        foreach (var s in active.Where(s => deviceId is null || s.DeviceId == deviceId))
        {
            var server = (await session.LoadServerAsync(s.ServerId, cancellation))!;
            var read = readings.GetValueOrDefault(s.Id);
            var tunnel = read?.ReadAt is not { } at || at < s.ConnectedAt ? "unknown" : read.HeardAt is { } heard && at - heard < Sweep.Silence ? "up" : "down";
            views.Add(new SessionView(s.Id, s.DeviceId, server.EndpointHost, server.EndpointPort, server.Region, s.Address, s.ConnectedAt,
                tunnel, read?.HeardAt, read?.RxBytes ?? 0, read?.TxBytes ?? 0, read?.ReadAt, read?.ReadAt is { } age ? Math.Max(0, (long)(now - age).TotalSeconds) : null));
        }

        var last = views.FirstOrDefault();
        return Reply.Ok(new StatusView(
            last is null ? "disconnected" : "connected",
            last?.SessionId, last?.DeviceId, last?.ServerIp, last?.ServerPort, last?.ServerRegion, last?.AssignedIp, last?.ConnectedAt, views));
    }

    private static async Task<Dictionary<Guid, SessionReading>> ReadingsAsync(IQuerySession session, Guid[] sessions, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select m.session_id, max(m.heard_at), sum(m.session_rx_bytes)::bigint, sum(m.session_tx_bytes)::bigint, max(nullif(r.read_at, '-infinity'))
            from {Database.Schema}.peer_meters m left join {Database.Schema}.server_meters r on r.server_id = m.server_id where m.session_id = any($1)
            group by m.session_id
            """);
        command.Parameters.Add(new() { Value = sessions });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var readings = new Dictionary<Guid, SessionReading>();
        while (await reader.ReadAsync(cancellation))
        {
            readings[reader.GetGuid(0)] = new SessionReading(
                reader.IsDBNull(1) ? null : reader.GetFieldValue<DateTimeOffset>(1), reader.GetInt64(2), reader.GetInt64(3), reader.IsDBNull(4) ? null : reader.GetFieldValue<DateTimeOffset>(4));
        }

        return readings;
    }

    private sealed record SessionReading(DateTimeOffset? HeardAt, long RxBytes, long TxBytes, DateTimeOffset? ReadAt);
}
