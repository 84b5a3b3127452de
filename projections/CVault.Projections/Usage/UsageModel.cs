using CVault.Metering;
using CVault.Servers;
using CVault.Sessions;
using Npgsql;

namespace CVault.Projections.Usage;

/// <summary>
/// What was used, to the byte: each session with whose it was and where, and by UTC hour and by UTC day what it moved and how
/// long it lasted. A session is one user's, one device's and in one region, so a sum by any of them is a sum over sessions.
/// Bytes count whenever they come, after the session's end too; the seconds of a session count at its end, and those of an
/// open one when somebody asks (<see cref="UsageQueries"/>).
/// </summary>
public sealed class UsageModel : ReadModel
{
    public const string Sessions = "usage_sessions", Hours = "usage_hours", Days = "usage_days", Months = "usage_months", Servers = "usage_servers";

    /// <summary>The region of a session on a server that no event tells of.</summary>
    public const string NoRegion = "unknown";

    public override string Name => "usage";
    public override bool IsMoney => true;
    public override IReadOnlyCollection<Type> Events { get; } = [typeof(SessionStarted), typeof(SessionEnded), typeof(UsageMetered), typeof(ServerRegistered), typeof(ServerRegionChanged)];
    public override IReadOnlyList<string> Tables { get; } = [Sessions, Hours, Days, Months, Servers];

    /// <summary>
    /// <c>ended_at</c> is infinity for an open session. <c>number</c> is <see cref="SessionStarted.Number"/>, or, for sessions
    /// of before there were any, the event's own place, negative. Room is left in pages since most rows are updated again.
    /// <c>usage_months.changed</c> is the sequence number of the last event that changed anything in the month: who has summed
    /// the month up before knows by it that there is more.
    /// </summary>
    public override string CreateSql(TableNames tables) => $"""
        create table {tables[Servers]} (server_id uuid primary key, region text not null);
        create table {tables[Sessions]} (
          tenant_id uuid not null, number bigint not null, session_id uuid not null unique, user_id uuid not null, device_id uuid not null, server_id uuid not null, region text not null,
          started_at timestamptz not null, ended_at timestamptz not null default 'infinity', reason text, primary key (tenant_id, number));
        create index on {tables[Sessions]} (tenant_id, ended_at);
        create table {tables[Hours]} (
          tenant_id uuid not null, start timestamptz not null, number bigint not null, rx_bytes bigint not null, tx_bytes bigint not null, connected_seconds bigint not null,
          primary key (tenant_id, start, number)) with (fillfactor = 75);
        create table {tables[Days]} (
          tenant_id uuid not null, start timestamptz not null, number bigint not null, rx_bytes bigint not null, tx_bytes bigint not null, connected_seconds bigint not null,
          primary key (tenant_id, start, number)) with (fillfactor = 75);
        create table {tables[Months]} (tenant_id uuid not null, start timestamptz not null, changed bigint not null, primary key (tenant_id, start)) with (fillfactor = 50);
        """;

    public override async Task ApplyAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        var fold = new UsageFold(await RegionsAsync(connection, tables, events, cancellation), await SessionsAsync(connection, tables, events, cancellation));
        foreach (var e in events) fold.Add(e);

        await using var batch = Statements(connection);
        if (fold.Servers.Count > 0)
        {
            Add(batch, $"insert into {tables[Servers]} (server_id, region) select * from unnest($1::uuid[], $2::text[]) on conflict (server_id) do update set region = excluded.region",
                fold.Servers.Keys.ToArray(), fold.Servers.Values.ToArray());
        }

        if (fold.Started.Count > 0)
        {
            var started = fold.Started;
            Add(batch, $"""
                insert into {tables[Sessions]} (tenant_id, number, session_id, user_id, device_id, server_id, region, started_at)
                select * from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[])
                """,
                started.ConvertAll(s => s.Tenant), started.ConvertAll(s => s.Number), started.ConvertAll(s => s.Id), started.ConvertAll(s => s.User), started.ConvertAll(s => s.Device),
                started.ConvertAll(s => s.Server), started.ConvertAll(s => s.Region), started.ConvertAll(s => s.StartedAt));
        }

        if (fold.Ended.Count > 0)
        {
            Add(batch, $"update {tables[Sessions]} s set ended_at = e.ended_at, reason = e.reason from unnest($1::uuid[], $2::timestamptz[], $3::text[]) as e (session_id, ended_at, reason) where s.session_id = e.session_id",
                fold.Ended.ConvertAll(e => e.Session), fold.Ended.ConvertAll(e => e.At), fold.Ended.ConvertAll(e => e.Reason));
        }

        AddAmounts(batch, tables[Hours], fold.Hours);
        AddAmounts(batch, tables[Days], fold.Days);
        if (fold.Months.Count > 0)
        {
            var months = fold.Months.OrderBy(m => m.Key.Tenant).ThenBy(m => m.Key.Month).ToArray();
            Add(batch, $"insert into {tables[Months]} (tenant_id, start, changed) select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) on conflict (tenant_id, start) do update set changed = excluded.changed",
                Array.ConvertAll(months, m => m.Key.Tenant), Array.ConvertAll(months, m => m.Key.Month), Array.ConvertAll(months, m => m.Value));
        }

        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(cancellation);
    }

    private static void AddAmounts(NpgsqlBatch batch, string table, Dictionary<UsageKey, Amounts> amounts)
    {
        if (amounts.Count == 0) return;
        // In the order of the index, whose pages are then touched once.
        var rows = amounts.ToArray();
        Array.Sort(rows, static (a, b) => a.Key.CompareTo(b.Key));
        Add(batch, UpsertSql(table),
            Array.ConvertAll(rows, r => r.Key.Tenant), Array.ConvertAll(rows, r => r.Key.Start), Array.ConvertAll(rows, r => r.Key.Number),
            Array.ConvertAll(rows, r => r.Value.RxBytes), Array.ConvertAll(rows, r => r.Value.TxBytes), Array.ConvertAll(rows, r => r.Value.Seconds));
    }

    /// <summary>Adds amounts to the rows of a table by hour or by day.</summary>
    public static string UpsertSql(string table) => $"""
        insert into {table} as t (tenant_id, start, number, rx_bytes, tx_bytes, connected_seconds)
        select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        on conflict (tenant_id, start, number) do update
          set rx_bytes = t.rx_bytes + excluded.rx_bytes, tx_bytes = t.tx_bytes + excluded.tx_bytes, connected_seconds = t.connected_seconds + excluded.connected_seconds
        """;

    /// <summary>The regions of the servers on which sessions begin.</summary>
    private static async Task<Dictionary<Guid, string>> RegionsAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        var regions = new Dictionary<Guid, string>();
        var servers = events.Select(e => e.Data).OfType<SessionStarted>().Select(s => s.ServerId).Distinct().ToArray();
        if (servers.Length == 0) return regions;
        await using var command = new NpgsqlCommand($"select server_id, region from {tables[Servers]} where server_id = any($1)", connection);
        command.Parameters.Add(new() { Value = servers });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) regions[reader.GetGuid(0)] = reader.GetString(1);
        return regions;
    }

    /// <summary>The open sessions that end, of those that earlier batches began; and which have ended already.</summary>
    private static async Task<Dictionary<Guid, OpenSession?>> SessionsAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation)
    {
        var sessions = new Dictionary<Guid, OpenSession?>();
        var ids = events.Where(e => e.Data is SessionEnded).Select(e => e.StreamId).Distinct().ToArray();
        if (ids.Length == 0) return sessions;
        await using var command = new NpgsqlCommand($"select session_id, tenant_id, number, started_at, ended_at = 'infinity' from {tables[Sessions]} where session_id = any($1)", connection);
        command.Parameters.Add(new() { Value = ids });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            sessions[reader.GetGuid(0)] = reader.GetBoolean(4) ? new OpenSession(reader.GetGuid(1), reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3)) : null;
        }

        return sessions;
    }
}
