using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections;

/// <summary>
/// Keeps the read models up with the events. Every node has one and one of them leads: it holds an advisory lock on a
/// connection of its own, which PostgreSQL gives back when the process dies. The others tell it what they commit by NOTIFY,
/// outside of any committing transaction; all of that are wake-ups, and one that is lost costs a second.
/// </summary>
public sealed class Projector(NpgsqlDataSource database, IDocumentStore store, IEnumerable<ReadModel> models, CommitSignal commits, ILogger<Projector> logger) : BackgroundService
{
    /// <summary>Where nodes hear that another committed events.</summary>
    public const string Channel = "cvault_events";

    private static readonly TimeSpan Glance = TimeSpan.FromSeconds(1);

    private readonly Follower[] followers = [.. models.Select(m => new Follower(database, store, m, logger))];
    private readonly Bell toSay = new();
    private volatile bool leads;

    /// <summary>Who leads is agreed on by this name; projectors of other models have another.</summary>
    public string LockName { get; init; } = "cvault_projector";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        commits.Committed += Hear;
        try
        {
            await Task.WhenAll(LeadAsync(stoppingToken), SpeakAsync(stoppingToken));
        }
        finally
        {
            commits.Committed -= Hear;
        }
    }

    private void Hear()
    {
        if (leads) WakeAll();
        else toSay.Ring();
    }

    private void WakeAll()
    {
        foreach (var follower in followers) follower.Wake.Ring();
    }

    private async Task SpeakAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await toSay.WaitAsync(Timeout.InfiniteTimeSpan, stopping);
                await ReadModelRow.ExecuteAsync(database, $"notify {Channel}", stopping);
            }
            catch (Exception)
            {
                // Who leads looks anyway, a moment later.
            }
        }
    }

    private async Task LeadAsync(CancellationToken stopping)
    {
        var told = false;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(stopping);
                if (await TryLockAsync(connection, stopping))
                {
                    told = false;
                    await LeadAsync(connection, stopping);
                }
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (!told) logger.LogWarning("Read models stand still here: {Reason}", e.Message);
                told = true;
            }

            await Task.Delay(Glance, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("select pg_try_advisory_lock(hashtext($1))", connection);
        command.Parameters.Add(new() { Value = LockName });
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    private async Task LeadAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        void Notified(object sender, NpgsqlNotificationEventArgs e) => WakeAll();
        connection.Notification += Notified;
        var work = new List<Task>();
        var rebuilds = new Dictionary<string, Task>(StringComparer.Ordinal);
        try
        {
            await ExecuteAsync(connection, $"listen {Channel}");
            leads = true;
            work.AddRange(followers.Select(f => f.RunAsync(ending.Token)));
            while (true)
            {
                var standings = await ReadModelRow.ListAsync(database, stopping);
                Meters.Stand(standings);
                foreach (var standing in standings)
                {
                    if (standing.Row.NextPosition is not { } from || followers.FirstOrDefault(f => f.Model.Name == standing.Name) is not { } of) continue;
                    if (rebuilds.TryGetValue(standing.Name, out var running) && !running.IsCompleted) continue;
                    rebuilds[standing.Name] = RebuildAsync(of.Model, from, ending.Token);
                }

                await connection.WaitAsync(Glance, stopping);
            }
        }
        finally
        {
            leads = false;
            Meters.Stand([]);
            connection.Notification -= Notified;
            await ending.CancelAsync();
            await Task.WhenAll([.. work, .. rebuilds.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // The pool hands the connection on as it is (Database.ConnectionString). Where this fails it is closed, which is as good.
            await ExecuteAsync(connection, $"unlisten *; select pg_advisory_unlock_all()");
        }
    }

    private async Task RebuildAsync(ReadModel model, long from, CancellationToken stopping)
    {
        try
        {
            await Rebuild.RunAsync(database, store, model, from, logger, stopping);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // It goes on from where its row says.
            logger.LogWarning("The rebuild of read model {Model} was interrupted: {Reason}", model.Name, e.Message);
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
