using CVault.Peers;
using Marten;
using Npgsql;
using NpgsqlTypes;
using Weasel.Postgresql.Tables;

namespace CVault.Metering;

/// <summary>A peer's meter, as a sweep needs it of every peer.</summary>
/// <param name="HeardAt">When the newest handshake was, by our clock; null before the first.</param>
/// <param name="SessionLive">Whether the device has an open session here.</param>
/// <param name="Absorbs">The session ended by a word to the API: whatever handshake is read next is older than that.</param>
public readonly record struct MeterRow(MeterPosition Position, DateTimeOffset? HeardAt, bool SessionLive, bool Absorbs);

/// <summary>Whose a peer is, read only for those of which there is something to write.</summary>
/// <param name="Wanted">Whether it should be there.</param>
/// <param name="Settled">Whether its server has confirmed what should be: no removal or adding is on its way there.</param>
/// <param name="SessionId">The device's last session here, open or over; null before the first.</param>
/// <param name="LiveElsewhere">Whether the device has an open session on any server.</param>
public sealed record MeterOwner(string TenantId, Guid UserId, Guid DeviceId, string Address, bool Wanted, bool Settled, Guid? SessionId, long SessionNumber, bool SessionLive, bool LiveElsewhere);

/// <summary>What a sweep writes of one peer.</summary>
/// <param name="HeardAt">When its newest handshake was; null for no newer one than is known.</param>
/// <param name="Absorbs">The handshake that was read is older than the word that ended the session.</param>
/// <param name="Owner">With the session that the bytes are of.</param>
/// <param name="BegunAt">When that session began, if this reading begins it; else null.</param>
public sealed record MeterChange(PeerKey Key, MeterPosition Position, DateTimeOffset? HeardAt, bool Absorbs, MeterOwner Owner, long RxBytes, long TxBytes, DateTimeOffset? BegunAt);

/// <summary>The last counters of a removed peer, as the removal's transaction kept them.</summary>
public sealed record FinalCounters(PeerKey Key, DateTimeOffset ReadAt, Counters Last, string TenantId, Guid UserId, Guid DeviceId);

/// <summary>
/// How far every peer is counted, and what its device's session there has moved: one row a peer and server. It is written
/// in the transaction of the readings that move it, so that a crash loses and doubles nothing.
/// </summary>
public static class PeerMeters
{
    private const string Meters = $"{Database.Schema}.peer_meters", Reads = $"{Database.Schema}.server_meters";

    public static Table Schema()
    {
        var table = new Table(Database.Named("peer_meters"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("public_key", "text").AsPrimaryKey();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn<Guid>("user_id").NotNull();
        table.AddColumn<Guid>("device_id").NotNull();
        table.AddColumn("incarnation", "text").NotNull();
        table.AddColumn("generation", "integer").NotNull();
        table.AddColumn("state", "smallint").NotNull();
        table.AddColumn("rx_bytes", "bigint").NotNull();
        table.AddColumn("tx_bytes", "bigint").NotNull();
        table.AddColumn("handshake", "bigint").NotNull();
        table.AddColumn("heard_at", "timestamptz");
        table.AddColumn("absorbs", "boolean").NotNull().DefaultValueByExpression("false");
        table.AddColumn<Guid>("session_id").AllowNulls().AddIndex();
        table.AddColumn("session_number", "bigint").NotNull().DefaultValue(0);
        table.AddColumn("session_live", "boolean").NotNull().DefaultValueByExpression("false");
        table.AddColumn("session_at", "timestamptz");
        table.AddColumn("session_rx_bytes", "bigint").NotNull().DefaultValue(0);
        table.AddColumn("session_tx_bytes", "bigint").NotNull().DefaultValue(0);
        return table;
    }

    /// <summary>When each server was last read, and which interface that was.</summary>
    public static Table ServersSchema()
    {
        var table = new Table(Database.Named("server_meters"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("boot_id", "text").NotNull();
        table.AddColumn("incarnation", "text").NotNull();
        table.AddColumn("read_at", "timestamptz").NotNull();
        return table;
    }

    /// <summary>
    /// Half of a page stays free, so that a row's next version finds its place beside it and no index learns of it: a
    /// sweep then grows nothing but the events that it appends.
    /// </summary>
    public const string FillSql = $"alter table {Meters} set (fillfactor = 50)";

    /// <summary>
    /// Holds the server's meters for this transaction, and says when and as what it was last read. One sweep of a server at a
    /// time, whichever node makes it.
    /// </summary>
    /// <param name="epoch">Of the link that read it; null where the server has no link any more.</param>
    /// <exception cref="LeaseLostException">The link is another node's now, which reads on from where this transaction began.</exception>
    public static async Task<(string BootId, string Incarnation, DateTimeOffset? ReadAt)> HoldAsync(IDocumentSession session, Guid serverId, long? epoch, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var hold = new NpgsqlCommand($"insert into {Reads} as m values ($1, '', '', '-infinity') on conflict (server_id) do update set boot_id = m.boot_id");
        hold.Parameters.Add(new() { Value = serverId });
        await session.ExecuteAsync(hold, cancellation);
        // A statement of its own: the one before may have waited, and would still see the epoch of when it began to.
        await using var command = new NpgsqlCommand($"""
            select boot_id, incarnation, nullif(read_at, '-infinity'), $2::bigint is null or exists (select 1 from {Database.Schema}.server_links where server_id = $1 and epoch = $2)
            from {Reads} where server_id = $1
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = (object?)epoch ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Bigint });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        await reader.ReadAsync(cancellation);
        if (!reader.GetBoolean(3)) throw new LeaseLostException();
        return (reader.GetString(0), reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetFieldValue<DateTimeOffset>(2));
    }

    /// <summary>Every meter of the server.</summary>
    public static async Task<Dictionary<PeerKey, MeterRow>> LoadAsync(IDocumentSession session, Guid serverId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select public_key, incarnation, generation, state, rx_bytes, tx_bytes, handshake, heard_at, session_live, absorbs from {Meters} where server_id = $1");
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var meters = new Dictionary<PeerKey, MeterRow>();
        var incarnation = "";
        while (await reader.ReadAsync(cancellation))
        {
            // Nearly all have the same: one string for them.
            if (reader.GetString(1) is var read && read != incarnation) incarnation = read;
            meters[PeerKey.Parse(reader.GetString(0))] = new MeterRow(
                new MeterPosition(incarnation, reader.GetInt32(2), (MeterState)reader.GetInt16(3), reader.GetInt64(4), reader.GetInt64(5), reader.GetInt64(6)),
                reader.IsDBNull(7) ? null : reader.GetFieldValue<DateTimeOffset>(7),
                reader.GetBoolean(8), reader.GetBoolean(9));
        }

        return meters;
    }

    /// <summary>Whose these peers are. A peer that has a row goes by it; one whose row is gone, by its meter.</summary>
    public static async Task<Dictionary<PeerKey, MeterOwner>> OwnersAsync(IDocumentSession session, Guid serverId, IReadOnlyCollection<PeerKey> keys, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select k, coalesce(p.tenant_id, m.tenant_id), coalesce(p.user_id, m.user_id), coalesce(p.device_id, m.device_id), coalesce(split_part(p.allowed_ips, '/', 1), ''),
              coalesce(p.wanted and not p.suspended and not p.leaving, false), coalesce(p.confirmed = p.revision, true), case when m.device_id = coalesce(p.device_id, m.device_id) then m.session_id end, m.session_number, m.session_live,
              exists (select 1 from {Database.Schema}.mt_doc_session s where s.tenant_id = coalesce(p.tenant_id, m.tenant_id) and s.live_device = coalesce(p.device_id, m.device_id))
            from unnest($2::text[]) k
            left join {Database.Schema}.peers p on p.server_id = $1 and p.public_key = k
            left join {Meters} m on m.server_id = $1 and m.public_key = k
            where p.public_key is not null or m.public_key is not null
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(Texts(keys.Select(k => k.ToString())));
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var owners = new Dictionary<PeerKey, MeterOwner>();
        while (await reader.ReadAsync(cancellation))
        {
            var last = reader.IsDBNull(7) ? (Guid?)null : reader.GetGuid(7);
            owners[PeerKey.Parse(reader.GetString(0))] = new MeterOwner(
                reader.GetString(1), reader.GetGuid(2), reader.GetGuid(3), reader.GetString(4), reader.GetBoolean(5), reader.GetBoolean(6),
                last, last is null ? 0 : reader.GetInt64(8), last is not null && reader.GetBoolean(9), reader.GetBoolean(10));
        }

        return owners;
    }

    /// <summary>What removals have left to count, in the order in which they were made.</summary>
    public static async Task<IReadOnlyList<FinalCounters>> FinalsAsync(IDocumentSession session, Guid serverId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select public_key, read_at, incarnation, rx_bytes, tx_bytes, last_handshake, tenant_id, user_id, device_id
            from {Database.Schema}.peer_last_counters where server_id = $1 and settled_at is null order by read_at
            """);
        command.Parameters.Add(new() { Value = serverId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var finals = new List<FinalCounters>();
        while (await reader.ReadAsync(cancellation))
        {
            finals.Add(new FinalCounters(
                PeerKey.Parse(reader.GetString(0)), reader.GetFieldValue<DateTimeOffset>(1),
                new Counters(reader.GetString(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5)), reader.GetString(6), reader.GetGuid(7), reader.GetGuid(8)));
        }

        return finals;
    }

    /// <summary>Writes where the meters stand now, and what their sessions moved, with the session's commit.</summary>
    public static void Write(IDocumentSession session, Guid serverId, IReadOnlyList<MeterChange> changes)
    {
        if (changes.Count == 0) return;
        T[] Column<T>(Func<MeterChange, T> of) => [.. changes.Select(of)];
        // A session that a connect has begun meanwhile stays, and these bytes are not its.
        const string replaced = "(excluded.session_at is not null or excluded.device_id <> m.device_id)";
        session.QueueSqlCommand($"""
            insert into {Meters} as m (server_id, public_key, tenant_id, user_id, device_id, incarnation, generation, state, rx_bytes, tx_bytes, handshake, heard_at, absorbs,
              session_id, session_number, session_live, session_at, session_rx_bytes, session_tx_bytes)
            select ?, * from unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            on conflict (server_id, public_key) do update set
              tenant_id = excluded.tenant_id, user_id = excluded.user_id, device_id = excluded.device_id, incarnation = excluded.incarnation, generation = excluded.generation,
              state = excluded.state, rx_bytes = excluded.rx_bytes, tx_bytes = excluded.tx_bytes, handshake = excluded.handshake, heard_at = coalesce(excluded.heard_at, m.heard_at),
              absorbs = m.absorbs and not excluded.absorbs,
              session_id = case when {replaced} then excluded.session_id else m.session_id end,
              session_number = case when {replaced} then excluded.session_number else m.session_number end,
              session_live = case when {replaced} then excluded.session_live else m.session_live end,
              session_at = case when {replaced} then excluded.session_at else m.session_at end,
              session_rx_bytes = case when {replaced} then excluded.session_rx_bytes when excluded.session_number = m.session_number then m.session_rx_bytes + excluded.session_rx_bytes else m.session_rx_bytes end,
              session_tx_bytes = case when {replaced} then excluded.session_tx_bytes when excluded.session_number = m.session_number then m.session_tx_bytes + excluded.session_tx_bytes else m.session_tx_bytes end
            """,
            serverId, Column(c => c.Key.ToString()), Column(c => c.Owner.TenantId), Column(c => c.Owner.UserId), Column(c => c.Owner.DeviceId),
            Column(c => c.Position.Incarnation), Column(c => c.Position.Generation), Column(c => (short)c.Position.State), Column(c => c.Position.RxBytes), Column(c => c.Position.TxBytes),
            Column(c => c.Position.Handshake), Column(c => c.HeardAt), Column(c => c.Absorbs),
            Column(c => c.Owner.SessionId), Column(c => c.Owner.SessionNumber), Column(c => c.Owner.SessionLive), Column(c => c.BegunAt), Column(c => c.RxBytes), Column(c => c.TxBytes));
    }

    /// <summary>Of removals that are counted nothing is left to count.</summary>
    public static void Settle(IDocumentSession session, Guid serverId, IReadOnlyList<FinalCounters> finals, DateTimeOffset now)
    {
        if (finals.Count == 0) return;
        session.QueueSqlCommand($"""
            update {Database.Schema}.peer_last_counters l set settled_at = ? from unnest(?, ?) as f (public_key, read_at)
            where l.server_id = ? and l.public_key = f.public_key and l.read_at = f.read_at
            """, now, finals.Select(f => f.Key.ToString()).ToArray(), finals.Select(f => f.ReadAt).ToArray(), serverId);
    }

    /// <summary>The server has been read.</summary>
    public static void NoteRead(IDocumentSession session, Guid serverId, string bootId, string incarnation, DateTimeOffset at) =>
        session.QueueSqlCommand($"update {Reads} set boot_id = ?, incarnation = ?, read_at = ? where server_id = ?", bootId, incarnation, at, serverId);

    /// <summary>
    /// Forgets the counters of removals that no server would answer again, and the meters of peers that are long gone: a
    /// server remembers a removed peer for a day or somewhat longer.
    /// </summary>
    public static async Task SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var batch = database.CreateBatch();
        var old = now.AddDays(-30);
        foreach (var sql in new[]
        {
            $"delete from {Database.Schema}.peer_last_counters where settled_at < $1",
            $"delete from {Meters} m where state <> {(int)MeterState.Open} and not session_live and coalesce(heard_at, session_at, '-infinity') < $1 and not exists (select 1 from {Database.Schema}.peers p where p.server_id = m.server_id and p.public_key = m.public_key) and not exists (select 1 from {Database.Schema}.peer_last_counters l where l.server_id = m.server_id and l.public_key = m.public_key)",
        })
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(sql) { Parameters = { new() { Value = old } } });
        }

        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private static NpgsqlParameter Texts(IEnumerable<string> texts) => new() { Value = texts.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
}
