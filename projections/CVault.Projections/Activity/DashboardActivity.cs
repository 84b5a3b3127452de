using System.Buffers.Binary;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Projections.Activity;

/// <summary>Something that happened.</summary>
/// <param name="Type"><c>user_registered</c>, <c>device_registered</c>, <c>device_revoked</c>, <c>session_started</c> or <c>session_ended</c>.</param>
/// <param name="SessionId">For sessions; else null.</param>
/// <param name="Region">Where, for devices and sessions; else null.</param>
/// <param name="Reason">Why it ended or was revoked; else null.</param>
public sealed record ActivityEntryView(Guid Id, DateTimeOffset At, string Type, Guid? UserId, Guid? DeviceId, Guid? SessionId, string? Region, string? Reason);

/// <summary>One page of what happened, the latest first.</summary>
public sealed record ActivityView(IReadOnlyList<ActivityEntryView> Activity, string? NextCursor);

/// <summary><c>GET /api/v1/tenant/dashboard/activity</c>.</summary>
public static class DashboardActivity
{
    [WolverineGet("/api/v1/tenant/dashboard/activity", OperationId = "getDashboardActivity"), Authorize(Roles.May + nameof(Permission.ReadUsage))]
    [ProducesResponseType<ActivityView>(200)]
    public static async Task<IResult> Get(int? limit, string? cursor, IQuerySession session, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        await using var command = new NpgsqlCommand($"""
            select seq_id, at, type, subject, user_id, device_id, region, reason from {TableNames.Live[ActivityModel.Entries]}
            where tenant_id = $1 and seq_id < $2 order by seq_id desc limit $3
            """);
        command.Parameters.Add(new() { Value = Guid.Parse(session.TenantId) });
        command.Parameters.Add(new() { Value = SequenceOf(page.After) is > 0 and var before ? before : long.MaxValue });
        command.Parameters.Add(new() { Value = page.Take });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var entries = new List<ActivityEntryView>();
        while (await reader.ReadAsync(cancellation))
        {
            var type = reader.GetString(2);
            entries.Add(new ActivityEntryView(
                IdOf(reader.GetInt64(0)), reader.GetFieldValue<DateTimeOffset>(1), type, Id(4), Id(5),
                type.StartsWith("session", StringComparison.Ordinal) ? reader.GetGuid(3) : null, Text(6), Text(7)));
        }

        var (shown, next) = page.Cut(entries, e => e.Id);
        return Reply.Ok(new ActivityView(shown, next));

        Guid? Id(int column) => reader.IsDBNull(column) ? null : reader.GetGuid(column);
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    /// <summary>An id of an entry is its event's place, in the form that pages go by.</summary>
    private static Guid IdOf(long sequence)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], sequence);
        return new Guid(bytes, bigEndian: true);
    }

    private static long SequenceOf(Guid id) => BinaryPrimitives.ReadInt64BigEndian(id.ToByteArray(bigEndian: true).AsSpan(8));
}
