using Marten;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections;

/// <summary>
/// A read model made anew beside the live one, from the first event, and swapped for it in one transaction: requests read
/// the one or the other, always whole. How far it is stands in the model's row, so a process that starts goes on with it.
/// </summary>
internal static class Rebuild
{
    /// <summary>A request that reads holds up the swap; the swap then gives way, rather than hold up all who come after.</summary>
    private static readonly TimeSpan GiveWay = TimeSpan.FromMilliseconds(300), Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Makes the tables to fill and says so in the row; whichever node leads does the rest.</summary>
    /// <returns>False: it is being rebuilt already.</returns>
    public static async Task<bool> OrderAsync(NpgsqlDataSource database, ReadModel model, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var order = new NpgsqlCommand($"update {ReadModelRow.Models} set next_position = 0, error = null where name = $1 and next_position is null", connection, transaction);
        order.Parameters.Add(new() { Value = model.Name });
        if (await order.ExecuteNonQueryAsync(cancellation) != 1) return false;
        await using var make = new NpgsqlCommand($"{ReadModelTables.Lock} {Drop(model, TableNames.Next)} {model.CreateSql(TableNames.Next)} {Security.TenantWall.Sql}", connection, transaction);
        await make.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
        return true;
    }

    /// <summary>Fills and swaps.</summary>
    public static async Task RunAsync(NpgsqlDataSource database, IDocumentStore store, ReadModel model, long from, ILogger logger, CancellationToken stopping)
    {
        var applier = new Applier(database, model, TableNames.Next, logger) { Position = from };
        var feed = new EventFeed(database, store, model.Events);
        try
        {
            for (var seen = from; ;)
            {
                var page = await feed.ReadAsync(seen, Follower.BatchSize, stopping);
                seen = page.End;
                if (page.Events.Count > 0) await applier.ApplyAsync(page.Events, page.End, stopping);
                if (page.More) continue;
                if (applier.Position < seen) await applier.MoveAsync(seen, stopping);
                if (await SwapAsync(database, store, model, seen, stopping)) break;
                await Task.Delay(Pause, stopping);
            }

            logger.LogInformation("Read model {Model} is rebuilt and swapped in", model.Name);
        }
        catch (PoisonException e)
        {
            logger.LogError("ALARM the rebuild of read model {Model} ends at {Event}. The live one stays", model.Name, e.Message);
            await GiveUpAsync(database, model, $"rebuild: {e.Message}", stopping);
        }
    }

    /// <summary>The order and its tables go together: the next order makes tables of these names.</summary>
    private static async Task GiveUpAsync(NpgsqlDataSource database, ReadModel model, string why, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(new($"update {ReadModelRow.Models} set next_position = null, error = $2 where name = $1")
        {
            Parameters = { new NpgsqlParameter { Value = model.Name }, new NpgsqlParameter { Value = why } },
        });
        batch.BatchCommands.Add(new(Drop(model, TableNames.Next)));
        await batch.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
    }

    /// <returns>False: requests hold the live tables; to be tried again.</returns>
    private static async Task<bool> SwapAsync(NpgsqlDataSource database, IDocumentStore store, ReadModel model, long built, CancellationToken cancellation)
    {
        try
        {
            await using var connection = await database.OpenConnectionAsync(cancellation);
            await using var transaction = await connection.BeginTransactionAsync(cancellation);
            await using (var patience = new NpgsqlCommand($"set local lock_timeout = {GiveWay.TotalMilliseconds:0}", connection, transaction)) await patience.ExecuteNonQueryAsync(cancellation);
            // From here on the live model stands still.
            await using var hold = new NpgsqlCommand($"select position from {ReadModelRow.Models} where name = $1 and next_position = $2 for update", connection, transaction);
            hold.Parameters.Add(new() { Value = model.Name });
            hold.Parameters.Add(new() { Value = built });
            if (await hold.ExecuteScalarAsync(cancellation) is not long live) throw new MovedException();
            var feed = new EventFeed(database, store, model.Events);
            feed.Settle(live);
            while (built < live)
            {
                var page = await feed.ReadAsync(built, Follower.BatchSize, cancellation, until: live);
                if (page.Events.Any(e => e.Unreadable is not null)) return false;
                if (page.Events.Count > 0) await model.ApplyAsync(connection, TableNames.Next, page.Events, cancellation);
                built = page.More ? page.End : live;
            }

            await using var swap = new NpgsqlBatch(connection, transaction);
            swap.BatchCommands.Add(new($"lock table {string.Join(", ", model.Tables.Select(t => TableNames.Live[t]))} in access exclusive mode"));
            foreach (var table in model.Tables)
            {
                swap.BatchCommands.Add(new($"drop table {TableNames.Live[table]}"));
                swap.BatchCommands.Add(new($"alter table {TableNames.Next[table]} rename to {table}"));
            }

            // What was set aside before is either in the model now or was set aside again.
            foreach (var sql in new[]
            {
                $"delete from {ReadModelRow.DeadLetters} where model = $1",
                $"update {ReadModelRow.DeadLetters} set model = $1 where model = $1 || '{TableNames.Next.Suffix}'",
                $"update {ReadModelRow.Models} set position = greatest(position, next_position), next_position = null, state = '{ReadModelRow.Running}', error = null where name = $1",
            })
            {
                var command = new NpgsqlBatchCommand(sql);
                command.Parameters.Add(new NpgsqlParameter { Value = model.Name });
                swap.BatchCommands.Add(command);
            }

            await swap.ExecuteNonQueryAsync(cancellation);
            await transaction.CommitAsync(cancellation);
            return true;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            return false;
        }
    }

    internal static string Drop(ReadModel model, TableNames tables) => $"drop table if exists {string.Join(", ", model.Tables.Select(t => tables[t]))};";
}
