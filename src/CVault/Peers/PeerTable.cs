using CVault.Devices;
using CVault.Security;
using CVault.Servers;
using Npgsql;
using NpgsqlTypes;
using Weasel.Postgresql.Tables;

namespace CVault.Peers;

/// <summary>A change that a server has not confirmed yet.</summary>
/// <param name="Revision">What to confirm; a later change has a greater one.</param>
/// <param name="Peer">How it should be; null: it should be gone.</param>
public sealed record PendingPeer(string PublicKey, long Revision, WantedPeer? Peer);

/// <summary>What a full pass expects to see of a peer.</summary>
/// <param name="Fingerprint">How the server confirmed it (<see cref="PeerFingerprint"/>); 0 where it has not, as it now stands.</param>
/// <param name="LastHandshake">Unix seconds, as noted; 0 for never.</param>
public readonly record struct ExpectedPeer(long Fingerprint, long LastHandshake);

/// <summary>A row as it now stands, read again because the server did not show what was expected.</summary>
/// <param name="Settled">Whether the server has confirmed it as it stands; if not, the next batch is what mends it.</param>
/// <param name="Peer">How it should be; null: it should be gone.</param>
public sealed record PeerRow(string PublicKey, Guid DeviceId, string TenantId, long Revision, bool Settled, WantedPeer? Peer);

/// <summary>
/// The desired peers: one row for each peer that a server should have, or should lose and has not confirmed to have
/// lost. A row is written in the transaction of the events that change it; whether the server has it so is
/// <c>confirmed</c> against <c>revision</c>. These rows are all that reaches a server.
/// </summary>
public static class PeerTable
{
    public const string RevisionSequence = $"{Database.Schema}.peer_revision";

    public static Table Schema()
    {
        var table = new Table(Database.Named("peers"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("public_key", "text").AsPrimaryKey();
        table.AddColumn<Guid>("device_id").NotNull().AddIndex();
        table.AddColumn<Guid>("user_id").NotNull();
        table.AddColumn("tenant_id", "text").NotNull().AddIndex();
        table.AddColumn("allowed_ips", "text").NotNull();
        table.AddColumn("preshared_key", "text").NotNull();
        table.AddColumn("wanted", "boolean").NotNull();
        table.AddColumn("suspended", "boolean").NotNull();
        table.AddColumn("revision", "bigint").NotNull();
        table.AddColumn("confirmed", "bigint").NotNull();
        table.AddColumn("changed_at", "timestamptz").NotNull();
        table.AddColumn("confirmed_at", "timestamptz");
        table.AddColumn("fingerprint", "bigint");
        // The newest handshake that the link's full pass read; null: none yet. What is idle goes by it (ParkIdle).
        table.AddColumn("last_handshake", "timestamptz");
        // The device moved away from here and is not yet live where it went; wanted until then (FinishMoves).
        table.AddColumn("leaving", "boolean").NotNull().DefaultValueByExpression("false");
        table.Indexes.Add(new IndexDefinition("peers_one_an_address") { Columns = ["server_id", "allowed_ips"], IsUnique = true, Predicate = "(wanted = true)" });
        table.Indexes.Add(new IndexDefinition("peers_pending") { Columns = ["server_id", "revision"], Predicate = "(confirmed < revision)" });
        table.Indexes.Add(new IndexDefinition("peers_leaving") { Columns = ["server_id", "changed_at"], Predicate = "(leaving = true)" });
        return table;
    }

    /// <summary>
    /// The last counters of removed peers, written in the transaction that forgets them: what metering has yet to bill.
    /// The boot id is empty where an earlier incarnation counted.
    /// </summary>
    public static Table LastCountersSchema()
    {
        var table = new Table(Database.Named("peer_last_counters"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("public_key", "text").AsPrimaryKey();
        table.AddColumn("read_at", "timestamptz").AsPrimaryKey();
        table.AddColumn<Guid>("device_id").NotNull();
        table.AddColumn<Guid>("user_id").NotNull();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn("boot_id", "text").NotNull();
        table.AddColumn("incarnation", "text").NotNull();
        table.AddColumn("rx_bytes", "bigint").NotNull();
        table.AddColumn("tx_bytes", "bigint").NotNull();
        table.AddColumn("last_handshake", "bigint").NotNull();
        // When metering has counted them; null: not yet.
        table.AddColumn("settled_at", "timestamptz");
        table.Indexes.Add(new IndexDefinition("peer_last_counters_unsettled") { Columns = ["server_id"], Predicate = "(settled_at IS NULL)" });
        return table;
    }

    /// <summary>What the server has not confirmed, oldest first, at most <paramref name="atMost"/>.</summary>
    public static async Task<IReadOnlyList<PendingPeer>> PendingAsync(NpgsqlDataSource database, MasterKey master, Guid serverId, int atMost, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.public_key, p.revision, p.wanted and not p.suspended, p.allowed_ips, p.preshared_key, p.user_id, k.wrapped
            from {Database.Schema}.peers p left join {Database.Schema}.data_keys k on k.user_id = p.user_id
            where p.server_id = $1 and p.confirmed < p.revision order by p.revision limit $2
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = atMost });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var pending = new List<PendingPeer>();
        while (await reader.ReadAsync(cancellation))
        {
            pending.Add(new PendingPeer(reader.GetString(0), reader.GetInt64(1), reader.GetBoolean(2) ? ReadPeer(reader, master, 3, reader.GetString(0)) : null));
        }

        return pending;
    }

    /// <summary>Every peer that the server should have, by public key; confirmed or not. One statement, so one snapshot.</summary>
    public static async Task<IReadOnlyDictionary<string, WantedPeer>> WantedAsync(NpgsqlDataSource database, MasterKey master, Guid serverId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.public_key, p.allowed_ips, p.preshared_key, p.user_id, k.wrapped
            from {Database.Schema}.peers p left join {Database.Schema}.data_keys k on k.user_id = p.user_id
            where p.server_id = $1 and p.wanted and not p.suspended
            """);
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var wanted = new Dictionary<string, WantedPeer>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
        {
            // A peer whose user's key was erased cannot be opened and is not wanted: erasure revokes.
            if (ReadPeer(reader, master, 1, reader.GetString(0)) is { } peer) wanted[peer.PublicKey] = peer;
        }

        return wanted;
    }

    /// <summary>Every peer that the server should have, by what it should look like. One statement, so one snapshot.</summary>
    public static async Task<Dictionary<PeerKey, ExpectedPeer>> ExpectedAsync(NpgsqlDataSource database, Guid serverId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.public_key, case when p.confirmed = p.revision then p.fingerprint end, coalesce(extract(epoch from p.last_handshake)::bigint, 0)
            from {Database.Schema}.peers p join {Database.Schema}.data_keys k on k.user_id = p.user_id
            where p.server_id = $1 and p.wanted and not p.suspended
            """);
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var expected = new Dictionary<PeerKey, ExpectedPeer>();
        while (await reader.ReadAsync(cancellation))
        {
            expected[PeerKey.Parse(reader.GetString(0))] = new ExpectedPeer(reader.IsDBNull(1) ? 0 : reader.GetInt64(1), reader.GetInt64(2));
        }

        return expected;
    }

    /// <summary>Notes when peers were last heard of: by the hour, which is all that idle leases need, so that a pass writes little.</summary>
    public static async Task NoteHandshakesAsync(NpgsqlDataSource database, Guid serverId, IReadOnlyCollection<(PeerKey Key, long LastHandshake)> handshakes, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            update {Database.Schema}.peers p set last_handshake = to_timestamp(h.at) from unnest($2::text[], $3::bigint[]) as h (public_key, at)
            where p.server_id = $1 and p.public_key = h.public_key
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = handshakes.Select(h => h.Key.ToString()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = handshakes.Select(h => h.LastHandshake).ToArray() });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>The rows of these keys as they now stand, by key; those that have none are not there.</summary>
    public static async Task<IReadOnlyDictionary<string, PeerRow>> RowsAsync(NpgsqlDataSource database, MasterKey master, Guid serverId, IReadOnlyCollection<string> keys, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select p.public_key, p.device_id, p.tenant_id, p.revision, p.confirmed = p.revision, p.wanted and not p.suspended, p.allowed_ips, p.preshared_key, p.user_id, k.wrapped
            from {Database.Schema}.peers p left join {Database.Schema}.data_keys k on k.user_id = p.user_id
            where p.server_id = $1 and p.public_key = any($2)
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = keys.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var rows = new Dictionary<string, PeerRow>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation))
        {
            rows[reader.GetString(0)] = new PeerRow(
                reader.GetString(0), reader.GetGuid(1), reader.GetString(2), reader.GetInt64(3), reader.GetBoolean(4), reader.GetBoolean(5) ? ReadPeer(reader, master, 6, reader.GetString(0)) : null);
        }

        return rows;
    }

    /// <summary>
    /// The server has these now. Of a row that changed meanwhile nothing is confirmed; the next batch takes it. The
    /// counters of removed peers are kept in the same transaction.
    /// </summary>
    /// <returns>Whose rows were confirmed as they stand: the keys that are there, and those that are gone.</returns>
    /// <exception cref="LeaseLostException">The link is another node's now, which will do it all again.</exception>
    public static async Task<(IReadOnlyList<string> There, IReadOnlyList<string> Gone)> ConfirmAsync(
        NpgsqlDataSource database, LinkLease lease, ServerIdentity server, IReadOnlyList<PendingPeer> batch, IReadOnlyList<LastCounters> counters, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            with owned as (select 1 from {Database.Schema}.server_links where server_id = $1 and epoch = $2 for share),
            done as (select * from unnest($3::text[], $4::bigint[], $5::bigint[]) as d (public_key, revision, fingerprint) where exists (select 1 from owned)),
            kept as (
              insert into {Database.Schema}.peer_last_counters (server_id, public_key, read_at, device_id, user_id, tenant_id, boot_id, incarnation, rx_bytes, tx_bytes, last_handshake)
              select p.server_id, p.public_key,
                -- A clock that was put back changes nothing about which removal of a key was the later one.
                greatest($6, (select max(l.read_at) + interval '1 microsecond' from {Database.Schema}.peer_last_counters l where l.server_id = p.server_id and l.public_key = p.public_key)),
                p.device_id, p.user_id, p.tenant_id, case when c.incarnation = '' then $7 else '' end, coalesce(nullif(c.incarnation, ''), $8), c.rx, c.tx, c.handshake
              from unnest($9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[]) as c (public_key, rx, tx, handshake, incarnation)
              join {Database.Schema}.peers p on p.server_id = $1 and p.public_key = c.public_key
              on conflict do nothing),
            gone as (
              delete from {Database.Schema}.peers p using done d
              where p.server_id = $1 and p.public_key = d.public_key and p.revision = d.revision and not p.wanted
              returning p.public_key),
            there as (
              update {Database.Schema}.peers p set confirmed = d.revision, confirmed_at = $6, fingerprint = d.fingerprint from done d
              where p.server_id = $1 and p.public_key = d.public_key and p.revision = d.revision and p.wanted
              returning p.public_key)
            select public_key, true from there union all select public_key, false from gone union all select null, exists (select 1 from owned)
            """);
        command.Parameters.Add(new() { Value = lease.ServerId });
        command.Parameters.Add(new() { Value = lease.Epoch });
        command.Parameters.Add(new() { Value = batch.Select(p => p.PublicKey).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = batch.Select(p => p.Revision).ToArray() });
        command.Parameters.Add(new() { Value = batch.Select(p => p.Peer is { } peer ? PeerFingerprint.Of(peer) : 0).ToArray() });
        command.Parameters.Add(new() { Value = now });
        command.Parameters.Add(new() { Value = server.BootId });
        command.Parameters.Add(new() { Value = server.Incarnation });
        command.Parameters.Add(new() { Value = counters.Select(c => c.PublicKey).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = counters.Select(c => c.RxBytes).ToArray() });
        command.Parameters.Add(new() { Value = counters.Select(c => c.TxBytes).ToArray() });
        command.Parameters.Add(new() { Value = counters.Select(c => c.LastHandshake).ToArray() });
        command.Parameters.Add(new() { Value = counters.Select(c => c.Incarnation ?? "").ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        List<string> there = [], gone = [];
        var owned = false;
        while (await reader.ReadAsync(cancellation))
        {
            if (reader.IsDBNull(0)) owned = reader.GetBoolean(1);
            else (reader.GetBoolean(1) ? there : gone).Add(reader.GetString(0));
        }

        if (!owned) throw new LeaseLostException();
        // A suspended tenant's row is wanted, and confirmed to be nowhere.
        var sent = batch.Where(p => p.Peer is not null).Select(p => p.PublicKey).ToHashSet(StringComparer.Ordinal);
        return ([.. there.Where(sent.Contains)], [.. gone, .. there.Where(k => !sent.Contains(k))]);
    }

    /// <summary>The servers that have rows of the tenant.</summary>
    public static async Task<IReadOnlyList<Guid>> ServersOfAsync(NpgsqlDataSource database, Guid tenantId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select distinct server_id from {Database.Schema}.peers where tenant_id = $1");
        command.Parameters.Add(new() { Value = tenantId.ToString() });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var servers = new List<Guid>();
        while (await reader.ReadAsync(cancellation)) servers.Add(reader.GetGuid(0));
        return servers;
    }

    /// <summary>Reads allowed_ips, preshared_key, user_id and wrapped, from column <paramref name="at"/> on.</summary>
    private static WantedPeer? ReadPeer(NpgsqlDataReader reader, MasterKey master, int at, string publicKey)
    {
        if (reader.IsDBNull(at + 3)) return null;
        var key = DataKey.Unwrap(master, reader.GetGuid(at + 2), (byte[])reader.GetValue(at + 3));
        return new WantedPeer(publicKey, key.Open(Device.PresharedKeyPurpose, new Sealed(reader.GetString(at + 1))), reader.GetString(at));
    }
}
