using System.Diagnostics;
using Marten;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections;

/// <summary>Keeps one read model up with the events, on the node that leads.</summary>
internal sealed class Follower(NpgsqlDataSource database, IDocumentStore store, ReadModel model, ILogger logger)
{
    /// <summary>Events of one transaction: enough that a batch costs little more than one event, few enough that it is soon seen.</summary>
    internal const int BatchSize = 1000;

    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1), Shortest = TimeSpan.FromMilliseconds(1), Longest = TimeSpan.FromMilliseconds(20), Pause = TimeSpan.FromMilliseconds(500);

    private readonly Applier applier = new(database, model, TableNames.Live, logger);

    private bool told;

    public ReadModel Model => model;

    /// <summary>Given when there may be something new.</summary>
    public Bell Wake { get; } = new();

    public async Task RunAsync(CancellationToken stopping)
    {
        var began = false;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                // A process that starts tries again what stopped the last one; perhaps it knows better.
                if (!began) await ResumeAsync(database, model.Name, stopping);
                began = true;
                await FollowAsync(stopping);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (MovedException)
            {
                // Its row says where it is.
            }
            catch (PoisonException e)
            {
                await StopAsync(e, stopping);
            }
            catch (Exception e)
            {
                if (!told) logger.LogWarning("Read model {Model} waits: {Reason}", model.Name, e.Message);
                told = true;
                await Task.Delay(Pause, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Lets a stopped model try again.</summary>
    /// <returns>False: it is none that is stopped.</returns>
    public static async Task<bool> ResumeAsync(NpgsqlDataSource database, string name, CancellationToken cancellation) =>
        await ReadModelRow.ExecuteAsync(database, $"update {ReadModelRow.Models} set state = '{ReadModelRow.Running}', error = null where name = $1 and state = '{ReadModelRow.Stopped}'", cancellation, name) == 1;

    private async Task FollowAsync(CancellationToken stopping)
    {
        var row = await ReadModelRow.LoadAsync(database, model.Name, stopping) ?? throw new InvalidOperationException($"There is no read model {model.Name} in the database.");
        if (row.State == ReadModelRow.Stopped)
        {
            await Wake.WaitAsync(Glance, stopping);
            return;
        }

        applier.Position = row.Position;
        var (feed, seen, patience, moved) = (new EventFeed(database, store, model.Events), row.Position, Shortest, Stopwatch.GetTimestamp());
        Task<FeedPage>? ahead = null;
        while (true)
        {
            var page = await (ahead ?? feed.ReadAsync(seen, BatchSize, stopping));
            // While a large batch is written the next one is read.
            ahead = page is { More: true, Events.Count: > BatchSize / 2 } ? feed.ReadAsync(page.End, BatchSize, stopping) : null;
            if (page.End > seen) patience = Shortest;
            (seen, told) = (page.End, false);
            if (page.Events.Count > 0) await applier.ApplyAsync(page.Events, page.End, stopping);
            // Over events that are none of the model's it is enough to note now and then how far it is.
            else if (applier.Position < seen && Stopwatch.GetElapsedTime(moved) >= Glance)
            {
                await applier.MoveAsync(seen, stopping);
                moved = Stopwatch.GetTimestamp();
            }

            if (page.More) continue;
            if (page.Waiting)
            {
                // Its end wakes us if it commits here. If it rolls back nobody says so.
                await Wake.WaitAsync(patience, stopping);
                patience = patience < Longest ? patience * 2 : Longest;
                continue;
            }

            await Wake.WaitAsync(Glance, stopping);
        }
    }

    private async Task StopAsync(PoisonException poison, CancellationToken stopping)
    {
        logger.LogError("ALARM read model {Model} stops at {Event}. Nothing after it is counted before somebody mends that and resumes it", model.Name, poison.Message);
        try
        {
            await ReadModelRow.ExecuteAsync(
                database, $"update {ReadModelRow.Models} set state = '{ReadModelRow.Stopped}', error = $2 where name = $1 and position = $3", stopping, model.Name, poison.Message, applier.Position);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            // It is found again with the next try.
        }
    }
}
