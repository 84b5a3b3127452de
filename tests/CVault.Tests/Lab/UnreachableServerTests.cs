using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>Servers that do not answer, do not exist for a while or are not who they were.</summary>
[Collection(Alone.Name)]
public sealed class UnreachableServerTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>How long one lost exchange takes to be noticed (10 s), and the next look.</summary>
    private static readonly TimeSpan Noticed = TimeSpan.FromSeconds(15), Healed = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Row 15 of the plan: one server's management cut both ways, under load, until 1,500 answers after that was noticed (or
    /// 45 s) and at full size for 60 s at least. From when it is noticed nobody waits for that server: 99 of 100 registrations
    /// are answered within a second. Of so many, since all eight clients wait when the machine stands still once, and once more
    /// if that cost the node its lease of the other server; of fewer, 16 may be late.
    /// </summary>
    [Fact]
    public async Task a_server_cut_off_leaves_changes_pending_gets_no_new_devices_and_catches_up_by_itself()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000, requests_per_minute = 1_000_000 });
        var user = await tenant.NewUserAsync();
        var old = await user.NewDeviceAsync("Old", "us-east");
        using var enough = new CancellationTokenSource();
        var load = new Load(await Task.WhenAll(Enumerable.Range(0, Size.Of(8, 32)).Select(_ => tenant.NewUserAsync())), 1_000_000);
        var work = load.RunAsync(enough.Token);
        await Stack.EventuallyAsync("40 registrations", TimeSpan.FromSeconds(30), () => Task.FromResult(load.Progress >= 40));
        Answer pending;
        long cut, noticed, healed;
        try
        {
            await LabServer.Vpn1.CutManagementAsync();
            cut = Stopwatch.GetTimestamp();
            pending = await TimedAsync(() => user.RegisterDeviceAsync("New", "us-east"));
            pending.Is(HttpStatusCode.Created);
            Assert.Equal("pending", pending.Text("peer_status"));
            var revoked = await TimedAsync(() => user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + old.Id));
            Assert.Equal("pending", revoked.Is(HttpStatusCode.OK).Text("peer_status"));

            await OfflineAsync(LabServer.Vpn1);
            noticed = Stopwatch.GetTimestamp();
            await HealthIsAsync("degraded", HttpStatusCode.OK);
            var elsewhere = await TimedAsync(() => user.RegisterDeviceAsync("Anywhere"));
            Assert.Equal("eu-west", (await stack.LiveAsync(elsewhere.Is(HttpStatusCode.Created))).Text("server_region"));
            (await TimedAsync(() => user.RegisterDeviceAsync("There", "us-east"))).IsProblem(503, "SERVER_UNAVAILABLE");
            while (Stopwatch.GetElapsedTime(noticed) < TimeSpan.FromSeconds(6) || Stopwatch.GetElapsedTime(cut) < Size.Seconds(0, 60)
                || (Stopwatch.GetElapsedTime(noticed) < TimeSpan.FromSeconds(45) && load.Attempts.Count(a => a.Begun >= noticed) < 1500))
            {
                await Task.Delay(100);
            }
        }
        finally
        {
            healed = Stopwatch.GetTimestamp();
            await enough.CancelAsync();
            await LabServer.Vpn1.HealManagementAsync();
        }

        var start = Stopwatch.GetTimestamp();
        await work;
        var waiting = await UnconfirmedAsync();
        await Stack.EventuallyAsync("every peer is confirmed", Healed, async () => await UnconfirmedAsync() == 0);
        output.WriteLine($"{waiting} peers were waiting, all confirmed {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after healing");
        var there = await LabServer.Vpn1.PeersAsync();
        Assert.True(there.ContainsKey(pending.Text("public_key")) && !there.ContainsKey(old.PublicKey), "Confirmed, but not so on the server.");
        await HealthyAsync();

        var (before, after) = (load.Attempts.Where(a => a.Within(cut, noticed)).ToArray(), load.Attempts.Where(a => a.Within(noticed, healed)).ToArray());
        output.WriteLine($"noticed {Stopwatch.GetElapsedTime(cut, noticed).TotalSeconds:0.0} s after the cut: until then {before.Length} answers, p99 {Load.P99(before).TotalMilliseconds:0} ms; after it {after.Length} answers, p99 {Load.P99(after).TotalMilliseconds:0} ms, the last {after.Max(a => a.Took).TotalMilliseconds:0} ms, {after.Count(a => a.Took > TimeSpan.FromSeconds(1))} over a second; {load}");
        Assert.True(after.Length >= 100 && after.All(a => a.Outcome == Outcome.Ok), $"Of {after.Length} requests some were not answered 201.");
        Assert.InRange(after.Count(a => a.Took > TimeSpan.FromSeconds(1)), 0, Math.Max(after.Length / 100, 2 * Load.Clients));
        load.IsConsistent();
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), [Acknowledged.Of(pending), .. load.Acknowledged]);
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

    /// <summary>
    /// Row 19: API and PostgreSQL stopped for 15 s, at full size for 10 minutes, and a tunnel pinged five times a second the
    /// whole time. The other server reboots meanwhile.
    /// </summary>
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
            await StackProcess.SignalAsync(StackProcess.Postgres, "QUIT");
            var (seconds, down) = (Size.Of(15, 600), Stopwatch.GetTimestamp());
            // And four seconds longer than must be answered: after its last word ping waits 0.2 s for late answers.
            var pings = west.RunAsync("ping", "-n", "-i", "0.2", "-c", $"{seconds * 5 + 20}", LabClient.Internet);
            Assert.Equal("198.51.100.12", await west.IpAsync());

            await LabServer.Vpn1.RebootAsync();

            var after = await LabServer.Vpn1.PeersAsync();
            Assert.Equal(before.Keys.Order(), after.Keys.Order());
            Assert.All(before.Values, p => Assert.True(after[p.PublicKey].PresharedKey == p.PresharedKey && after[p.PublicKey].Has(p.AllowedIps.Split(',')), $"{p.PublicKey} came back otherwise."));
            var start = Stopwatch.GetTimestamp();
            // A client notices after KEEPALIVE_TIMEOUT + REKEY_TIMEOUT, 15 s, that nobody answers under the old session.
            await Stack.EventuallyAsync("the client's tunnel works again, untouched", TimeSpan.FromSeconds(25), async () => await east.IpAsync(2) == "198.51.100.11");
            output.WriteLine($"tunnel back {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the reboot");
            var said = (await pings).Text;
            output.WriteLine($"without the control plane for {Stopwatch.GetElapsedTime(down).TotalSeconds:0} s: {said.Split('\n').Single(l => l.Contains("packets transmitted", StringComparison.Ordinal))}");
            Assert.Empty(Enumerable.Range(1, seconds * 5).Except(Regex.Matches(said, @"bytes from \S+ icmp_seq=(\d+) ").Select(m => int.Parse(m.Groups[1].Value))));
        }
        finally
        {
            await StackProcess.UpAsync();
            stack.Database.Clear(); // of connections to the database that was
        }

        Assert.Equal(("198.51.100.11", "198.51.100.12"), (await east.IpAsync(), await west.IpAsync()));
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), []);
    }

    /// <summary>Row 39, its first half; what the control plane's own key can do on a server is in <see cref="ControlKeyTests"/>.</summary>
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

    private async Task<long> UnconfirmedAsync()
    {
        await using var command = stack.Database.CreateCommand("select count(*) from cvault.peers where confirmed < revision");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Whatever the answer is, it comes within 4 s: nobody sits out the ten of an exchange that is lost.</summary>
    private static async Task<Answer> TimedAsync(Func<Task<Answer>> ask)
    {
        var time = RunningTime.Start();
        var answer = await ask();
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(4), $"Answered only after {time.Elapsed.TotalSeconds:0.0} s: {(int)answer.Status}");
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
