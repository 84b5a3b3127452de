using System.Net;

namespace CVault.Tests.Lab;

/// <summary>When addresses go back: at the end of a session, or when a device is idle (ops/decisions/0010).</summary>
[Collection(Alone.Name)]
public sealed class LeasePolicyTests(Stack stack)
{
    [Fact]
    public async Task an_ephemeral_lease_ends_with_the_session_and_the_next_connect_gives_one_again()
    {
        var user = await (await stack.NewTenantAsync(new { lease_policy = "ephemeral" })).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        Assert.Equal(device.AssignedIp, (await ConnectAsync(user, device)).Text("assigned_ip"));
        await DisconnectAsync(user);
        await ParkedAsync(user, device);
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);

        var config = await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config");
        config.IsProblem(409, "CONFLICT");
        Assert.Contains("onnect", config.Text("title"), StringComparison.Ordinal);
        (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key")).IsProblem(409, "CONFLICT");

        // Meanwhile its address rests, for everybody but itself (finding 012); it connects with its own keys.
        var other = await (await user.Tenant.NewUserAsync()).NewDeviceAsync(region: "us-east");
        Assert.NotEqual(device.AssignedIp, other.AssignedIp);
        var connected = await ConnectAsync(user, device, "us-east");
        Assert.Equal("us-east", (await stack.LiveAsync(connected, device.Id)).Text("server_region"));
        Assert.Equal(device.AssignedIp, connected.Text("assigned_ip"));
        Assert.Equal(Line(device.Config, "PrivateKey"), Line(connected.Text("config"), "PrivateKey"));
        Assert.Equal(connected.Text("config"), (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")).Text("config"));
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), [Acknowledged.Of(connected, device)]);

        // A move ends a session too, and parks nothing.
        Assert.Equal("eu-west", (await ConnectAsync(user, device, "eu-west")).Text("server_region"));
        await Task.Delay(700);
        Assert.NotNull((await ViewAsync(user, device)).Json["assigned_ip"]);

        await DisconnectAsync(user);
        await ParkedAsync(user, device);
        (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK);
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
    }

    /// <summary>The connect is first in the queue for the device, and what the disconnect sets off second.</summary>
    [Fact]
    public async Task a_session_that_began_before_the_last_ones_end_was_dealt_with_keeps_its_address()
    {
        var user = await (await stack.NewTenantAsync(new { lease_policy = "ephemeral" })).NewUserAsync();
        var device = await user.NewDeviceAsync();
        var first = await ConnectAsync(user, device);
        Task<Answer> connecting;
        await using (var connection = await stack.Database.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using (var locked = new Npgsql.NpgsqlCommand($"select 1 from cvault.mt_streams where id = '{device.Id}' for update", connection, transaction)) await locked.ExecuteScalarAsync();
            connecting = ConnectAsync(user, device);
            await Task.Delay(400);
            Assert.False(connecting.IsCompleted, "The connect does not wait for the device's stream, so this test tries nothing.");
            await DisconnectAsync(user);
            await Task.Delay(400);
            await transaction.RollbackAsync();
        }

        var second = await connecting;
        Assert.NotEqual(first.Text("session_id"), second.Text("session_id"));
        await Task.Delay(700);
        Assert.Equal(device.AssignedIp, (await ViewAsync(user, device)).Json["assigned_ip"]?.ToString());
        Assert.Equal(second.Text("session_id"), (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Text("session_id"));
    }

    [Fact]
    public async Task a_sticky_lease_outlives_the_session_and_ends_when_the_device_is_idle_for_so_long()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var (idle, busy, recent, connected) = (await user.NewDeviceAsync(), await user.NewDeviceAsync(), await user.NewDeviceAsync(), await user.NewDeviceAsync());
        await ConnectAsync(user, idle);
        await DisconnectAsync(user);
        await ConnectAsync(user, connected);
        await ExecuteAsync($"update cvault.peers set changed_at = now() - interval '3 days', last_handshake = now() - interval '3 days' where device_id in ('{idle.Id}', '{connected.Id}')");
        await ExecuteAsync($"update cvault.peers set changed_at = now() - interval '3 days', last_handshake = now() - interval '1 day' where device_id = '{busy.Id}'");
        await ExecuteAsync($"update cvault.mt_doc_session set data = jsonb_set(data, '{{connectedAt}}', to_jsonb(now() - interval '3 days')) where data ->> 'deviceId' = '{idle.Id}'");

        var changed = await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { lease_idle_days = 2 });
        Assert.Equal("2", changed.Is(HttpStatusCode.OK).Text("lease_idle_days"));

        await ParkedAsync(user, idle);
        foreach (var kept in new[] { busy, recent, connected }) Assert.Equal(kept.AssignedIp, (await ViewAsync(user, kept)).Text("assigned_ip"));
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
        await stack.LiveAsync(await ConnectAsync(user, idle), idle.Id);
    }

    [Theory, InlineData("0"), InlineData("3651"), InlineData("1.5"), InlineData("\"2\"")]
    public async Task days_that_are_none_are_refused(string days)
    {
        var refused = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", $$"""{"name": "x", "lease_idle_days": {{days}}}""");
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["lease_idle_days"], refused.BadFields);
    }

    private static async Task<Answer> ConnectAsync(TestUser user, TestDevice device, string? region = null) =>
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id, server_region = region })).Is(HttpStatusCode.OK);

    private static async Task DisconnectAsync(TestUser user) => (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect")).Is(HttpStatusCode.OK);

    private static async Task<Answer> ViewAsync(TestUser user, TestDevice device) => (await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK);

    private static async Task ParkedAsync(TestUser user, TestDevice device)
    {
        await Stack.EventuallyAsync("the device is parked", TimeSpan.FromSeconds(5), async () => (await ViewAsync(user, device)).Json["assigned_ip"] is null);
        var view = await ViewAsync(user, device);
        Assert.Equal((null, "active"), (view.Json["server_id"], view.Text("status")));
    }

    private static string Line(string config, string name) => config.Split('\n').Single(l => l.StartsWith(name + " =", StringComparison.Ordinal));

    private async Task ExecuteAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
