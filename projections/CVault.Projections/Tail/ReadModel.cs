using Npgsql;

namespace CVault.Projections;

/// <summary>A view that is made of events some milliseconds after they are committed, for reading alone: no decision is made on it.</summary>
public abstract class ReadModel
{
    /// <summary>How operators and <c>/health</c> call it.</summary>
    public abstract string Name { get; }

    /// <summary>The events that it is made of.</summary>
    public abstract IReadOnlyCollection<Type> Events { get; }

    /// <summary>
    /// What to do about an event that cannot be applied. True: stop there and alarm, since a sum that lacks something is worse
    /// than one that is late. False: set that event aside as a dead letter and go on.
    /// </summary>
    public abstract bool IsMoney { get; }

    /// <summary>Its tables, without the schema.</summary>
    public abstract IReadOnlyList<string> Tables { get; }

    /// <summary>What makes its tables. Indexes and constraints go unnamed, since there are two sets of tables during a rebuild.</summary>
    public abstract string CreateSql(TableNames tables);

    /// <summary>
    /// Adds events, in their order, by a few statements over all of them. In a transaction of the caller's, which also moves
    /// the model's position: whatever happens, each event is applied once.
    /// </summary>
    public abstract Task ApplyAsync(NpgsqlConnection connection, TableNames tables, IReadOnlyList<StoredEvent> events, CancellationToken cancellation);

    /// <summary>A command for the model's statements, which may take longer than a request's.</summary>
    protected static NpgsqlBatch Statements(NpgsqlConnection connection) => new(connection) { Timeout = 120 };

    /// <summary>Adds a statement with its values.</summary>
    protected static void Add(NpgsqlBatch batch, string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        batch.BatchCommands.Add(command);
    }
}

/// <summary>Which set of a model's tables is meant: the one that requests read, or the one that a rebuild fills.</summary>
/// <param name="Suffix">Empty for the live ones.</param>
public sealed record TableNames(string Suffix)
{
    public static readonly TableNames Live = new(""), Next = new("_next");

    /// <summary>The table's whole name.</summary>
    public string this[string table] => $"{Database.Schema}.{table}{Suffix}";
}
