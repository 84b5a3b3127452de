using System.Net;
using CVault.Metering;
using CVault.Tenants;
using JasperFx;
using Marten;

namespace CVault.Tests.Api;

/// <summary><c>bandwidth_limit_gb</c>, with readings as the collector adds them.</summary>
public sealed class BandwidthTests(Stack stack) : IAsyncDisposable
{
    private const long Gb = TenantSettings.BytesPerGb;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);
    private readonly DateTimeOffset now = TimeProvider.System.GetUtcNow();
    private readonly DocumentStore store = DocumentStore.For(o =>
    {
        Configuration.ConfigureStore(o);
        o.Connection(stack.Database);
        o.AutoCreateSchemaObjects = AutoCreate.None;
    });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;
    private DateOnly Month => Bandwidth.MonthOf(now);

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task shares_of_the_limit_are_warned_of_once_and_at_the_limit_it_is_exhausted_once()
    {
        var tenant = await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 });
        Assert.Empty(await AddAsync(tenant, (8 * Gb / 10) - 1));
        Assert.Empty(await EventsAsync(tenant));
        Assert.Empty(await AddAsync(tenant, 1));
        Assert.Empty(await AddAsync(tenant, Gb / 10));
        Assert.Equal([new BandwidthWarned(Month, 80, 8 * Gb / 10, Gb)], await EventsAsync(tenant));
        Assert.Equal([Guid.Parse(tenant.Id)], await AddAsync(tenant, Gb / 10));
        Assert.Empty(await AddAsync(tenant, Gb));
        Assert.Equal([new BandwidthWarned(Month, 80, 8 * Gb / 10, Gb), new BandwidthWarned(Month, 100, Gb, Gb), new BandwidthExhausted(Month, Gb, Gb)], await EventsAsync(tenant));
    }

    [Fact]
    public async Task over_the_limit_the_peers_leave_and_no_call_gives_a_tunnel_until_it_is_raised()
    {
        var tenant = await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 });
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync();
        await AddAsync(tenant, Gb);
        Assert.Equal([true], await SuspendedAsync(tenant));
        await EventuallyOnServerAsync(device, there: false);

        await Stack.EventuallyAsync("every node knows", Soon, async () => (await user.RegisterDeviceAsync("Other")).Code == "BANDWIDTH_LIMIT_EXCEEDED");
        (await user.RegisterDeviceAsync("Other")).IsProblem(403, "BANDWIDTH_LIMIT_EXCEEDED");
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).IsProblem(403, "BANDWIDTH_LIMIT_EXCEEDED");
        (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key")).IsProblem(403, "BANDWIDTH_LIMIT_EXCEEDED");
        foreach (var path in new[] { "/api/v1/devices", $"/api/v1/devices/{device.Id}/config", "/api/v1/vpn/status" }) (await user.SendAsync(HttpMethod.Get, path)).Is(HttpStatusCode.OK);
        await tenant.NewUserAsync();
        var shown = await ShownAsync(tenant);
        Assert.Equal(("active", "true", $"{Gb}"), (shown.Text("status"), shown.Text("over_bandwidth"), shown.Text("bandwidth_used_bytes")));

        Assert.Equal("false", (await PatchAsync(tenant, new { bandwidth_limit_gb = 2 })).Text("over_bandwidth"));
        Assert.Equal(new BandwidthRestored("limit_raised"), (await EventsAsync(tenant))[^1]);
        Assert.DoesNotContain(true, await SuspendedAsync(tenant));
        await EventuallyOnServerAsync(device, there: true);
        await user.NewDeviceAsync("Another");
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_limit_below_what_was_used_ends_the_tunnels_at_once_and_none_gives_them_back()
    {
        var (tenant, user) = await WithDeviceAsync(new { bandwidth_limit_gb = 10 });
        await AddAsync(tenant, 3 * Gb);
        Assert.Equal("true", (await PatchAsync(tenant, new { bandwidth_limit_gb = 3 })).Text("over_bandwidth"));
        Assert.Equal([true], await SuspendedAsync(tenant));
        (await user.RegisterDeviceAsync("Other")).IsProblem(403, "BANDWIDTH_LIMIT_EXCEEDED");
        Assert.Equal("false", (await PatchAsync(tenant, """{"bandwidth_limit_gb":null}""")).Text("over_bandwidth"));
        Assert.Equal([false], await SuspendedAsync(tenant));
        // The same limit again has warned already.
        Assert.Equal("true", (await PatchAsync(tenant, new { bandwidth_limit_gb = 3 })).Text("over_bandwidth"));
        Assert.Equal(["80", "100", "over", "limit_raised", "over"], await SaidAsync(tenant));
    }

    [Fact]
    public async Task no_limit_is_none_and_zero_is_nothing()
    {
        var (unlimited, nothing) = (await stack.NewTenantAsync(), await stack.NewTenantAsync(new { bandwidth_limit_gb = 0 }));
        Assert.Empty(await AddAsync(unlimited, 1_000_000 * Gb));
        Assert.Empty(await SaidAsync(unlimited));

        Assert.Equal("true", (await ShownAsync(nothing)).Text("over_bandwidth"));
        (await (await nothing.NewUserAsync()).RegisterDeviceAsync()).IsProblem(403, "BANDWIDTH_LIMIT_EXCEEDED");
        Assert.Empty(await AddAsync(nothing, 1));
        Assert.Equal(["over"], await SaidAsync(nothing));
        Assert.Equal("false", (await PatchAsync(nothing, new { bandwidth_limit_gb = 1 })).Text("over_bandwidth"));
        await (await nothing.NewUserAsync()).NewDeviceAsync();
    }

    [Fact]
    public async Task a_new_month_gives_the_tunnels_back_by_itself()
    {
        var (tenant, _) = await WithDeviceAsync(new { bandwidth_limit_gb = 1 });
        var before = now.AddDays(1 - now.Day).AddHours(-25);
        Assert.Single(await AddAsync(tenant, Gb, before));
        await Stack.EventuallyAsync("the tunnels are back", Soon, async () => await SuspendedAsync(tenant) is [false]);
        Assert.Equal(["80", "100", "over", "new_month"], await SaidAsync(tenant));
        // What comes late of the month before takes none of this one's.
        Assert.Empty(await AddAsync(tenant, Gb, before));
        Assert.Equal([false], await SuspendedAsync(tenant));
        Assert.Equal("0", (await ShownAsync(tenant)).Text("bandwidth_used_bytes"));
    }

    [Fact]
    public async Task who_is_over_is_due_in_the_next_month_and_not_before()
    {
        var tenant = await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 });
        await AddAsync(tenant, Gb);
        var next = new DateTimeOffset(Month.AddMonths(1), default, TimeSpan.Zero);
        Assert.DoesNotContain(tenant.Id, await DueAsync(next.AddTicks(-1)));
        Assert.Contains(tenant.Id, await DueAsync(next));
        Assert.False(await EnforceBandwidth.SettleAsync(store, tenant.Id, next.AddTicks(-1), Cancellation));
        Assert.True(await EnforceBandwidth.SettleAsync(store, tenant.Id, next, Cancellation));
        Assert.Contains(new BandwidthRestored("new_month"), await EventsAsync(tenant));
    }

    [Fact]
    public async Task bytes_that_were_added_under_an_older_limit_are_found()
    {
        var (tenant, _) = await WithDeviceAsync(new { bandwidth_limit_gb = 1 });
        await ExecuteAsync($"insert into {Bandwidth.TableName} (tenant_id, month, rx_bytes, tx_bytes) values ('{tenant.Id}', '{Month:yyyy-MM-dd}', {Gb}, 0)");
        await Stack.EventuallyAsync("the tunnels are gone", Soon, async () => await SuspendedAsync(tenant) is [true]);
        Assert.Equal(["80", "100", "over"], await SaidAsync(tenant));
    }

    [Fact]
    public async Task of_many_collectors_at_once_no_byte_is_lost_and_nothing_is_said_twice()
    {
        var (one, other) = (await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 }), await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 }));
        var changed = await Task.WhenAll(Enumerable.Range(0, 16).Select(async i =>
        {
            // One order however they come.
            var moved = new[] { Moved(one, 100_000_000 + i), Moved(other, 70_000_000), Moved(one, 3) };
            return await AddAsync(i % 2 == 0 ? moved : [.. moved.Reverse()]);
        }));
        Assert.Equal(((16L * 100_000_003) + (15 * 16 / 2), 16L * 70_000_000), (await SumAsync(one), await SumAsync(other)));
        foreach (var tenant in new[] { one, other })
        {
            Assert.Equal(["80", "100", "over"], await SaidAsync(tenant));
            Assert.Single(changed, c => c.Contains(Guid.Parse(tenant.Id)));
        }
    }

    [Fact]
    public async Task a_limit_that_changes_while_bytes_are_added_is_decided_on_with_them()
    {
        var (tenant, _) = await WithDeviceAsync(new { bandwidth_limit_gb = 1 });
        await using var session = store.LightweightSession(StorageConstants.DefaultTenantId);
        await session.BeginTransactionAsync(Cancellation);
        Assert.Single(await BandwidthQuota.AddAsync(session, [Moved(tenant, 2 * Gb)], Cancellation));
        var raising = PatchAsync(tenant, new { bandwidth_limit_gb = 3 });
        Assert.NotSame(raising, await Task.WhenAny(raising, Task.Delay(500, Cancellation)));
        await session.SaveChangesAsync(Cancellation);
        Assert.Equal("false", (await raising).Text("over_bandwidth"));
        Assert.Equal(["80", "100", "over", "limit_raised"], await SaidAsync(tenant));
        Assert.Equal([false], await SuspendedAsync(tenant));
    }

    [Fact]
    public async Task what_rolls_back_was_never_added_nor_said()
    {
        var tenant = await stack.NewTenantAsync(new { bandwidth_limit_gb = 1 });
        await using (var session = store.LightweightSession(StorageConstants.DefaultTenantId))
        {
            await session.BeginTransactionAsync(Cancellation);
            Assert.Single(await BandwidthQuota.AddAsync(session, [Moved(tenant, Gb)], Cancellation));
        }

        Assert.Equal(0, await SumAsync(tenant));
        Assert.Empty(await SaidAsync(tenant));
    }

    [Fact]
    public async Task a_suspension_and_the_bandwidth_do_not_undo_one_another()
    {
        var (tenant, _) = await WithDeviceAsync(new { bandwidth_limit_gb = 1 });
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        Assert.Empty(await AddAsync(tenant, Gb));
        await PatchAsync(tenant, new { status = "active" });
        Assert.Equal([true], await SuspendedAsync(tenant));
        await PatchAsync(tenant, new { bandwidth_limit_gb = 2 });
        Assert.Equal([false], await SuspendedAsync(tenant));

        Assert.Single(await AddAsync(tenant, Gb));
        await PatchAsync(tenant, new { status = "suspended" });
        await PatchAsync(tenant, new { bandwidth_limit_gb = 3 });
        Assert.Equal([true], await SuspendedAsync(tenant));
        await AddAsync(tenant, Gb);
        await PatchAsync(tenant, new { bandwidth_limit_gb = 4, status = "active" });
        Assert.Equal([false], await SuspendedAsync(tenant));
    }

    [Fact]
    public async Task a_registration_that_races_with_the_limit_ends_without_a_live_peer()
    {
        var tenant = await stack.NewTenantAsync(new { bandwidth_limit_gb = 1, max_devices_per_user = 20 });
        var user = await tenant.NewUserAsync();
        await user.NewDeviceAsync();
        var registering = Enumerable.Range(0, 12).Select(i => user.RegisterDeviceAsync("Device " + i)).ToArray();
        await Task.Delay(20, Cancellation);
        await AddAsync(tenant, Gb);
        var answers = await Task.WhenAll(registering);
        Assert.All(answers, a => Assert.True(a.Status == HttpStatusCode.Created || a.Code == "BANDWIDTH_LIMIT_EXCEEDED", a.Body));
        Assert.DoesNotContain(false, await SuspendedAsync(tenant));
        Assert.Equal(1 + answers.Count(a => a.Status == HttpStatusCode.Created), (await SuspendedAsync(tenant)).Count);
    }

    private static (string, DateTimeOffset, DateTimeOffset, long, long) Moved(TestTenant tenant, long bytes, DateTimeOffset? at = null)
    {
        var to = at ?? TimeProvider.System.GetUtcNow();
        return (tenant.Id, to, to, bytes / 3, bytes - (bytes / 3));
    }

    private Task<IReadOnlyList<Guid>> AddAsync(TestTenant tenant, long bytes, DateTimeOffset? at = null) => AddAsync(Moved(tenant, bytes, at));

    /// <summary>As the collector does it.</summary>
    private async Task<IReadOnlyList<Guid>> AddAsync(params (string, DateTimeOffset, DateTimeOffset, long, long)[] moved)
    {
        await using var session = store.LightweightSession(StorageConstants.DefaultTenantId);
        await session.BeginTransactionAsync(Cancellation);
        var changed = await BandwidthQuota.AddAsync(session, moved, Cancellation);
        await session.SaveChangesAsync(Cancellation);
        return changed;
    }

    private async Task<(TestTenant, TestUser)> WithDeviceAsync(object settings)
    {
        var tenant = await stack.NewTenantAsync(settings);
        var user = await tenant.NewUserAsync();
        await user.NewDeviceAsync();
        return (tenant, user);
    }

    private async Task<Answer> PatchAsync(TestTenant tenant, object body) => (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, body)).Is(HttpStatusCode.OK);

    private async Task<Answer> ShownAsync(TestTenant tenant) => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);

    private async Task<List<string>> DueAsync(DateTimeOffset at)
    {
        var all = new List<string>();
        while (await EnforceBandwidth.DueAsync(stack.Database, at, all.LastOrDefault(""), Cancellation) is { Count: > 0 } due) all.AddRange(due);
        return all;
    }

    private async Task<object[]> EventsAsync(TestTenant tenant)
    {
        await using var session = store.QuerySession(tenant.Id);
        return [.. (await session.Events.FetchStreamAsync(Guid.Parse(tenant.Id), token: Cancellation)).Select(e => e.Data).Where(e => e is BandwidthWarned or BandwidthExhausted or BandwidthRestored)];
    }

    private async Task<string[]> SaidAsync(TestTenant tenant) => [.. (await EventsAsync(tenant)).Select(e => e switch
    {
        BandwidthWarned w => $"{w.Percent}",
        BandwidthRestored r => r.Reason,
        _ => "over",
    })];

    /// <summary>Of each of the tenant's peers, whether it is off the servers.</summary>
    private async Task<IReadOnlyList<bool>> SuspendedAsync(TestTenant tenant)
    {
        await using var command = stack.Database.CreateCommand("select suspended from cvault.peers where tenant_id = $1 and wanted");
        command.Parameters.Add(new() { Value = tenant.Id });
        await using var reader = await command.ExecuteReaderAsync(Cancellation);
        var suspended = new List<bool>();
        while (await reader.ReadAsync(Cancellation)) suspended.Add(reader.GetBoolean(0));
        return suspended;
    }

    private async Task<long> SumAsync(TestTenant tenant)
    {
        await using var session = store.QuerySession(tenant.Id);
        return await Bandwidth.UsedAsync(session, now, Cancellation);
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private static Task EventuallyOnServerAsync(TestDevice device, bool there) => Stack.HasLab
        ? Stack.EventuallyAsync($"the peer is {(there ? "back on" : "gone from")} its server", Soon, async () => (await Stack.PeersAsync(device.LabServer, Cancellation)).ContainsKey(device.PublicKey) == there)
        : Task.CompletedTask;
}
