using System.Security.Cryptography;
using CVault.Metering;
using CVault.Peers;
using CVault.Servers;
using CVault.Sessions;
using CVault.Tests.Lab;
using CVault.Tests.Unit;
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

    private Collector Collector => CollectorBy(TimeProvider.System);

    private Collector CollectorBy(TimeProvider time) =>
        new(store, new SessionNumbers(), new EndSessions(store, stack.Database, null!, NullLogger<EndSessions>.Instance), time, NullLogger<Collector>.Instance);

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

        var usage = new Usage(stack);
        foreach (var tenant in tenants)
        {
            var begun = Assert.Single(await usage.SessionsAsync(tenant.Id));
            Assert.Equal(SessionStarted.ByHandshake, begun.By);
            Assert.Equal(new Dictionary<long, Bytes> { [begun.Number] = new(100, 2 * Gb) }, await usage.SamplesAsync(tenant.Id));
        }

        string[] over = await Task.WhenAll(tenants.Select(async t => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + t.Id)).Text("over_bandwidth")));
        Assert.Equal(["true", "true", "false"], over);
        bool[] suspended = await Task.WhenAll(tenants.Select(SuspendedAsync));
        Assert.Equal([true, true, false], suspended);
    }

    /// <summary>Row 24: a clock that is put forth and back by five minutes, over the end of a month.</summary>
    [Fact]
    public async Task a_clock_that_jumps_makes_no_negative_time_and_usage_lands_in_the_day_in_which_it_was_read()
    {
        var tenant = await stack.NewTenantAsync();
        var key = await NewPeerAsync(tenant);
        var month = new DateTimeOffset(DateTimeOffset.UtcNow.Year, DateTimeOffset.UtcNow.Month, 1, 0, 0, 0, TimeSpan.Zero).AddMonths(-1);
        // Seconds to and from midnight. After the jump forth come two readings by a clock that was put back.
        int[] clock = [-20, -5, 300, -5, 10, 315, 330];
        for (var i = 0; i < clock.Length; i++)
        {
            var at = month.AddSeconds(clock[i]);
            await CollectorBy(new Clock(at)).SweepAsync(Reading(new Dictionary<PeerKey, SeenPeer> { [key] = new SeenPeer(1, at.ToUnixTimeSeconds(), 1000 * (i + 1), 500 * (i + 1)) }), TestContext.Current.CancellationToken);
        }

        var readings = new List<(DateTimeOffset From, DateTimeOffset To)>();
        await using (var command = stack.Database.CreateCommand("select (data->>'from')::timestamptz, (data->>'to')::timestamptz from cvault.mt_events where type = 'usage_metered_v1' and tenant_id = $1 order by seq_id"))
        {
            command.Parameters.Add(new() { Value = tenant.Id });
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) readings.Add((reader.GetFieldValue<DateTimeOffset>(0), reader.GetFieldValue<DateTimeOffset>(1)));
        }

        // The time that it once was does not come again: what is read meanwhile moved in an interval of nothing.
        int[] told = [-20, -5, 300, 300, 300, 315, 330];
        Assert.Equal(told.Select((t, i) => (month.AddSeconds(told[Math.Max(0, i - 1)]), month.AddSeconds(t))), readings);
        var session = Assert.Single(await new Usage(stack).SessionsAsync(tenant.Id));
        Assert.Equal(new Dictionary<long, Bytes> { [session.Number] = new(7000, 3500) }, await new Usage(stack).SamplesAsync(tenant.Id));

        // By day: two readings of the last day of the month, 5 of the 305 seconds of the one over midnight, and the rest.
        string Day(int days) => month.AddDays(days).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'");
        System.Text.Json.Nodes.JsonArray days = [];
        await Stack.EventuallyAsync("the read model has it", TimeSpan.FromSeconds(30), async () =>
        {
            days = (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/usage?from={Day(-1)}&to={Day(1)}")).Json["series"]!.AsArray();
            return days.Sum(d => d!["rx_bytes"]!.GetValue<long>()) == 7000;
        });
        Assert.Equal(
            [(month.AddDays(-1), 2000L + (1000 * 5 / 305), 1000L + (500 * 5 / 305)), (month, 5000 - (1000 * 5 / 305), 2500 - (500 * 5 / 305))],
            days.Select(d => (DateTimeOffset.Parse(d!["start"]!.ToString()), d["rx_bytes"]!.GetValue<long>(), d["tx_bytes"]!.GetValue<long>())));
        Assert.All(days, d => Assert.True(d!["connected_seconds"]!.GetValue<long>() >= 0));
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
