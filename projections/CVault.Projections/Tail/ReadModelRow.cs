using Npgsql;

namespace CVault.Projections;

/// <summary>How a read model stands: its row in <c>read_models</c>.</summary>
/// <param name="Position">The sequence number of the last event that is in it.</param>
/// <param name="State"><c>running</c> or <c>stopped</c>.</param>
/// <param name="Error">Why it stopped, or why its last rebuild did; else null.</param>
/// <param name="NextPosition">How far its rebuild is; null while there is none.</param>
public sealed record ReadModelRow(string Name, long Position, string State, string? Error, long? NextPosition)
{
    public const string Running = "running", Stopped = "stopped";
    internal const string Models = $"{Database.Schema}.read_models", DeadLetters = $"{Database.Schema}.read_model_dead_letters";

    internal const string CreateSql = $"""
        create table if not exists {Models} (
          name text primary key, position bigint not null default 0, state text not null default '{Running}', error text, next_position bigint,
          updated_at timestamptz not null default clock_timestamp(), shape text) with (fillfactor = 50);
        alter table {Models} add column if not exists shape text;
        create table if not exists {DeadLetters} (
          model text not null, seq_id bigint not null, event_type text not null, error text not null, at timestamptz not null default clock_timestamp(), primary key (model, seq_id));
        """;

    /// <summary>The row, or null before the model's tables are made.</summary>
    public static async Task<ReadModelRow?> LoadAsync(NpgsqlDataSource database, string name, CancellationToken cancellation) =>
        (await ListAsync(database, cancellation)).FirstOrDefault(m => m.Name == name)?.Row;

    /// <summary>All models, how many events (at most) each is behind, and how many it has set aside.</summary>
    public static async Task<IReadOnlyList<Standing>> ListAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select name, position, state, error, next_position,
              greatest(0, coalesce((select seq_id from {Database.Schema}.mt_events order by seq_id desc limit 1), 0) - position), (select count(*) from {DeadLetters} d where d.model = m.name)
            from {Models} m order by name
            """);
        command.CommandTimeout = 2;
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var all = new List<Standing>();
        while (await reader.ReadAsync(cancellation))
        {
            all.Add(new Standing(
                new ReadModelRow(reader.GetString(0), reader.GetInt64(1), reader.GetString(2), reader.IsDBNull(3) ? null : reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetInt64(4)),
                reader.GetInt64(5), reader.GetInt64(6)));
        }

        return all;
    }

    internal static async Task<int> ExecuteAsync(NpgsqlDataSource database, string sql, CancellationToken cancellation, params object[] values)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <param name="LagEvents">Sequence numbers between the model and the last event; those of transactions that rolled back count too.</param>
    public sealed record Standing(ReadModelRow Row, long LagEvents, long DeadLetters)
    {
        public string Name => Row.Name;
    }
}
