using System.Collections.Concurrent;
using CVault.Security;
using CVault.Servers;
using JasperFx;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Attributes;
using Wolverine.Runtime;
using Wolverine.Runtime.Agents;

namespace CVault.Peers;

/// <summary>
/// The links that this node keeps. Wolverine spreads all servers over the nodes and moves a dead node's to the others;
/// a link that was given to this node runs once its lease (<see cref="LinkLease"/>) is this node's too.
/// </summary>
public sealed class ServerLinks(
    IDocumentStore store, ServerDialer dialer, NpgsqlDataSource database, MasterKey master, PeerConfirmations confirmations, NodeSignals signals, PassRules rules, ReadingHeard heard, TimeProvider time, ILoggerFactory loggers)
    : BackgroundService, IAgentFamily
{
    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(1), Retry = TimeSpan.FromMilliseconds(500);
    private readonly Guid node = Guid.NewGuid();
    private readonly ConcurrentDictionary<Guid, ServerLink> links = new();
    private readonly ConcurrentDictionary<Guid, int> versions = new();
    private readonly Signal look = new();
    private readonly ILogger logger = loggers.CreateLogger<ServerLinks>();

    public string Scheme => "server-link";

    /// <summary>The server's link, if this node keeps it.</summary>
    public ServerLink? Of(Guid serverId) => links.GetValueOrDefault(serverId);

    /// <summary>The server's rows changed: wakes its link, whichever node keeps it.</summary>
    public void Wake(Guid serverId)
    {
        if (Of(serverId) is { } link) link.Wake();
        else signals.Wake(serverId);
    }

    /// <summary>A server or its row changed: look now rather than at the next renewal.</summary>
    public void LookNow() => look.Give();

    public async ValueTask<IReadOnlyList<Uri>> AllKnownAgentsAsync()
    {
        await using var session = store.QuerySession();
        return [.. (await session.Query<Server>().Where(s => s.Status != ServerStatus.Retired).Select(s => s.Id).ToListAsync()).Select(id => new Uri($"{Scheme}://{id}"))];
    }

    /// <summary>Any node can keep any link.</summary>
    public ValueTask<IReadOnlyList<Uri>> SupportedAgentsAsync() => AllKnownAgentsAsync();

    public ValueTask<IAgent> BuildAgentAsync(Uri uri, IWolverineRuntime wolverineRuntime) => new(new Agent(this, uri, Guid.Parse(uri.Host)));

    public async ValueTask EvaluateAssignmentsAsync(AssignmentGrid assignments)
    {
        // Wolverine goes on with whatever runs: a retired server's link would stay for ever, and count as one where links are shared out.
        var known = (await AllKnownAgentsAsync()).ToHashSet();
        foreach (var retired in assignments.AllAgents.Where(a => a.Uri.Scheme == Scheme && !known.Contains(a.Uri))) retired.AssignedNode?.Detach(retired);
        assignments.DistributeEvenly(Scheme, known.Contains);
    }

    /// <summary>Renews this node's leases, and hears of what changed about its servers.</summary>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        logger.LogInformation("This is node {Node}", node);
        signals.Woken += id => Of(id)?.Wake();
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!links.IsEmpty) await RenewAsync(stoppingToken);
            }
            catch (Exception) when (!stoppingToken.IsCancellationRequested)
            {
                // Each link stops by its own clock when its lease runs out; the row is renewed if nobody took it.
            }

            await look.WaitAsync(Renewal, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RenewAsync(CancellationToken cancellation)
    {
        var kept = await LinkLease.RenewAsync(database, [.. links.Values.Select(l => l.Lease)], time, cancellation);
        foreach (var (serverId, (resync, version)) in kept)
        {
            if (resync is { } ordered) Of(serverId)?.ResyncOrdered(ordered);
            if (versions.TryGetValue(serverId, out var known) && known == version) continue;
            await using var session = store.QuerySession();
            if (await session.LoadAsync<Server>(serverId, cancellation) is { } server && Of(serverId) is { } link)
            {
                // It is dialled elsewhere now, so the link starts anew; or never again.
                if (link.Server.Ssh != server.Ssh || server.Status == ServerStatus.Retired) await link.Lease.Lost.CancelAsync();
                link.Server = server;
            }

            versions[serverId] = version;
        }
    }

    /// <summary>Keeps the link for as long as Wolverine wants it here.</summary>
    private async Task KeepAsync(Guid serverId, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            LinkLease? lease = null;
            try
            {
                lease = await LinkLease.TakeAsync(database, serverId, node, time, cancellation);
                if (lease is not null)
                {
                    await using var session = store.QuerySession();
                    if (await session.LoadAsync<Server>(serverId, cancellation) is { Status: not ServerStatus.Retired } server) await RunAsync(server, lease, cancellation);
                }
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && e is not OperationCanceledException)
            {
                logger.LogWarning("The link of server {ServerId} waits: {Reason}", serverId, e.Message);
            }
            catch (OperationCanceledException)
            {
                // Stopped, or to start anew.
            }

            if (lease is not null) await TryReleaseAsync(lease);
            await Task.Delay(Retry, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RunAsync(Server server, LinkLease lease, CancellationToken cancellation)
    {
        var link = new ServerLink(server, lease, dialer, store, database, master, confirmations, signals, time, loggers.CreateLogger<ServerLink>(), new SecurityLog(loggers.CreateLogger<SecurityLog>()), rules, heard);
        links[server.Id] = link;
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, lease.Lost.Token);
            await link.RunAsync(either.Token);
        }
        finally
        {
            links.TryRemove(server.Id, out _);
        }
    }

    private async Task TryReleaseAsync(LinkLease lease)
    {
        try
        {
            await lease.ReleaseAsync(database);
        }
        catch (Exception)
        {
            // It runs out by itself.
        }
    }

    /// <summary>One server's link, as Wolverine hands it out.</summary>
    private sealed class Agent(ServerLinks links, Uri uri, Guid serverId) : IAgent
    {
        private CancellationTokenSource? stop;
        private Task keeping = Task.CompletedTask;

        public Uri Uri => uri;
        public AgentStatus Status { get; private set; } = AgentStatus.Stopped;

        public Task StartAsync(CancellationToken cancellationToken)
        {
            stop = new CancellationTokenSource();
            keeping = Task.Run(() => links.KeepAsync(serverId, stop.Token), CancellationToken.None);
            Status = AgentStatus.Running;
            return Task.CompletedTask;
        }

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            if (stop is not null) await stop.CancelAsync();
            await keeping.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Status = AgentStatus.Stopped;
        }
    }
}

/// <summary>Handles the wake-ups.</summary>
[WolverineHandler]
public static class WakeServers
{
    public static void Handle(ReconcileServer message, ServerLinks links) => links.Wake(message.ServerId);

    public static void Handle(ServerChanged _, ServerLinks links) => links.LookNow();

    public static async Task Handle(TenantAccessChanged message, ServerLinks links, NpgsqlDataSource database, CancellationToken cancellation)
    {
        foreach (var serverId in await PeerTable.ServersOfAsync(database, message.TenantId, cancellation)) links.Wake(serverId);
    }
}
