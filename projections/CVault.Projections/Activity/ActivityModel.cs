using CVault.Devices;
using CVault.Servers;
using CVault.Sessions;
using CVault.Users;
using Npgsql;

namespace CVault.Projections.Activity;

/// <summary>What happened in a tenant, for its staff to read: ids, regions and reasons, and nothing that is a person's.</summary>
public sealed class ActivityModel : ReadModel
{
    public const string Entries = "activity", Servers = "activity_servers";

    public override string Name => "activity";
    public override bool IsMoney => false;
    public override IReadOnlyCollection<Type> Events { get; } =
    [
        typeof(UserRegistered), typeof(UserAdmitted), typeof(DeviceRegistered), typeof(DeviceRevoked), typeof(SessionStarted), typeof(SessionEnded),
        typeof(ServerRegistered), typeof(ServerRegionChanged),
    ];

    public override IReadOnlyList<string> Tables { get; } = [Entries, Servers];

    /// <summary><c>subject</c> is the user, device or session that it happened to: the event's stream.</summary>
    public override string CreateSql(TableNames tables) => $"""
        create table {tables[Servers]} (server_id uuid primary key, region text not null);
        create table {tables[Entries]} (
          tenant_id uuid not null, seq_id bigint not null, at timestamptz not null, type text not null, subject uuid not null, user_id uuid, device_id uuid, region text, reason text,
          primary key (tenant_id, seq_id));
        create index on {tables[Entries]} (subject);
        """;

    public override async Task ApplyAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        await using var batch = Statements(connection);
        foreach (var e in events)
        {
            if ((e.Data switch { ServerRegistered s => s.Region, ServerRegionChanged s => s.Region, _ => null }) is not { } region) continue;
            Add(batch, $"insert into {tables[Servers]} (server_id, region) values ($1, $2) on conflict (server_id) do update set region = excluded.region", e.StreamId, region);
        }

        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(cancellation);
        var entries = events.Select(EntryOf).OfType<Entry>().ToList();
        if (entries.Count == 0) return;

        await using var insert = Statements(connection);
        // What ends is told of with whose it was and where, as it was told at its beginning; that may be in this same statement's rows.
        Add(insert, $"""
            with e as materialized (
              select tenant_id, seq_id, at, type, subject, nullif(user_id, $9) as user_id, nullif(device_id, $9) as device_id, s.region, nullif(reason, '') as reason
              from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $10::text[]) as n (tenant_id, seq_id, at, type, subject, user_id, device_id, server_id, reason)
              left join {tables[Servers]} s using (server_id))
            insert into {tables[Entries]} (tenant_id, seq_id, at, type, subject, user_id, device_id, region, reason)
            select e.tenant_id, e.seq_id, e.at, e.type, e.subject, coalesce(e.user_id, b.user_id), coalesce(e.device_id, b.device_id), coalesce(e.region, b.region), e.reason
            from e left join lateral (
              select user_id, device_id, region from e other where e.user_id is null and other.subject = e.subject and other.tenant_id = e.tenant_id and other.seq_id < e.seq_id
              union all select user_id, device_id, region from {tables[Entries]} other where e.user_id is null and other.subject = e.subject and other.tenant_id = e.tenant_id
              limit 1) b on true
            """,
            entries.ConvertAll(e => e.Tenant), entries.ConvertAll(e => e.Sequence), entries.ConvertAll(e => e.At), entries.ConvertAll(e => e.Type), entries.ConvertAll(e => e.Subject),
            entries.ConvertAll(e => e.User), entries.ConvertAll(e => e.Device), entries.ConvertAll(e => e.Server), Guid.Empty, entries.ConvertAll(e => e.Reason));
        await insert.ExecuteNonQueryAsync(cancellation);
    }

    private static Entry? EntryOf(StoredEvent e)
    {
        return e.Data switch
        {
            UserRegistered or UserAdmitted => Of("user_registered", e.Timestamp, user: e.StreamId),
            DeviceRegistered d => Of("device_registered", d.At, d.UserId, e.StreamId, d.Home.ServerId),
            DeviceRevoked d => Of("device_revoked", e.Timestamp, device: e.StreamId, reason: d.Reason),
            SessionStarted s => Of("session_started", s.At ?? e.Timestamp, s.UserId, s.DeviceId, s.ServerId),
            SessionEnded s => Of("session_ended", s.At ?? e.Timestamp, reason: s.Reason),
            _ => null,
        };

        Entry Of(string type, DateTimeOffset at, Guid user = default, Guid device = default, Guid server = default, string reason = "") =>
            new(Guid.Parse(e.TenantId), e.Sequence, at, type, e.StreamId, user, device, server, reason);
    }

    /// <summary>Empty ids and texts are none.</summary>
    private sealed record Entry(Guid Tenant, long Sequence, DateTimeOffset At, string Type, Guid Subject, Guid User, Guid Device, Guid Server, string Reason);
}
