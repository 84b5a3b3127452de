using CVault.IpLeases;
using CVault.Metering;
using CVault.Security;
using CVault.Servers;
using Marten;
using Npgsql;

namespace CVault.Api;

/// <summary>
/// Before the first request: the constraints, trigger, functions and policies that Weasel's table model has no word for, and the platform's keys.
/// </summary>
public sealed class Startup(NpgsqlDataSource database, IDocumentStore store, LookupKey lookup, MasterKey master, SigningKeys signing, SecurityFeed feed) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Marten looks once at each type's table, over a connection of its own. Left to the first requests, those that
        // hold a transaction would wait for a second connection that the pool no longer has.
        foreach (var type in Configuration.StoredTypes) await store.Storage.Database.EnsureStorageExistsAsync(type, cancellationToken);

        // One transaction, and one node at a time.
        await using var command = database.CreateCommand($"select pg_advisory_xact_lock(hashtext('cvault_startup')); {RequestLimits.TakeSql} {ServerLoad.ConstraintSql}; {AddressPool.CountSql} {AddressPool.TakeSql} {SecurityFeed.TriggersSql} {PeerMeters.FillSql}; {TenantWall.Sql}");
        await command.ExecuteNonQueryAsync(cancellationToken);
        await lookup.LoadOrCreateAsync(database, master, cancellationToken);
        await signing.LoadOrCreateAsync(database, cancellationToken);
        await feed.CatchUpAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
