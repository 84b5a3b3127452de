using System.Collections.Concurrent;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Attributes;

namespace CVault.Peers;

/// <summary>Runs one <see cref="ServerLink"/> for each server, and starts one anew when its server's address changes.</summary>
public sealed class ServerLinks(
    IDocumentStore store, ServerDialer dialer, NpgsqlDataSource database, MasterKey master, PeerConfirmations confirmations, TimeProvider time, ILoggerFactory loggers)
    : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<Guid, (ServerLink Link, Task Run, CancellationTokenSource Stop)> links = new();
    private readonly Signal changed = new();

    public IEnumerable<ServerLink> All => links.Values.Select(l => l.Link);

    public ServerLink? Of(Guid serverId) => links.TryGetValue(serverId, out var entry) ? entry.Link : null;

    /// <summary>A server was registered or changed: look now rather than at the next tick.</summary>
    public void LookNow() => changed.Give();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var logger = loggers.CreateLogger<ServerLinks>();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await FollowAsync(stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                logger.LogWarning("The servers could not be read: {Reason}", e.Message);
            }

            await changed.WaitAsync(Look, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        foreach (var (_, run, stop) in links.Values)
        {
            await stop.CancelAsync();
            await run.WaitAsync(TimeSpan.FromSeconds(3), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task FollowAsync(CancellationToken stopping)
    {
        await using var session = store.QuerySession();
        var servers = await session.Query<Server>().ToListAsync(stopping);
        foreach (var server in servers)
        {
            if (links.TryGetValue(server.Id, out var running))
            {
                if (running.Link.Server.Ssh == server.Ssh)
                {
                    running.Link.Server = server;
                    continue;
                }

                await running.Stop.CancelAsync();
                await running.Run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            var link = new ServerLink(server, dialer, database, master, confirmations, time, loggers.CreateLogger<ServerLink>());
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            links[server.Id] = (link, Task.Run(() => link.RunAsync(stop.Token), CancellationToken.None), stop);
        }
    }
}

/// <summary>Handles the wake-ups.</summary>
[WolverineHandler]
public static class WakeServers
{
    public static void Handle(ReconcileServer message, ServerLinks links) => links.Of(message.ServerId)?.Wake();

    public static void Handle(ServerChanged _, ServerLinks links) => links.LookNow();

    public static async Task Handle(TenantAccessChanged message, ServerLinks links, NpgsqlDataSource database, CancellationToken cancellation)
    {
        foreach (var serverId in await PeerTable.ServersOfAsync(database, message.TenantId, cancellation)) links.Of(serverId)?.Wake();
    }
}
