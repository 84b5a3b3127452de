using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections;

/// <summary>
/// Applies a model's events to one set of its tables, each batch in one transaction with the position. What cannot be
/// applied is narrowed down to the one event that is to blame.
/// </summary>
internal sealed class Applier(NpgsqlDataSource database, ReadModel model, TableNames tables, ILogger logger)
{
    private readonly string column = tables == TableNames.Live ? "position" : "next_position";

    /// <summary>A model that stopped may still be rebuilt: perhaps what stopped it has been mended.</summary>
    private readonly string guard = tables == TableNames.Live ? $" and state = '{ReadModelRow.Running}'" : "";

    /// <summary>As dead letters are named: a rebuild's become the model's with the swap.</summary>
    public string LetterName { get; } = model.Name + tables.Suffix;

    /// <summary>The position as the row has it, as far as is known here.</summary>
    public long Position { get; set; }

    /// <summary>Applies the events and moves the position to <paramref name="end"/>.</summary>
    /// <exception cref="MovedException">The position is not where it was: somebody else applies, too.</exception>
    /// <exception cref="PoisonException">An event of a model that money depends on cannot be applied. Those before it were.</exception>
    public async Task ApplyAsync(IReadOnlyList<StoredEvent> events, long end, CancellationToken cancellation)
    {
        try
        {
            if (events.FirstOrDefault(e => e.Unreadable is not null) is { Unreadable: { } unreadable }) throw new PoisonException(unreadable);
            await InTransactionAsync((connection, _) => model.ApplyAsync(connection, tables, events, cancellation), end, cancellation);
            Meters.Applied(model.Name, events.Count);
            return;
        }
        catch (Exception e) when (IsPoison(e))
        {
            if (events.Count == 1)
            {
                await SetAsideAsync(events[0], e is PoisonException ? e.InnerException! : e, end, cancellation);
                return;
            }
        }

        var half = events.Count / 2;
        await ApplyAsync([.. events.Take(half)], events[half - 1].Sequence, cancellation);
        await ApplyAsync([.. events.Skip(half)], end, cancellation);
    }

    /// <summary>Moves the position over events that are none of the model's.</summary>
    public Task MoveAsync(long end, CancellationToken cancellation) => InTransactionAsync(null, end, cancellation);

    private async Task SetAsideAsync(StoredEvent poison, Exception why, long end, CancellationToken cancellation)
    {
        // The messages of these exceptions name members and types; what an event holds is in none of them.
        var error = $"{why.GetType().Name}: {why.Message}";
        if (error.Length > 500) error = error[..500];
        if (model.IsMoney) throw new PoisonException(why, poison.Sequence, $"event {poison.Sequence} ({poison.Type}): {error}");
        await InTransactionAsync(
            async (connection, transaction) =>
            {
                await using var command = new NpgsqlCommand($"insert into {ReadModelRow.DeadLetters} (model, seq_id, event_type, error) values ($1, $2, $3, $4) on conflict do nothing", connection, transaction);
                foreach (var value in new object[] { LetterName, poison.Sequence, poison.Type, error }) command.Parameters.Add(new() { Value = value });
                await command.ExecuteNonQueryAsync(cancellation);
            },
            end, cancellation);
        logger.LogWarning("Read model {Model} sets event {Sequence} ({Type}) aside: {Reason}", model.Name, poison.Sequence, poison.Type, why.GetType().Name);
    }

    private async Task InTransactionAsync(Func<NpgsqlConnection, NpgsqlTransaction, Task>? apply, long end, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        // The row first: whoever else would apply, or swap the tables, waits here and then finds the position moved.
        await using (var move = new NpgsqlBatch(connection, transaction))
        {
            // What a crash takes with it is applied again: tables and position are of one transaction, so nobody waits for the disk.
            move.BatchCommands.Add(new NpgsqlBatchCommand("set local synchronous_commit = off"));
            var update = new NpgsqlBatchCommand($"update {ReadModelRow.Models} set {column} = $1, updated_at = clock_timestamp() where name = $2 and {column} = $3{guard}");
            foreach (var value in new object[] { end, model.Name, Position }) update.Parameters.Add(new NpgsqlParameter { Value = value });
            move.BatchCommands.Add(update);
            await move.ExecuteNonQueryAsync(cancellation);
            if (update.RecordsAffected != 1) throw new MovedException();
        }

        if (apply is not null) await apply(connection, transaction);
        await transaction.CommitAsync(cancellation);
        Position = end;
    }

    /// <summary>Whether it is the event's fault. A database that is away, full or in a deadlock is nobody's, and passes.</summary>
    private static bool IsPoison(Exception e) => e switch
    {
        MovedException or OperationCanceledException or TimeoutException or IOException or System.Net.Sockets.SocketException => false,
        PoisonException { Sequence: not null } => false, // Narrowed down already.
        PostgresException p => p.SqlState[..2] is "22" or "23",
        NpgsqlException => false,
        _ => true,
    };
}

/// <summary>The model is not where this process left it, or was stopped.</summary>
internal sealed class MovedException() : Exception("The read model's position is not where it was.");

/// <summary>An event that cannot be applied.</summary>
internal sealed class PoisonException(Exception why, long? sequence = null, string? message = null) : Exception(message ?? why.Message, why)
{
    /// <summary>Null while it is only known to be among several.</summary>
    public long? Sequence { get; } = sequence;
}
