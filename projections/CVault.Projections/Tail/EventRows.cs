using Marten;
using Npgsql;

namespace CVault.Projections;

/// <summary>Reads rows of the events' table into events of some types.</summary>
public sealed class EventRows(IDocumentStore store, params Type[] types)
{
    /// <summary>What a query selects, in this order.</summary>
    public const string Columns = "seq_id, id, type, stream_id, tenant_id, timestamp, data";

    private readonly Dictionary<string, Type> known = store.Options.Events.AllKnownEventTypes().Where(e => types.Contains(e.EventType)).ToDictionary(e => e.EventTypeName, e => e.EventType, StringComparer.Ordinal);

    /// <summary>The types' names in the store.</summary>
    public string[] Names => [.. known.Keys];

    public StoredEvent Read(NpgsqlDataReader reader)
    {
        using var json = new MemoryStream(reader.GetFieldValue<byte[]>(6), writable: false);
        return new StoredEvent(
            reader.GetInt64(0), reader.GetGuid(1), reader.GetString(2), reader.GetGuid(3), reader.GetString(4), reader.GetFieldValue<DateTimeOffset>(5), store.Options.Serializer().FromJson(known[reader.GetString(2)], json));
    }
}
