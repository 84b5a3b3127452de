using System.Diagnostics;
using System.Net;
using CVault.IpLeases;

namespace CVault.Tests.Lab;

/// <summary>The specification's 10.3, from a tenant to a tunnel and back, with the tools that users have.</summary>
public sealed class MainJobTests(Stack stack, ITestOutputHelper output)
{
    [Theory, InlineData("us-east"), InlineData("eu-west")]
    public async Task a_user_registers_a_device_reaches_the_internet_through_it_and_after_its_removal_no_more(string region)
    {
        LabClient.Required();
        // 1 to 3: a tenant, its user, the user's login.
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var login = await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password });
        user = user with { AccessToken = login.Is(HttpStatusCode.OK).Text("access_token") };

        await using var client = await LabClient.NewAsync("main-" + region);
        Assert.Equal("", await client.IpAsync(1));

        // 4: a device, its address, its config.
        var start = Stopwatch.GetTimestamp();
        var registered = (await user.RegisterDeviceAsync("Test Device", region)).Is(HttpStatusCode.Created);
        var answered = Stopwatch.GetElapsedTime(start);
        await stack.LiveAsync(registered);
        Assert.Equal(registered.Text("public_key"), await PublicKeyOfAsync(registered.Text("config")));

        // 5: a tunnel, the server's address outside, names and whole downloads through it.
        await client.ConnectAsync(registered.Text("config"));
        Assert.Equal(LabClient.UplinkOf(region), await client.IpAsync());
        output.WriteLine($"{region}: answered live in {answered.TotalMilliseconds:0} ms, through the tunnel {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms after asking");
        Assert.Contains("latest handshake", (await client.RunAsync("wg", "show")).Text, StringComparison.Ordinal);
        Assert.Equal(LabClient.Internet, (await client.RunAsync("dig", "+short", "+time=2", "whoami.lab")).Text.Trim());
        Assert.Equal("1000000", (await client.CurlAsync("/bytes/1000000", 20, "-o", "/dev/null", "-w", "%{size_download}")).Text);

        // 6 and 7: the session opens and closes.
        var device = Guid.Parse(registered.Text("device_id"));
        Assert.Equal("connected", (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device })).Is(HttpStatusCode.OK).Text("status"));
        var status = (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Is(HttpStatusCode.OK);
        Assert.Equal(("connected", device.ToString(), LabClient.UplinkOf(region)), (status.Text("status"), status.Text("device_id"), status.Text("server_ip")));
        Assert.Equal("disconnected", (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", new { device_id = device })).Is(HttpStatusCode.OK).Text("status"));
        Assert.Equal("disconnected", (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Is(HttpStatusCode.OK).Text("status"));
        Assert.Equal(["session_started_v1", "session_ended_v1"], await EventsAsync(Guid.Parse(status.Text("session_id"))));

        // 8: the device goes, and with it the way out, the peer and the lease.
        var removing = RunningTime.Start();
        (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device)).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("the way out is shut", TimeSpan.FromSeconds(3), async () => await client.IpAsync(1) == "");
        var cut = removing.Elapsed - TimeSpan.FromSeconds(1); // curl's own patience
        output.WriteLine($"{region}: cut off {cut.TotalMilliseconds:0} ms after DELETE");
        Assert.InRange(cut, TimeSpan.MinValue, TimeSpan.FromSeconds(2));
        var server = region == "us-east" ? LabServer.Vpn1 : LabServer.Vpn2;
        await Stack.EventuallyAsync("the peer is gone", TimeSpan.FromSeconds(2), async () => !await server.HasAsync(registered.Text("public_key")));
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device)).IsProblem(404, "NOT_FOUND");
        await IsReleasedAsync(Guid.Parse(registered.Text("server_id")), IPAddress.Parse(registered.Text("assigned_ip")), device);
        await client.DisconnectAsync();
        Assert.Equal("", await client.IpAsync(1));
    }

    [Fact]
    public async Task a_device_that_keeps_its_private_key_to_itself_connects_too()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("own-key");
        var privateKey = (await client.RunAsync("wg", "genkey")).Text.Trim();
        var publicKey = (await Stack.OnAsync(client.Name, ["wg", "pubkey"], privateKey)).Text.Trim();
        var user = await (await stack.NewTenantAsync(new { key_custody = "client" })).NewUserAsync();

        var registered = (await user.RegisterDeviceAsync(region: "us-east", publicKey: publicKey)).Is(HttpStatusCode.Created);
        Assert.Equal(publicKey, registered.Text("public_key"));
        var lines = registered.Text("config").Split('\n');
        Assert.DoesNotContain(lines, l => l.StartsWith("PrivateKey", StringComparison.Ordinal));
        await client.ConnectAsync(string.Join('\n', lines.Select(l => l.StartsWith("# PrivateKey", StringComparison.Ordinal) ? "PrivateKey = " + privateKey : l)));

        Assert.Equal("198.51.100.11", await client.IpAsync());
    }

    [Fact]
    public async Task a_device_that_connects_to_another_region_leaves_the_first_and_goes_out_there()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("mover");
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        await client.ConnectAsync(device.Config);
        Assert.Equal("198.51.100.11", await client.IpAsync());

        var moved = (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id, server_region = "eu-west" })).Is(HttpStatusCode.OK);
        Assert.Equal("198.51.100.12", (await stack.LiveAsync(moved, device.Id)).Text("server_ip"));
        await client.DisconnectAsync();
        await client.ConnectAsync(moved.Text("config"));

        Assert.Equal("198.51.100.12", await client.IpAsync());
        await Stack.EventuallyAsync("the first region's server forgets the device", TimeSpan.FromSeconds(10), async () => !await LabServer.Vpn1.HasAsync(device.PublicKey));
        Assert.Equal(moved.Text("assigned_ip"), (await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK).Text("assigned_ip"));
        var config = await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config", headers: ("Accept", "text/plain"));
        Assert.Equal(moved.Text("config"), config.Is(HttpStatusCode.OK).Body);
    }

    [Fact]
    public async Task a_device_with_rotated_keys_goes_on_under_its_address_and_its_old_keys_open_nothing()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("rotator");
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        await client.ConnectAsync(device.Config);
        Assert.Equal("198.51.100.11", await client.IpAsync());

        var rotated = (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key")).Is(HttpStatusCode.OK);
        await stack.LiveAsync(rotated, device.Id);

        Assert.Equal("", await client.IpAsync(1));
        var peers = await LabServer.Vpn1.PeersAsync();
        Assert.DoesNotContain(device.PublicKey, peers);
        Assert.StartsWith(device.AssignedIp + "/32", peers[rotated.Text("public_key")].AllowedIps, StringComparison.Ordinal);
        await client.DisconnectAsync();
        await client.ConnectAsync(rotated.Text("config"));
        Assert.Equal("198.51.100.11", await client.IpAsync());
    }

    private static async Task<string> PublicKeyOfAsync(string config)
    {
        var privateKey = config.Split('\n').Single(l => l.StartsWith("PrivateKey = ", StringComparison.Ordinal))["PrivateKey = ".Length..];
        return (await Stack.OnAsync("vpn1", ["wg", "pubkey"], privateKey)).Text.Trim();
    }

    private async Task IsReleasedAsync(Guid serverId, IPAddress address, Guid device)
    {
        var number = (address.GetAddressBytes()[2] << 8) + address.GetAddressBytes()[3];
        await using var command = stack.Database.CreateCommand("select device_id is null and free_from > now() from cvault.addresses where server_id = $1 and number = $2");
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = number });
        Assert.True(await command.ExecuteScalarAsync() is true, $"The row of {address} does not say that it is free from some later moment on.");
        Assert.Equal(["ip_leased_v1", "ip_released_v1"], (await EventsAsync(IpLease.StreamId(serverId, number), device)).TakeLast(2));
    }

    /// <summary>The types of a stream's events in order, of one device where it is given.</summary>
    private async Task<string[]> EventsAsync(Guid stream, Guid? device = null)
    {
        await using var command = stack.Database.CreateCommand("select type from cvault.mt_events where stream_id = $1 and ($2::text is null or data->>'deviceId' = $2) order by version");
        command.Parameters.Add(new() { Value = stream });
        command.Parameters.Add(new() { Value = (object?)device?.ToString() ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync();
        var types = new List<string>();
        while (await reader.ReadAsync()) types.Add(reader.GetString(0));
        return [.. types];
    }
}
