using System.Security.Cryptography;
using CVault.Metering;
using CVault.Peers;
using CVault.Servers;
using CVault.Sessions;
using JasperFx;
using Marten;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace CVault.Tests.Api;

/// <summary>Readings of a server that only rows know: what one transaction writes for many tenants.</summary>
public sealed class CollectorTests(Stack stack) : IAsyncDisposable
{
    private const long Gb = 1_000_000_000;
    private readonly Guid serverId = Guid.NewGuid();
    private readonly DocumentStore store = DocumentStore.For(o =>
    {
        Configuration.ConfigureStore(o);
        o.Connection(stack.Database);
        o.AutoCreateSchemaObjects = AutoCreate.None;
    });

    private Collector Collector => new(store, new SessionNumbers(stack.Database), new EndSessions(store, stack.Database, null!, NullLogger<EndSessions>.Instance), TimeProvider.System, NullLogger<Collector>.Instance);

    public async ValueTask DisposeAsync()
    {
        await store.DisposeAsync();
        foreach (var table in new[] { "peers", "peer_meters", "server_meters" })
        {
            await using var command = stack.Database.CreateCommand($"delete from cvault.{table} where server_id = $1");
            command.Parameters.Add(new() { Value = serverId });
            await command.ExecuteNonQueryAsync();
        }
    }

    [Fact]
    public async Task one_reading_counts_for_each_tenant_and_carries_two_over_their_limits()
    {
        var tenants = new[] { await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 }), await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 }), await stack.NewTenantAsync() };
        var keys = new Dictionary<PeerKey, SeenPeer>();
        foreach (var tenant in tenants) keys[await NewPeerAsync(tenant)] = new SeenPeer(1, DateTimeOffset.UtcNow.ToUnixTimeSeconds(), 100, 2 * Gb);

        await Collector.SweepAsync(Reading(keys), TestContext.Current.CancellationToken);
        // The same counters again: nothing moved, so nothing is counted.
        await Collector.SweepAsync(Reading(keys), TestContext.Current.CancellationToken);

        foreach (var tenant in tenants)
        {
            await using var session = store.QuerySession(tenant.Id);
            var metered = await session.Events.QueryRawEventDataOnly<UsageMetered>().Where(u => u.ServerId == serverId).ToListAsync();
            var one = Assert.Single(metered);
            var begun = Assert.Single(await session.Events.QueryRawEventDataOnly<SessionStarted>().Where(s => s.ServerId == serverId).ToListAsync());
            Assert.Equal([new Sample(begun.Number, 100, 2 * Gb)], one.Samples.All);
            Assert.Equal(SessionStarted.ByHandshake, begun.By);
        }

        string[] over = await Task.WhenAll(tenants.Select(async t => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + t.Id)).Text("over_bandwidth")));
        Assert.Equal(["true", "true", "false"], over);
        bool[] suspended = await Task.WhenAll(tenants.Select(SuspendedAsync));
        Assert.Equal([true, true, false], suspended);
    }

    private ServerReading Reading(IReadOnlyDictionary<PeerKey, SeenPeer> peers) => new(serverId, null, new ServerIdentity("KEY", 51820, "boot", "making"), peers);

    private async Task<PeerKey> NewPeerAsync(TestTenant tenant)
    {
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        await using var command = stack.Database.CreateCommand("""
            insert into cvault.peers (server_id, public_key, device_id, user_id, tenant_id, allowed_ips, preshared_key, wanted, suspended, revision, confirmed, changed_at)
            values ($1, $2, gen_random_uuid(), gen_random_uuid(), $3, $4, '', true, false, 1, 1, now())
            """);
        foreach (var value in new object[] { serverId, key, tenant.Id, $"10.8.0.{RandomNumberGenerator.GetInt32(2, 250)}/32,{Guid.NewGuid()}" }) command.Parameters.Add(new NpgsqlParameter { Value = value });
        await command.ExecuteNonQueryAsync();
        return PeerKey.Parse(key);
    }

    private async Task<bool> SuspendedAsync(TestTenant tenant)
    {
        await using var command = stack.Database.CreateCommand("select suspended from cvault.peers where server_id = $1 and tenant_id = $2");
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = tenant.Id });
        return (bool)(await command.ExecuteScalarAsync())!;
    }
}
