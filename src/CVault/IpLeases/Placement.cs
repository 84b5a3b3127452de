using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
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
        if (await TryBestAsync(session, region, deviceId, now, cancellation) is { } placed) return (placed, WolverineContinue.NoProblems);
        var (any, withRoom) = await ServerLoad.CandidatesAsync(session, region, cancellation);
        foreach (var serverId in withRoom)
        {
            var server = (await session.LoadServerAsync(serverId, cancellation))!;
            if (await AddressPool.GrantAsync(session, server, deviceId, now, cancellation) is { } lease) return (new Placement(server, lease), WolverineContinue.NoProblems);
        }

        return (null, any ? Problems.PoolExhausted() : Problems.ServerUnavailable());
    }

    /// <summary>
    /// The usual case in one statement (<see cref="AddressPool.TakeSql"/>): the least loaded server has an address that nobody is just taking. Null says
    /// nothing yet; the careful way then finds out.
    /// </summary>
    private static async Task<Placement?> TryBestAsync(IDocumentSession session, string? region, Guid deviceId, DateTimeOffset now, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"select server, number from {Database.Schema}.take_address($1, $2, $3)");
        command.Parameters.Add(new() { Value = deviceId });
        command.Parameters.Add(new() { Value = (object?)region ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = now });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        if (!await reader.ReadAsync(cancellation)) return null;
        var server = session.DocumentStore.Options.Serializer().FromJson<Server>(reader, 0);
        return new Placement(server, IpLease.Of(server, reader.GetInt32(1)));
    }
}
