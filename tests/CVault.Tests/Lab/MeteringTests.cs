using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Bytes and sessions, as real tunnels make them.</summary>
public sealed class MeteringTests(Stack stack, ITestOutputHelper output) : SessionLab(stack)
{
    private readonly Stack stack = stack;

    /// <summary>6 clients, at full size 50 with 1 GB and more in all.</summary>
    [Fact]
    public async Task what_was_downloaded_is_metered_to_the_byte()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var tunnels = await TunnelsAsync(tenant, "exact", Size.Of(6, 50));
        var amounts = tunnels.Select((_, i) => Size.Of(1_000_000, 20_000_000) + i * 123_457L).ToArray();
        try
        {
            await Task.WhenAll(tunnels.Select(async (t, i) => Assert.Equal(0, (await t.Client.CurlAsync($"/bytes/{amounts[i]}", Size.Of(60, 900), "-o", "/dev/null")).ExitCode)));
        }
        finally
        {
            foreach (var tunnel in tunnels) await tunnel.Client.DisposeAsync();
        }

        TestDevice[] devices = [.. tunnels.Select(t => t.Device)];
        var total = await Usage.ExactAsync(tenant.Id, devices);
        var metered = await Usage.OfDevicesAsync(tenant.Id);
        Assert.All(tunnels.Select((t, i) => (t.Device, Amount: amounts[i])), t => Assert.True(metered[Guid.Parse(t.Device.Id)].Tx >= t.Amount, $"Of {t.Amount} bytes {metered[Guid.Parse(t.Device.Id)].Tx} were metered."));
        Assert.True(amounts.Sum() >= Size.Of(0, 1_000_000_000L));

        // So it is after the next readings.
        await Usage.ReadAnewAsync();
        await Usage.ExactAsync(tenant.Id, devices);
        output.WriteLine($"{tunnels.Count} clients downloaded {amounts.Sum():N0} bytes; WireGuard counted and CVault metered {total.Rx:N0} received and {total.Tx:N0} sent, 0 apart");
    }

    [Fact]
    public async Task a_tunnel_that_comes_up_is_a_session_and_stays_one_while_it_roams_and_rekeys()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync("Quiet", "us-east");
        await using var client = await LabClient.NewAsync("quiet");

        // Not a word to the API.
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 100_000);
        var first = await OnlySessionAsync(user, "up");
        var begun = Assert.Single(await SessionsAsync(device, tenant));
        Assert.Equal(("handshake", first.Text("session_id")), (begun.By, begun.Id.ToString()));
        await Stack.EventuallyAsync("its bytes are shown", Soon, async () => (long)(await StatusAsync(user)).Json["sessions"]![0]!["tx_bytes"]! >= 100_000);
        var shown = (await StatusAsync(user)).Json["sessions"]![0]!;
        Assert.Equal((device.Id, device.AssignedIp, "us-east"), (shown["device_id"]!.ToString(), shown["assigned_ip"]!.ToString(), shown["server_region"]!.ToString()));
        Assert.InRange((long)shown["read_age_seconds"]!, 0, (long)(Stack.MeterInterval + TimeSpan.FromSeconds(15)).TotalSeconds);

        // The app says what is known already.
        var connected = (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK);
        Assert.Equal(first.Text("session_id"), connected.Text("session_id"));

        // Another port, and then another handshake.
        await client.RunAsync("wg", "set", "cvault", "listen-port", "40123");
        await DownloadAsync(client, 100_000);
        var handshake = await HandshakeAsync(device);
        await RestartAsync(client, device, handshake);
        await Usage.ReadAnewAsync(LabServer.Vpn1);
        Assert.Equal(first.Text("session_id"), (await OnlySessionAsync(user, "up")).Text("session_id"));
        Assert.Single(await SessionsAsync(device, tenant));
        await client.DisconnectAsync();
        await Usage.ExactAsync(tenant.Id, device);
    }

    [Fact]
    public async Task a_disconnect_ends_the_session_and_only_a_handshake_after_it_begins_another()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync("Leaves", "eu-west");
        await using var client = await LabClient.NewAsync("leaves");
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 50_000);
        await OnlySessionAsync(user, "up");

        // As an app does it: the word, and the tunnel down.
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect")).Is(HttpStatusCode.OK);
        await client.DisconnectAsync();
        await Usage.ReadAnewAsync(LabServer.Vpn2);
        Assert.Equal("disconnected", Assert.Single(await SessionsAsync(device, tenant)).EndReason);
        Assert.Equal("disconnected", (await StatusAsync(user)).Text("status"));

        // Up again, and it stays up through the next word: it is connected, whatever was said, once that shows.
        var handshake = await HandshakeAsync(device);
        await RestartAsync(client, device, handshake);
        await OnlySessionAsync(user, "up");
        Assert.Equal(2, (await SessionsAsync(device, tenant)).Count);
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect")).Is(HttpStatusCode.OK);
        await DownloadAsync(client, 50_000);
        await Usage.ReadAnewAsync(LabServer.Vpn2);
        Assert.Equal(2, (await SessionsAsync(device, tenant)).Count);
        handshake = await HandshakeAsync(device);
        await RestartAsync(client, device, handshake);
        await OnlySessionAsync(user, "up");
        Assert.Equal(["disconnected", "disconnected", null], (await SessionsAsync(device, tenant)).Select(s => s.EndReason));

        await client.DisconnectAsync();
        await Usage.ExactAsync(tenant.Id, device);
    }

    [Fact]
    public async Task a_revoked_device_is_metered_to_its_last_byte_also_where_no_reading_ever_saw_it()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        await using var client = await LabClient.NewAsync("revoked");
        TestDevice[] devices = [await user.NewDeviceAsync("Seen", "us-east"), await user.NewDeviceAsync("Unseen", "us-east")];
        foreach (var (device, read) in devices.Zip([true, false]))
        {
            await client.ConnectAsync(device.Config);
            await DownloadAsync(client, 100_000);
            if (read) await Usage.ReadAnewAsync(LabServer.Vpn1);
            await DownloadAsync(client, 200_000);
            (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK);
            await client.DisconnectAsync();
        }

        await Usage.ReadAnewAsync(LabServer.Vpn1);
        var total = await Usage.ExactAsync(tenant.Id, devices);
        Assert.True(total.Tx > 600_000, $"{total.Tx} bytes");
        Assert.Contains((await SessionsAsync(devices[0], tenant)), s => s.EndReason == "device_revoked");
        output.WriteLine($"metered {total.Rx:N0} received, {total.Tx:N0} sent, as their removals reported");
    }

    [Fact]
    public async Task a_device_whose_key_was_rotated_goes_on_in_its_session()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync("Rotated", "eu-west");
        await using var client = await LabClient.NewAsync("rotated");
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 100_000);
        var before = await OnlySessionAsync(user, "up");

        var rotated = (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key")).Is(HttpStatusCode.OK);
        await client.DisconnectAsync();
        await client.ConnectAsync(rotated.Text("config"));
        await DownloadAsync(client, 100_000);
        await Usage.ReadAnewAsync(LabServer.Vpn2);
        Assert.Equal(before.Text("session_id"), (await OnlySessionAsync(user, "up")).Text("session_id"));
        Assert.Single(await SessionsAsync(device, tenant));
        await client.DisconnectAsync();
        var total = await Usage.ExactAsync(tenant.Id, device with { PublicKey = rotated.Text("public_key") });
        Assert.True(total.Tx > 200_000, $"{total.Tx} bytes");
        // Both keys' bytes are shown as the session's.
        Assert.True((long)(await StatusAsync(user)).Json["sessions"]![0]!["tx_bytes"]! >= total.Tx);
    }

    /// <summary>Row 23: 25 peers, at full size 500.</summary>
    [Fact]
    public async Task a_suspended_tenant_is_off_within_10_seconds_and_back_within_10_and_metered_all_through()
    {
        LabClient.Required();
        var peers = Size.Of(25, 500);
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000 });
        var user = await tenant.NewUserAsync();
        var devices = new List<TestDevice>();
        foreach (var some in Enumerable.Range(0, peers).Chunk(16))
        {
            devices.AddRange(await Task.WhenAll(some.Select(i => user.NewDeviceAsync($"Device {i}", i % 2 == 0 ? "us-east" : "eu-west"))));
        }

        LabClient[] clients = [await LabClient.NewAsync("off-1"), await LabClient.NewAsync("off-2")];
        try
        {
            foreach (var (client, device) in clients.Zip(devices))
            {
                await client.ConnectAsync(device.Config);
                await DownloadAsync(client, 200_000);
            }

            (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = devices[2].Id })).Is(HttpStatusCode.OK);
            await Stack.EventuallyAsync("three sessions", Soon, async () => (await StatusAsync(user)).Json["sessions"]!.AsArray().Count == 3);

            var start = Stopwatch.GetTimestamp();
            (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
            (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).IsProblem(403, "TENANT_SUSPENDED");
            await Stack.EventuallyAsync("all its peers are off", TimeSpan.FromSeconds(10), async () => await ThereAsync(devices) == 0);
            output.WriteLine($"{peers} peers off after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
            await Stack.EventuallyAsync("its sessions are over", Soon, async () =>
                (await Usage.SessionsAsync(tenant.Id)) is { Count: 3 } all && all.All(s => s.EndReason == "tenant_suspended"));

            start = Stopwatch.GetTimestamp();
            (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
            await Stack.EventuallyAsync("all its peers are back", TimeSpan.FromSeconds(10), async () => await ThereAsync(devices) == peers);
            output.WriteLine($"back after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");

            foreach (var client in clients)
            {
                await Stack.EventuallyAsync("its tunnel works again, untouched", TimeSpan.FromSeconds(30), async () => (await client.CurlAsync("/bytes/200000", 5, "-o", "/dev/null")).ExitCode == 0);
            }

            await Stack.EventuallyAsync("who is heard has a session again", Soon, async () => (await StatusAsync(user)).Json["sessions"]!.AsArray().Count == 2);
        }
        finally
        {
            foreach (var client in clients) await client.DisposeAsync();
        }

        var total = await Usage.ExactAsync(tenant.Id, [.. devices]);
        Assert.True(total.Tx > 800_000, $"{total.Tx} bytes");
        output.WriteLine($"metered {total.Rx:N0} received, {total.Tx:N0} sent, each as it was reported");
    }

    private static async Task<int> ThereAsync(IReadOnlyCollection<TestDevice> devices)
    {
        var (vpn1, vpn2) = (await LabServer.Vpn1.PeersAsync(), await LabServer.Vpn2.PeersAsync());
        return devices.Count(d => (d.Region == "us-east" ? vpn1 : vpn2).ContainsKey(d.PublicKey));
    }

    private static async Task<List<(LabClient Client, TestDevice Device)>> TunnelsAsync(TestTenant tenant, string name, int count)
    {
        var tunnels = new List<(LabClient, TestDevice)>();
        foreach (var some in Enumerable.Range(0, count).Chunk(6))
        {
            tunnels.AddRange(await Task.WhenAll(some.Select(async i =>
            {
                var device = await (await tenant.NewUserAsync()).NewDeviceAsync($"Device {i}", i % 2 == 0 ? "us-east" : "eu-west");
                var client = await LabClient.NewAsync(string.Create(CultureInfo.InvariantCulture, $"{name}-{i}"));
                await client.ConnectAsync(device.Config);
                return (client, device);
            })));
        }

        return tunnels;
    }
}

/// <summary>Of its own, since it waits for minutes.</summary>
public sealed class VanishedClientTests(Stack stack, ITestOutputHelper output) : SessionLab(stack)
{
    private readonly Stack stack = stack;

    /// <summary>Row 22.</summary>
    [Fact]
    public async Task the_session_of_a_client_that_vanished_ends_180_seconds_after_its_last_handshake()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync("Vanishes", "us-east");
        await using var client = await LabClient.NewAsync("vanishes");
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 50_000);
        var session = await OnlySessionAsync(user, "up");
        await client.RunAsync("ip", "link", "delete", "cvault"); // Without a packet.
        var last = DateTimeOffset.FromUnixTimeSeconds(await HandshakeAsync(device));
        var (ago, waited) = (DateTimeOffset.UtcNow - last, RunningTime.Start());

        LabSession? ended = null;
        await Stack.EventuallyAsync("its session is over", TimeSpan.FromSeconds(240), async () => (ended = Assert.Single(await SessionsAsync(device, tenant))).EndReason is not null);
        var seen = DateTimeOffset.UtcNow - last;
        Assert.Equal((session.Text("session_id"), "timed_out"), (ended!.Id.ToString(), ended.EndReason));
        Assert.True(seen.TotalSeconds >= 180, "It ended too early.");
        Assert.InRange((ago + waited.Elapsed).TotalSeconds, 0, (TimeSpan.FromSeconds(180 + 5) + Stack.MeterInterval).TotalSeconds);
        // A handshake's time is of whole seconds.
        Assert.InRange((ended.EndedAt!.Value - last).TotalSeconds, 180, 181);
        output.WriteLine($"ended {seen.TotalSeconds:0.0} s after the last handshake, as of {(ended.EndedAt.Value - last).TotalSeconds:0.0} s after it");
        Assert.Equal("disconnected", (await StatusAsync(user)).Text("status"));

        // Heard again, it is another session.
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 50_000);
        Assert.NotEqual(session.Text("session_id"), (await OnlySessionAsync(user, "up")).Text("session_id"));
        await client.DisconnectAsync();
        await Usage.ExactAsync(tenant.Id, device);
    }
}

/// <summary>What tests see of sessions, from the user's and from the server's side.</summary>
public abstract class SessionLab(Stack stack)
{
    protected static readonly TimeSpan Soon = Stack.MeterInterval + TimeSpan.FromSeconds(30);

    protected static async Task DownloadAsync(LabClient client, int bytes) => Assert.Equal(0, (await client.CurlAsync($"/bytes/{bytes}", 30, "-o", "/dev/null")).ExitCode);

    protected static async Task<Answer> StatusAsync(TestUser user) => (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Is(HttpStatusCode.OK);

    protected Usage Usage { get; } = new(stack);

    protected Task<List<LabSession>> SessionsAsync(TestDevice device, TestTenant tenant) => Usage.SessionsAsync(tenant.Id, Guid.Parse(device.Id));

    protected static async Task<long> HandshakeAsync(TestDevice device) => (await ServerOf(device).CountersAsync())[device.PublicKey].Handshake;

    protected static LabServer ServerOf(TestDevice device) => device.Region == "us-east" ? LabServer.Vpn1 : LabServer.Vpn2;

    /// <summary>The status, once it has one session with its tunnel so.</summary>
    protected static async Task<Answer> OnlySessionAsync(TestUser user, string tunnel)
    {
        Answer? status = null;
        await Stack.EventuallyAsync($"one session, its tunnel {tunnel}", Soon, async () =>
            (status = await StatusAsync(user)).Json["sessions"]!.AsArray() is [var only] && only!["tunnel"]!.ToString() == tunnel);
        return status!;
    }

    /// <summary>The client's interface made anew, until the server has heard a handshake after that one.</summary>
    protected static async Task RestartAsync(LabClient client, TestDevice device, long before)
    {
        // Handshakes are told apart by seconds.
        await Stack.EventuallyAsync("another second", TimeSpan.FromSeconds(3), () => Task.FromResult(DateTimeOffset.UtcNow.ToUnixTimeSeconds() > before + 1));
        await client.DisconnectAsync();
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 50_000);
        await Stack.EventuallyAsync("another handshake", TimeSpan.FromSeconds(10), async () => await HandshakeAsync(device) > before);
    }
}
