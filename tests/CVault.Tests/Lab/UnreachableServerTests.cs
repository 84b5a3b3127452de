using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Servers that do not answer, do not exist for a while or are not who they were.</summary>
[Collection(Alone.Name)]
public sealed class UnreachableServerTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>How long one lost exchange takes to be noticed (10 s), and the next look.</summary>
    private static readonly TimeSpan Noticed = TimeSpan.FromSeconds(15), Healed = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task a_server_cut_off_leaves_changes_pending_gets_no_new_devices_and_catches_up_by_itself()
    {
        LabClient.Required();
        var user = await NewUserAsync();
        var old = await user.NewDeviceAsync("Old", "us-east");
        Answer pending;
        long start;
        try
        {
            await LabServer.Vpn1.CutManagementAsync();
            pending = await TimedAsync(() => user.RegisterDeviceAsync("New", "us-east"));
            pending.Is(HttpStatusCode.Created);
            Assert.Equal("pending", pending.Text("peer_status"));
            var revoked = await TimedAsync(() => user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + old.Id));
            Assert.Equal("pending", revoked.Is(HttpStatusCode.OK).Text("peer_status"));

            await OfflineAsync(LabServer.Vpn1);
            await HealthIsAsync("degraded", HttpStatusCode.OK);
            var elsewhere = await TimedAsync(() => user.RegisterDeviceAsync("Anywhere"));
            Assert.Equal(("live", "eu-west"), (elsewhere.Is(HttpStatusCode.Created).Text("peer_status"), elsewhere.Text("server_region")));
            (await TimedAsync(() => user.RegisterDeviceAsync("There", "us-east"))).IsProblem(503, "SERVER_UNAVAILABLE");
        }
        finally
        {
            await LabServer.Vpn1.HealManagementAsync();
            start = Stopwatch.GetTimestamp();
        }

        await Stack.EventuallyAsync("the pending device is live and the revoked one gone", Healed, async () =>
            await LabServer.Vpn1.PeersAsync() is var peers && peers.ContainsKey(pending.Text("public_key")) && !peers.ContainsKey(old.PublicKey));
        output.WriteLine($"caught up {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after healing");
        await HealthyAsync();
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), [Acknowledged.Of(pending)]);
    }

    [Fact]
    public async Task with_every_server_cut_off_there_is_none_to_be_had()
    {
        LabClient.Required();
        var user = await NewUserAsync();
        try
        {
            await Task.WhenAll(LabServer.Vpn1.CutManagementAsync(), LabServer.Vpn2.CutManagementAsync());
            // Something to do for each, so that the silence is noticed now and not at the next pass.
            var pending = await Task.WhenAll(TimedAsync(() => user.RegisterDeviceAsync("A", "us-east")), TimedAsync(() => user.RegisterDeviceAsync("B", "eu-west")));
            Assert.All(pending, p => Assert.Equal("pending", p.Is(HttpStatusCode.Created).Text("peer_status")));
            await OfflineAsync(LabServer.Vpn1);
            await OfflineAsync(LabServer.Vpn2);

            (await TimedAsync(() => user.RegisterDeviceAsync())).IsProblem(503, "SERVER_UNAVAILABLE");
            await HealthIsAsync("unhealthy", HttpStatusCode.ServiceUnavailable);
        }
        finally
        {
            await Task.WhenAll(LabServer.Vpn1.HealManagementAsync(), LabServer.Vpn2.HealManagementAsync());
            await HealthyAsync();
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), []);
    }

    [Fact]
    public async Task tunnels_live_on_and_a_rebooted_server_has_its_peers_without_the_control_plane()
    {
        LabClient.Required();
        await using var east = await LabClient.NewAsync("reboot-east");
        await using var west = await LabClient.NewAsync("reboot-west");
        var user = await NewUserAsync();
        await east.ConnectAsync((await user.NewDeviceAsync("East", "us-east")).Config);
        await west.ConnectAsync((await user.NewDeviceAsync("West", "eu-west")).Config);
        Assert.Equal(("198.51.100.11", "198.51.100.12"), (await east.IpAsync(), await west.IpAsync()));
        var before = await LabServer.Vpn1.PeersAsync();
        try
        {
            StackProcess.Kill(StackProcess.Api);
            Assert.Equal("198.51.100.12", await west.IpAsync(3));

            await LabServer.Vpn1.RebootAsync();

            var after = await LabServer.Vpn1.PeersAsync();
            Assert.Equal(before.Keys.Order(), after.Keys.Order());
            Assert.All(before.Values, p => Assert.True(after[p.PublicKey].PresharedKey == p.PresharedKey && after[p.PublicKey].Has(p.AllowedIps.Split(',')), $"{p.PublicKey} came back otherwise."));
            var start = Stopwatch.GetTimestamp();
            // A client notices after KEEPALIVE_TIMEOUT + REKEY_TIMEOUT, 15 s, that nobody answers under the old session.
            await Stack.EventuallyAsync("the client's tunnel works again, untouched", TimeSpan.FromSeconds(25), async () => await east.IpAsync(2) == "198.51.100.11");
            output.WriteLine($"tunnel back {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the reboot");
        }
        finally
        {
            await StackProcess.UpAsync();
        }

        Assert.Equal(("198.51.100.11", "198.51.100.12"), (await east.IpAsync(3), await west.IpAsync(3)));
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), []);
    }

    [Fact]
    public async Task a_server_that_shows_another_host_key_is_sent_nothing()
    {
        LabClient.Required();
        const string key = "/etc/ssh/ssh_host_ed25519_key";
        var user = await NewUserAsync();
        await user.NewDeviceAsync("Before", "us-east");
        Answer pending;
        var before = await LabServer.Vpn1.PeersAsync();
        var (apiLog, sshdLog) = (StackProcess.LengthOf(StackProcess.ApiLog), StackProcess.LengthOf(LabServer.Vpn1.Log));
        await Stack.OnAsync("vpn1", ["sh", "-c", $"cp -a {key} {key}.true && cp -a {key}.pub {key}.pub.true && rm {key} && ssh-keygen -q -t ed25519 -N '' -f {key}"]);
        try
        {
            await LabServer.Vpn1.RestartSshdAsync();
            pending = await user.RegisterDeviceAsync("During", "us-east");

            await Stack.EventuallyAsync("the alarm is in the log", TimeSpan.FromSeconds(30), async () =>
                (await StackProcess.LoggedAsync(StackProcess.ApiLog, apiLog)).Split('\n').Any(l => l.Contains("ALARM", StringComparison.Ordinal) && l.Contains("vpn1", StringComparison.Ordinal) && l.Contains("host key", StringComparison.Ordinal)));
            await OfflineAsync(LabServer.Vpn1);
            await HealthIsAsync("degraded", HttpStatusCode.OK);
            Assert.Equal(before.Keys.Order(), (await LabServer.Vpn1.PeersAsync()).Keys.Order());
            Assert.DoesNotContain("Accepted ", await StackProcess.LoggedAsync(LabServer.Vpn1.Log, sshdLog), StringComparison.Ordinal);
        }
        finally
        {
            await Stack.OnAsync("vpn1", ["sh", "-c", $"mv {key}.true {key} && mv {key}.pub.true {key}.pub"]);
            await LabServer.Vpn1.RestartSshdAsync();
            await HealthyAsync();
        }

        Assert.Contains("Accepted publickey for cvault", await StackProcess.LoggedAsync(LabServer.Vpn1.Log, sshdLog), StringComparison.Ordinal);
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), pending.Status == HttpStatusCode.Created ? [Acknowledged.Of(pending)] : []);
    }

    private async Task<TestUser> NewUserAsync() => await (await stack.NewTenantAsync(new { max_devices_per_user = 100 })).NewUserAsync();

    /// <summary>Whatever the answer is, it comes within 2.5 s.</summary>
    private static async Task<Answer> TimedAsync(Func<Task<Answer>> ask)
    {
        var start = Stopwatch.GetTimestamp();
        var answer = await ask();
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(2.5), $"Answered only after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {(int)answer.Status}");
        return answer;
    }

    private async Task OfflineAsync(LabServer server)
    {
        await Stack.EventuallyAsync($"GET /admin/servers shows {server.Name} offline", Noticed, async () => (await server.ViewAsync(stack)).Text("status") == "offline");
        Assert.Equal("false", (await server.ViewAsync(stack)).Text("reachable"));
    }

    private async Task HealthIsAsync(string status, HttpStatusCode code)
    {
        var health = await stack.SendAsync(HttpMethod.Get, "/health");
        Assert.Equal((code, status), (health.Status, health.Text("status")));
    }

    private Task HealthyAsync() => Stack.EventuallyAsync("/health is healthy", Healed, async () => (await stack.SendAsync(HttpMethod.Get, "/health")).Text("status") == "healthy");
}
