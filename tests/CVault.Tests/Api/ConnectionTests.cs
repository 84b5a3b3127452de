using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>/api/v1/vpn</c>: sessions begin, show and end.</summary>
public sealed class ConnectionTests(Stack stack)
{
    private const string Connect = "/api/v1/vpn/connect", Disconnect = "/api/v1/vpn/disconnect", Status = "/api/v1/vpn/status";

    [Fact]
    public async Task connecting_tells_where_to_and_status_shows_it_until_disconnecting()
    {
        var (user, device) = await NewDeviceAsync();
        var none = (await user.SendAsync(HttpMethod.Get, Status)).Is(HttpStatusCode.OK);
        Assert.Equal(("disconnected", null, 0), (none.Text("status"), none.Json["session_id"], none.Json["sessions"]!.AsArray().Count));

        var connected = (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK);
        await stack.LiveAsync(connected, device.Id);
        Assert.Equal(("connected", "51820", device.AssignedIp, device.Region, null),
            (connected.Text("status"), connected.Text("server_port"), connected.Text("assigned_ip"), connected.Text("server_region"), connected.Json["config"]));
        Assert.Contains($"\nEndpoint = {connected.Text("server_ip")}:51820\n", device.Config, StringComparison.Ordinal);

        var status = (await user.SendAsync(HttpMethod.Get, Status)).Is(HttpStatusCode.OK);
        foreach (var member in new[] { "status", "session_id", "device_id", "server_ip", "server_port", "server_region", "assigned_ip" }) Assert.Equal(connected.Text(member), status.Text(member));
        Assert.Equal(DateTimeOffset.UtcNow, DateTimeOffset.Parse(status.Text("connected_at")), TimeSpan.FromMinutes(5));
        Assert.Equal(connected.Text("session_id"), Assert.Single(status.Json["sessions"]!.AsArray())!["session_id"]!.ToString());

        var ended = (await user.SendAsync(HttpMethod.Post, Disconnect, new { device_id = device.Id })).Is(HttpStatusCode.OK);
        Assert.Equal(("disconnected", connected.Text("session_id"), "1"), (ended.Text("status"), ended.Text("session_id"), ended.Text("ended")));
        Assert.Equal(none.Body, (await user.SendAsync(HttpMethod.Get, Status)).Body);
    }

    [Fact]
    public async Task a_users_token_alone_is_enough()
    {
        var (user, device) = await NewDeviceAsync();
        var bearer = ("Authorization", "Bearer " + user.AccessToken);
        (await stack.SendAsync(HttpMethod.Post, Connect, new { device_id = device.Id }, headers: bearer)).Is(HttpStatusCode.OK);
        Assert.Equal("connected", (await stack.SendAsync(HttpMethod.Get, Status, headers: bearer)).Text("status"));
        (await stack.SendAsync(HttpMethod.Post, Disconnect, headers: bearer)).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task connecting_twice_is_one_session()
    {
        var (user, device) = await NewDeviceAsync();
        var first = (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK);
        var second = (await ConnectAsync(user, device.Id, device.Region)).Is(HttpStatusCode.OK);
        Assert.Equal(first.Text("session_id"), second.Text("session_id"));
        Assert.Single((await user.SendAsync(HttpMethod.Get, Status)).Json["sessions"]!.AsArray());
    }

    [Fact]
    public async Task of_many_connects_at_once_all_are_one_session()
    {
        var (user, device) = await NewDeviceAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => ConnectAsync(user, device.Id)));
        Assert.Single(answers.Select(a => a.Is(HttpStatusCode.OK).Text("session_id")).Distinct());
        Assert.Single((await user.SendAsync(HttpMethod.Get, Status)).Json["sessions"]!.AsArray());
    }

    [Fact]
    public async Task of_several_disconnects_at_once_one_ends_the_session()
    {
        var (user, device) = await NewDeviceAsync();
        for (var round = 0; round < 5; round++)
        {
            var session = (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK).Text("session_id");
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => user.SendAsync(HttpMethod.Post, Disconnect, i % 2 == 0 ? null : new { device_id = device.Id })));
            Assert.Equal(["0", "0", "0", "0", "0", "1"], answers.Select(a => a.Is(HttpStatusCode.OK).Text("ended")).Order());
            await using var ends = stack.Database.CreateCommand("select count(*) from cvault.mt_events where stream_id = $1 and type = 'session_ended_v1'");
            ends.Parameters.Add(new() { Value = Guid.Parse(session) });
            Assert.Equal(1L, await ends.ExecuteScalarAsync());
        }
    }

    [Fact]
    public async Task connecting_after_disconnecting_is_another_session()
    {
        var (user, device) = await NewDeviceAsync();
        var first = (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK);
        (await user.SendAsync(HttpMethod.Post, Disconnect)).Is(HttpStatusCode.OK);
        Assert.NotEqual(first.Text("session_id"), (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK).Text("session_id"));
    }

    [Fact]
    public async Task without_a_body_all_of_the_users_sessions_end_and_nobody_elses()
    {
        var (user, device) = await NewDeviceAsync();
        var second = await user.NewDeviceAsync();
        var neighbour = await user.Tenant.NewUserAsync();
        await ConnectAsync(user, device.Id);
        await ConnectAsync(user, second.Id);
        (await ConnectAsync(neighbour, (await neighbour.NewDeviceAsync()).Id)).Is(HttpStatusCode.OK);

        Assert.Equal("2", (await user.SendAsync(HttpMethod.Post, Disconnect)).Is(HttpStatusCode.OK).Text("ended"));
        Assert.Equal("disconnected", (await user.SendAsync(HttpMethod.Get, Status)).Text("status"));
        Assert.Equal("connected", (await neighbour.SendAsync(HttpMethod.Get, Status)).Text("status"));
        Assert.Equal("0", (await user.SendAsync(HttpMethod.Post, Disconnect)).Is(HttpStatusCode.OK).Text("ended"));
    }

    [Fact]
    public async Task with_a_device_only_its_session_ends_and_status_can_be_asked_of_each()
    {
        var (user, device) = await NewDeviceAsync();
        var second = await user.NewDeviceAsync();
        await ConnectAsync(user, device.Id);
        await ConnectAsync(user, second.Id);
        Assert.Equal(2, (await user.SendAsync(HttpMethod.Get, Status)).Json["sessions"]!.AsArray().Count);

        (await user.SendAsync(HttpMethod.Post, Disconnect, new { device_id = device.Id })).Is(HttpStatusCode.OK);
        Assert.Equal("disconnected", (await user.SendAsync(HttpMethod.Get, $"{Status}?device_id={device.Id}")).Text("status"));
        Assert.Equal("connected", (await user.SendAsync(HttpMethod.Get, $"{Status}?device_id={second.Id}")).Text("status"));
    }

    [Fact]
    public async Task connecting_to_another_region_moves_the_device_with_peer_and_address()
    {
        var (user, device) = await NewDeviceAsync("us-east");
        var before = (await ConnectAsync(user, device.Id)).Is(HttpStatusCode.OK);
        var moved = (await ConnectAsync(user, device.Id, "eu-west")).Is(HttpStatusCode.OK);
        Assert.Equal("eu-west", (await stack.LiveAsync(moved, device.Id)).Text("server_region"));
        Assert.NotEqual(before.Text("server_ip"), moved.Text("server_ip"));
        Assert.NotEqual(before.Text("session_id"), moved.Text("session_id"));

        var config = moved.Text("config");
        Assert.Contains($"\nEndpoint = {moved.Text("server_ip")}:51820\n", config, StringComparison.Ordinal);
        Assert.Contains($"\nAddress = {moved.Text("assigned_ip")}/32, ", config, StringComparison.Ordinal);
        Assert.Equal(Line(device.Config, "PrivateKey"), Line(config, "PrivateKey"));
        Assert.NotEqual(Line(device.Config, "PublicKey"), Line(config, "PublicKey"));

        Assert.Equal(moved.Text("session_id"), Assert.Single((await user.SendAsync(HttpMethod.Get, Status)).Json["sessions"]!.AsArray())!["session_id"]!.ToString());
        Assert.Equal(moved.Text("assigned_ip"), (await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device.Id)).Text("assigned_ip"));
        await OnlyLeaseIsInAsync("eu-west", device.Id);
        if (!Stack.HasLab) return;
        await Stack.EventuallyAsync("the old server has lost the peer", TimeSpan.FromSeconds(30), async () => !(await Stack.PeersAsync("vpn1")).ContainsKey(device.PublicKey));
        Assert.StartsWith(moved.Text("assigned_ip") + "/32", (await Stack.PeersAsync("vpn2"))[device.PublicKey], StringComparison.Ordinal);
    }

    /// <summary>
    /// Several at once and others registering beside them, so that the way back begins while the first server is still
    /// losing the peer: what it confirmed before the move must not answer for the move back.
    /// </summary>
    [Fact]
    public async Task a_device_that_moved_there_and_back_is_live_when_the_answer_says_so()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 60 });
        var (user, other) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var devices = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => user.NewDeviceAsync(region: "us-east")));
        var others = Task.WhenAll(Enumerable.Range(0, 60).Select(_ => other.RegisterDeviceAsync(region: "us-east")));
        await Task.WhenAll(devices.Select(async device =>
        {
            (await ConnectAsync(user, device.Id, "eu-west")).Is(HttpStatusCode.OK);
            var back = (await ConnectAsync(user, device.Id, "us-east")).Is(HttpStatusCode.OK);
            await stack.LiveAsync(back, device.Id);
            Assert.True(await IsConfirmedAsync(device), "The answer says live, and the server has not confirmed the peer: what it confirmed before the move answered for the move back.");
            Assert.Equal("us-east", back.Text("server_region"));
            await OnlyLeaseIsInAsync("us-east", device.Id);
            if (!Stack.HasLab) return;
            Assert.StartsWith(back.Text("assigned_ip") + "/32", (await Stack.PeersAsync("vpn1")).GetValueOrDefault(device.PublicKey, "no peer of the device, although the answer was live"), StringComparison.Ordinal);
            await Stack.EventuallyAsync("the other server has lost the peer", TimeSpan.FromSeconds(30), async () => !(await Stack.PeersAsync("vpn2")).ContainsKey(device.PublicKey));
        }));
        // Who waited too long for a connection is told so; they are here as load.
        Assert.All(await others, a => Assert.True(a.Status == HttpStatusCode.Created || a.Code is "SERVICE_UNAVAILABLE" or "SERVER_UNAVAILABLE", $"{a.Status} {a.Body}"));
    }

    [Fact]
    public async Task a_region_without_a_server_is_unavailable_and_moves_nothing()
    {
        var (user, device) = await NewDeviceAsync();
        var session = (await ConnectAsync(user, device.Id)).Text("session_id");
        var refused = await ConnectAsync(user, device.Id, "moon");
        refused.IsProblem(503, "SERVER_UNAVAILABLE");
        Assert.True(int.Parse(refused.Headers["Retry-After"]) > 0);
        Assert.Equal((session, device.Region), ((await user.SendAsync(HttpMethod.Get, Status)).Text("session_id"), (await user.SendAsync(HttpMethod.Get, Status)).Text("server_region")));
    }

    [Fact]
    public async Task removing_a_device_ends_its_session()
    {
        var (user, device) = await NewDeviceAsync();
        await ConnectAsync(user, device.Id);
        (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("the session of a removed device has ended", TimeSpan.FromSeconds(30),
            async () => (await user.SendAsync(HttpMethod.Get, Status)).Text("status") == "disconnected");
        Assert.Empty(await LeasesAsync(device.Id));
    }

    [Theory]
    [InlineData("""{}""", "device_id")]
    [InlineData("""{"device_id":null}""", "device_id")]
    [InlineData("""{"server_region":""}""", "device_id,server_region")]
    public async Task bad_members_are_named(string body, string fields)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(HttpMethod.Post, Connect, body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(fields.Split(','), refused.BadFields);
    }

    [Fact]
    public async Task a_NUL_in_the_region_never_breaks_the_server()
    {
        var (user, device) = await NewDeviceAsync();
        Assert.InRange((int)(await ConnectAsync(user, device.Id, "us\0east")).Status, 400, 499);
    }

    [Fact]
    public async Task a_device_id_that_is_none_is_a_bad_request_in_body_and_query()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.SendAsync(HttpMethod.Post, Connect, """{"device_id":"laptop"}""")).IsProblem(400, "VALIDATION_FAILED");
        (await user.SendAsync(HttpMethod.Post, Disconnect, """{"device_id":"laptop"}""")).IsProblem(400, "VALIDATION_FAILED");
        (await user.SendAsync(HttpMethod.Get, Status + "?device_id=laptop")).IsProblem(400, "VALIDATION_FAILED");
    }

    private async Task<(TestUser User, TestDevice Device)> NewDeviceAsync(string? region = null)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        return (user, await user.NewDeviceAsync(region: region));
    }

    private static Task<Answer> ConnectAsync(TestUser user, string deviceId, string? region = null) =>
        user.SendAsync(HttpMethod.Post, Connect, new { device_id = deviceId, server_region = region });

    /// <summary>The new peer being live, the address at the other server goes.</summary>
    private Task OnlyLeaseIsInAsync(string region, string deviceId) => Stack.EventuallyAsync($"the device's only address is in {region}", TimeSpan.FromSeconds(30), async () => await LeasesAsync(deviceId) is [var only] && only == region);

    /// <summary>The regions in which the device holds an address.</summary>
    private async Task<string[]> LeasesAsync(string deviceId)
    {
        await using var command = stack.Database.CreateCommand("select l.region from cvault.addresses a join cvault.server_load l using (server_id) where a.device_id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(deviceId) });
        await using var reader = await command.ExecuteReaderAsync();
        var regions = new List<string>();
        while (await reader.ReadAsync()) regions.Add(reader.GetString(0));
        return [.. regions];
    }

    /// <summary>Whether the rows say that the device's server in us-east has the peer as it should be.</summary>
    private async Task<bool> IsConfirmedAsync(TestDevice device)
    {
        await using var command = stack.Database.CreateCommand(
            "select p.wanted and p.confirmed = p.revision from cvault.peers p join cvault.server_load l using (server_id) where l.region = 'us-east' and p.public_key = $1");
        command.Parameters.Add(new() { Value = device.PublicKey });
        return await command.ExecuteScalarAsync() is true;
    }

    private static string Line(string config, string name) => config.Split('\n').Single(l => l.StartsWith(name + " =", StringComparison.Ordinal));
}
