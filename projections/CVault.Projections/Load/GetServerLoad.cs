using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Projections.Load;

/// <summary>What a server had to do in a UTC hour.</summary>
/// <param name="RxBytes">Received from devices.</param>
/// <param name="TxBytes">Sent to them.</param>
/// <param name="PeakSessions">The most sessions that were open at once when one began or ended or something moved.</param>
public sealed record LoadHourView(DateTimeOffset Start, long RxBytes, long TxBytes, long SessionsStarted, long SessionsEnded, long PeakSessions);

/// <summary>A server's load over time.</summary>
/// <param name="OpenSessions">That are open now.</param>
/// <param name="Hours">Those in which there was anything, in order.</param>
public sealed record ServerLoadView(Guid ServerId, DateTimeOffset From, DateTimeOffset To, long OpenSessions, IReadOnlyList<LoadHourView> Hours);

/// <summary><c>GET /admin/servers/{serverId}/load</c>: without a range the last 24 hours; 31 days at most.</summary>
public static class GetServerLoad
{
    [WolverineGet("/admin/servers/{serverId}/load", OperationId = "getServerLoad"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ServerLoadView>(200)]
    public static async Task<IResult> Get(Guid serverId, DateTimeOffset? from, DateTimeOffset? to, IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        if (await session.LoadAsync<Server>(serverId, cancellation) is null) return new ProblemResult(Problems.NotFound());
        if (from is null && to is null) (from, to) = (time.GetUtcNow().AddDays(-1), time.GetUtcNow());
        var (range, problem) = UsageRange.Of(from, to, "hour", null);
        if (range is null) return new ProblemResult(problem!);

        return Reply.Ok(new ServerLoadView(serverId, range.From, range.To, await OpenAsync(session, serverId, cancellation), await HoursAsync(session, serverId, range, cancellation)));
    }

    private static async Task<long> OpenAsync(IQuerySession session, Guid serverId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select open_sessions from {TableNames.Live[LoadModel.Servers]} where server_id = $1");
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) ? reader.GetInt64(0) : 0;
    }

    private static async Task<List<LoadHourView>> HoursAsync(IQuerySession session, Guid serverId, UsageRange range, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select start, rx_bytes, tx_bytes, sessions_started, sessions_ended, peak_sessions from {TableNames.Live[LoadModel.Hours]}
            where server_id = $1 and start >= $2 and start < $3 order by start
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = range.From });
        command.Parameters.Add(new() { Value = range.To });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var hours = new List<LoadHourView>();
        while (await reader.ReadAsync(cancellation)) hours.Add(new LoadHourView(reader.GetFieldValue<DateTimeOffset>(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5)));
        return hours;
    }
}
