using CVault.Mail;
using CVault.Security;
using Npgsql;

namespace CVault;

/// <summary>A column of values that the master key wrapped.</summary>
/// <param name="Table">Its table.</param>
/// <param name="Key">The table's primary key: one column.</param>
/// <param name="Column">The wrapped value; null where a row has none.</param>
/// <param name="Subject">What a value was wrapped for, by its row's key.</param>
/// <param name="NamesKey">Whether the row has the key's id in <c>master_key_id</c>, too.</param>
public sealed record WrappedColumn(string Table, string Key, string Column, Func<object, string> Subject, bool NamesKey = false);

/// <summary>
/// Wraps anew, by the current master key, whatever another one wrapped: in batches, a transaction each, while nodes that
/// have both keys serve. Interrupted, it has done what it has done; run again, it does the rest. It ends when nothing is left.
/// </summary>
public static class MasterKeyRotation
{
    private const int BatchSize = 500;

    /// <summary>Everything that the master key wraps. The platform's key first: from then on a process with the old key alone refuses to start.</summary>
    public static readonly WrappedColumn[] Columns =
    [
        new("platform_keys", "name", "wrapped", key => LookupKey.Subject((string)key), NamesKey: true),
        new("signing_keys", "kid", "wrapped", key => SigningKeys.Subject((string)key), NamesKey: true),
        new("data_keys", "user_id", "wrapped", key => DataKey.Subject((Guid)key), NamesKey: true),
        new("mails", "id", "payload", key => Mails.Subject((Guid)key)),
        new("one_time_tokens", "hash", "payload", key => OneTimeTokens.Wrapped((string)key)),
        new("idempotency_keys", "claim", "body", key => Idempotency.Subject((byte[])key)),
    ];

    /// <returns>How many values were wrapped anew.</returns>
    public static async Task<int> RunAsync(NpgsqlDataSource database, MasterKey master, Action<string> tell, CancellationToken cancellation)
    {
        var done = 0;
        while (true)
        {
            foreach (var column in Columns) done += await RunAsync(database, master, column, tell, cancellation);
            if (await LeftAsync(database, master, cancellation) == 0) return done;
            // What others had locked was passed over; they are quick.
            await Task.Delay(100, cancellation);
        }
    }

    /// <summary>How many values another key than the current one wrapped.</summary>
    public static async Task<long> LeftAsync(NpgsqlDataSource database, MasterKey master, CancellationToken cancellation)
    {
        var left = 0L;
        foreach (var column in Columns)
        {
            await using var count = database.CreateCommand($"select count(*) from {Database.Schema}.{column.Table} where {Other(column)}");
            count.Parameters.Add(new() { Value = master.Header });
            left += (long)(await count.ExecuteScalarAsync(cancellation))!;
        }

        return left;
    }

    /// <summary>The id of a key that the database needs and that is not here; null when all are. Only what rows say of themselves is looked at.</summary>
    public static async Task<string?> MissingAsync(NpgsqlDataSource database, MasterKey master, CancellationToken cancellation)
    {
        foreach (var column in Columns.Where(c => c.NamesKey))
        {
            await using var other = database.CreateCommand($"select master_key_id from {Database.Schema}.{column.Table} where master_key_id <> all($1) limit 1");
            other.Parameters.Add(new() { Value = master.Ids.ToArray() });
            if (await other.ExecuteScalarAsync(cancellation) is string id) return id;
        }

        return null;
    }

    private static async Task<int> RunAsync(NpgsqlDataSource database, MasterKey master, WrappedColumn column, Action<string> tell, CancellationToken cancellation)
    {
        object? after = null;
        for (var done = 0; ;)
        {
            var (read, last) = await BatchAsync(database, master, column, after, cancellation);
            done += read;
            if (read > 0) tell($"{column.Table}.{column.Column}: {done} wrapped anew");
            if (read < BatchSize) return done;
            after = last;
        }
    }

    private static async Task<(int Read, object? Last)> BatchAsync(NpgsqlDataSource database, MasterKey master, WrappedColumn column, object? after, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var rows = new List<(object Key, byte[] Wrapped)>();
        await using (var select = new NpgsqlCommand($"""
            select {column.Key}, {column.Column} from {Database.Schema}.{column.Table}
            where {Other(column)}{(after is null ? "" : $" and {column.Key} > $2")} order by {column.Key} limit {BatchSize} for update skip locked
            """, connection))
        {
            select.Parameters.Add(new() { Value = master.Header });
            if (after is not null) select.Parameters.Add(new() { Value = after });
            await using var reader = await select.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation)) rows.Add((reader.GetValue(0), (byte[])reader.GetValue(1)));
        }

        if (rows.Count == 0) return (0, null);
        await using var batch = new NpgsqlBatch(connection);
        foreach (var (key, wrapped) in rows)
        {
            var anew = master.Wrap(master.Unwrap(wrapped, column.Subject(key)), column.Subject(key));
            var update = new NpgsqlBatchCommand($"update {Database.Schema}.{column.Table} set {column.Column} = $1{(column.NamesKey ? ", master_key_id = $3" : "")} where {column.Key} = $2")
            {
                Parameters = { new() { Value = anew }, new() { Value = key } },
            };
            if (column.NamesKey) update.Parameters.Add(new() { Value = master.Id });
            batch.BatchCommands.Add(update);
        }

        await batch.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
        return (rows.Count, rows[^1].Key);
    }

    /// <summary>Not wrapped by the current key, whose header is $1.</summary>
    private static string Other(WrappedColumn column) => $"{column.Column} is not null and substring({column.Column} from 1 for 7) <> $1";
}
