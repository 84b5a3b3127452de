using Marten;
using Npgsql;

namespace CVault.Projections;

/// <summary>
/// The events of all tenants in the order of their sequence numbers, none skipped and none twice. Numbers are given out
/// before their transactions end, in whatever order those end, and one that rolls back leaves a gap for ever: a reader must
/// know which gaps are still to be filled. This one asks PostgreSQL and no clock (ops/decisions/0019).
/// </summary>
/// <remarks>
/// <c>nextval</c> locks the sequence (RowExclusiveLock) until its transaction ends. Whoever could fill a gap below a number
/// that was seen has taken its own number before, so it is among those that hold the lock when the gap has been seen, or it
/// has ended. Once none of them holds it any more, what a reading that begins then does not show will never be there.
/// Not for two readers at once; each keeps its own.
/// </remarks>
public sealed class EventFeed(NpgsqlDataSource database, IDocumentStore store, IReadOnlyCollection<Type> types)
{
    private const string Sequence = $"{Database.Schema}.mt_events_sequence";

    private readonly Dictionary<string, Type> wanted = store.Options.Events.AllKnownEventTypes().Where(e => types.Contains(e.EventType)).ToDictionary(e => e.EventTypeName, e => e.EventType, StringComparer.Ordinal);

    /// <summary>Below this every gap is dead.</summary>
    private long settled;

    /// <summary>Up to where <see cref="suspects"/> are all that could fill a gap.</summary>
    private long horizon;

    /// <summary>The transactions that may fill a gap that was seen; null while none was.</summary>
    private HashSet<string>? suspects;

    /// <summary>The next events after a place. Never waits.</summary>
    /// <param name="until">The last that is wanted.</param>
    public async Task<FeedPage> ReadAsync(long after, int limit, CancellationToken cancellation, long until = long.MaxValue)
    {
        while (true)
        {
            var rows = await RowsAsync(after, until, limit, cancellation);
            var end = after;
            var whole = 0;
            while (whole < rows.Count && (rows[whole].Event.Sequence == end + 1 || rows[whole].Event.Sequence <= settled)) end = rows[whole++].Event.Sequence;
            if (whole == rows.Count) return Page(rows, rows.Count == limit, false);
            if (whole > 0) return Page(rows[..whole], true, false);

            // In this order: first the gap is seen, then who could fill it.
            var alive = await LockersAsync(cancellation);
            if (suspects is null || rows[0].Event.Sequence > horizon) (horizon, suspects) = (rows[^1].Event.Sequence, alive);
            else suspects.IntersectWith(alive);
            if (suspects.Count > 0) return new FeedPage([], after, false, true);
            (settled, suspects) = (horizon, null);
        }

        // What is behind a gap is read again; it is opened once.
        FeedPage Page(List<(StoredEvent Event, byte[]? Json)> read, bool more, bool waiting) =>
            new([.. read.Where(r => r.Json is not null).Select(r => Open(r.Event, r.Json!))], read.Count > 0 ? read[^1].Event.Sequence : after, more, waiting);
    }

    /// <summary>Says that up to there no gap is open, as one knows who has found a model there.</summary>
    public void Settle(long upTo) => settled = Math.Max(settled, upTo);

    private async Task<List<(StoredEvent Event, byte[]? Json)>> RowsAsync(long after, long until, int limit, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select seq_id, id, type, stream_id, tenant_id, timestamp, case when type = any($4) then data end
            from {Database.Schema}.mt_events where seq_id > $1 and seq_id <= $2 order by seq_id limit $3
            """);
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = until });
        command.Parameters.Add(new() { Value = limit });
        command.Parameters.Add(new() { Value = wanted.Keys.ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var rows = new List<(StoredEvent, byte[]?)>();
        while (await reader.ReadAsync(cancellation))
        {
            var row = new StoredEvent(reader.GetInt64(0), reader.GetGuid(1), reader.GetString(2), reader.GetGuid(3), reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(5), null);
            rows.Add((row, reader.IsDBNull(6) ? null : reader.GetFieldValue<byte[]>(6)));
        }

        return rows;
    }

    private StoredEvent Open(StoredEvent row, byte[] json)
    {
        try
        {
            using var stream = new MemoryStream(json, writable: false);
            return row with { Data = store.Options.Serializer().FromJson(wanted[row.Type], stream) ?? throw new FormatException("The event is empty.") };
        }
        catch (Exception e)
        {
            // Whatever it is: the event is there and cannot be read, and whoever wanted it must be told.
            return row with { Unreadable = e };
        }
    }

    private async Task<HashSet<string>> LockersAsync(CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select distinct virtualtransaction from pg_locks
            where locktype = 'relation' and relation = '{Sequence}'::regclass and database = (select oid from pg_database where datname = current_database())
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var lockers = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation)) lockers.Add(reader.GetString(0));
        return lockers;
    }
}
