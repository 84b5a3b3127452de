using System.Buffers.Text;
using System.Text;
using CVault.Security;
using CVault.Servers;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Peers;

/// <summary>One row of desired against confirmed.</summary>
/// <param name="Wanted">False: the peer is to go, and is not confirmed to have gone.</param>
/// <param name="LagMs">How long the change took to be confirmed, or has been waiting, in milliseconds.</param>
public sealed record PeerView(string PublicKey, Guid DeviceId, string TenantId, string AllowedIps, bool Wanted, bool Confirmed, DateTimeOffset ChangedAt, DateTimeOffset? ConfirmedAt, long LagMs);

/// <summary>A server's desired peers against what it has confirmed.</summary>
/// <param name="Desired">How many it should have.</param>
/// <param name="Confirmed">How many of those it has confirmed.</param>
/// <param name="Pending">Changes that it has not confirmed.</param>
/// <param name="OldestPendingMs">How long the oldest of them has waited; 0 for none.</param>
public sealed record PeersView(long Desired, long Confirmed, long Pending, long OldestPendingMs, IReadOnlyList<PeerView> Peers, string? NextCursor);

/// <summary><c>GET /admin/servers/{serverId}/peers</c>. Pages go by public key; the counts are of all.</summary>
public static class ListPeers
{
    [WolverineGet("/admin/servers/{serverId}/peers", OperationId = "listPeers"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PeersView>(200)]
    public static async Task<IResult> Get(Guid serverId, int? limit, string? cursor, NpgsqlDataSource database, TimeProvider time, CancellationToken cancellation)
    {
        if (!await ServerLoad.ExistsAsync(database, serverId, cancellation)) return new ProblemResult(Problems.NotFound());
        if ((limit ?? Page.Default) is < 1 or > Page.Most || !TryDecode(cursor, out var after)) return new ProblemResult(Page.Problem());
        var most = limit ?? Page.Default;
        var now = time.GetUtcNow();

        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand($"""
            select count(*) filter (where wanted and not suspended), count(*) filter (where wanted and not suspended and confirmed = revision),
              count(*) filter (where confirmed < revision), min(changed_at) filter (where confirmed < revision)
            from {Database.Schema}.peers where server_id = $1
            """) { Parameters = { new() { Value = serverId } } });
        batch.BatchCommands.Add(new NpgsqlBatchCommand($"""
            select public_key, device_id, tenant_id, allowed_ips, wanted and not suspended, confirmed = revision, changed_at, confirmed_at
            from {Database.Schema}.peers where server_id = $1 and public_key > $2 order by public_key limit $3
            """) { Parameters = { new() { Value = serverId }, new() { Value = after }, new() { Value = most + 1 } } });

        await using var reader = await batch.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        var (desired, confirmed, pending) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));
        var oldest = reader.IsDBNull(3) ? 0 : (long)(now - reader.GetFieldValue<DateTimeOffset>(3)).TotalMilliseconds;
        await reader.NextResultAsync(cancellation);

        var peers = new List<PeerView>();
        while (await reader.ReadAsync(cancellation))
        {
            var settled = reader.GetBoolean(5);
            var changedAt = reader.GetFieldValue<DateTimeOffset>(6);
            var confirmedAt = reader.IsDBNull(7) ? (DateTimeOffset?)null : reader.GetFieldValue<DateTimeOffset>(7);
            peers.Add(new PeerView(
                reader.GetString(0), reader.GetGuid(1), reader.GetString(2), reader.GetString(3), reader.GetBoolean(4), settled, changedAt, confirmedAt,
                Math.Max(0, (long)((settled && confirmedAt is { } at ? at : now) - changedAt).TotalMilliseconds)));
        }

        var shown = peers.Take(most).ToArray();
        return Reply.Ok(new PeersView(desired, confirmed, pending, oldest, shown, peers.Count > most ? Base64Url.EncodeToString(Encoding.ASCII.GetBytes(shown[^1].PublicKey)) : null));
    }

    private static bool TryDecode(string? cursor, out string publicKey)
    {
        Span<byte> bytes = stackalloc byte[44];
        var valid = Page.TryDecode(cursor ?? "", bytes, out var length);
        publicKey = valid ? Encoding.ASCII.GetString(bytes[..length]) : "";
        return valid;
    }
}
