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
        // The newest handshake that the link's full pass read; null: none yet. What is idle goes by it (ParkIdle).
        table.AddColumn("last_handshake", "timestamptz");
        // The device moved away from here and is not yet live where it went; wanted until then (FinishMoves).
        table.AddColumn("leaving", "boolean").NotNull().DefaultValueByExpression("false");
        table.Indexes.Add(new IndexDefinition("peers_one_an_address") { Columns = ["server_id", "allowed_ips"], IsUnique = true, Predicate = "(wanted = true)" });
        table.Indexes.Add(new IndexDefinition("peers_pending") { Columns = ["server_id", "revision"], Predicate = "(confirmed < revision)" });
        table.Indexes.Add(new IndexDefinition("peers_leaving") { Columns = ["server_id", "changed_at"], Predicate = "(leaving = true)" });
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

    /// <summary>The server has these now. Of a row that changed meanwhile nothing is confirmed; the next batch takes it.</summary>
    public static async Task ConfirmAsync(NpgsqlDataSource database, Guid serverId, IReadOnlyList<PendingPeer> batch, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            with done as (select unnest($2::text[]) as public_key, unnest($3::bigint[]) as revision),
            gone as (
              delete from {Database.Schema}.peers p using done d
              where p.server_id = $1 and p.public_key = d.public_key and p.revision = d.revision and not p.wanted)
            update {Database.Schema}.peers p set confirmed = d.revision, confirmed_at = $4 from done d
            where p.server_id = $1 and p.public_key = d.public_key and p.revision = d.revision and p.wanted
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = batch.Select(p => p.PublicKey).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = batch.Select(p => p.Revision).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { Value = now });
        await command.ExecuteNonQueryAsync(cancellation);
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
