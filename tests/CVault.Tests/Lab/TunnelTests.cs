using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace CVault.Tests.Lab;

/// <summary>
/// <c>CVault.Sdk.Tunnel</c> on a real client host, against a real server: up and down without a trace, a kill switch that
/// outlives its program, and a server that is rebooted under it. Alone, since that server is everybody's.
/// </summary>
[Collection(Alone.Name)]
public sealed class TunnelTests(Stack stack, ITestOutputHelper output)
{
    private const string UsEast = "198.51.100.11", EuWest = "198.51.100.12";

    [Fact]
    public async Task a_tunnel_goes_up_is_used_and_goes_down_without_a_trace()
    {
        LabClient.Required();
        await using var client = await NewClientAsync("sdk-tunnel");
        var before = await TraceAsync(client);
        Assert.Null(await TunnelProgram.AskAsync(client, "status"));
        Assert.Equal("", await client.IpAsync(1));

        var config = await NewConfigAsync("us-east");
        var (program, status) = await TunnelProgram.UpAsync(client, config);
        await using var _ = program;
        Is("Up", status, killSwitch: false);
        Assert.Equal(UsEast + ":51820", status["Endpoint"]!.ToString());
        Assert.Equal(UsEast, await client.IpAsync());
        Assert.Equal("198.51.100.2", (await client.RunAsync("dig", "+short", "+time=2", "whoami.lab")).Text.Trim());
        Assert.Equal(UsEast, (await client.RunAsync("curl", "-q", "-s", "-m", "10", "http://whoami.lab/ip")).Text.Trim());
        Assert.True(await client.PingsAsync("fd8c:7a11:1::1"), "IPv6 does not go through the tunnel.");

        // Another program sees the same, and leaves it up.
        await client.CurlAsync("/bytes/1000000");
        var seen = (await TunnelProgram.AskAsync(client, "status"))!;
        Is("Up", seen, killSwitch: false);
        Assert.True(seen["RxBytes"]!.GetValue<long>() > 1_000_000, seen.ToJsonString());
        Assert.Equal(UsEast, await client.IpAsync());
        var twice = await TunnelProgram.UpAsync(client, config);
        await using var __ = twice.Program;
        Assert.Equal("ALREADY_UP", twice.Status["Code"]!.ToString());

        // Keys reach the tools by standard input alone.
        var keys = config.Split('\n').Where(l => l.StartsWith("PrivateKey", StringComparison.Ordinal) || l.StartsWith("PresharedKey", StringComparison.Ordinal)).Select(l => l.Split('=', 2)[1].Trim()).ToList();
        var files = (await client.RunAsync("sh", "-c", "cat /run/cvault/* /etc/resolv.conf; stat -c %a /run/cvault /run/cvault/*.json")).Text;
        Assert.EndsWith("700\n600\n", files, StringComparison.Ordinal);
        await program.CloseAsync();
        Assert.Equal(2, keys.Count);
        Assert.All(keys, key => Assert.DoesNotContain(key, files + program.Log + string.Concat(program.Said), StringComparison.Ordinal));

        Is("Down", JsonNode.Parse(program.Said[^1])!, killSwitch: false);
        Assert.Equal(before, await TraceAsync(client));
        Assert.Null(await TunnelProgram.AskAsync(client, "status"));
        Assert.Equal("", await client.IpAsync(1));
    }

    [Fact]
    public async Task a_kill_switch_outlives_its_program_and_another_one_takes_it_down()
    {
        LabClient.Required();
        await using var client = await NewClientAsync("sdk-crash");
        var before = await TraceAsync(client);
        await using var uplink = await Uplink.WatchAsync(client);
        var (program, status) = await TunnelProgram.UpAsync(client, await NewConfigAsync("us-east"), "kill-switch");
        await using var _ = program;
        Is("Up", status, killSwitch: true);
        await uplink.StartAgainAsync();
        await program.KillAsync();

        // Without its program the tunnel goes on.
        Assert.Equal(UsEast, await client.IpAsync());
        Is("Up", (await TunnelProgram.AskAsync(client, "status"))!, killSwitch: true);
        // And without the tunnel nothing goes on.
        await Stack.OnAsync(client.Name, ["ip", "link", "delete", "dev", TunnelProgram.Interface]);
        await SendEverythingAsync(client);
        Is("Down", (await TunnelProgram.AskAsync(client, "status"))!, killSwitch: true);
        Assert.Equal((0, ""), await uplink.BesideTheTunnelAsync());

        // From one region to another, with nothing in between.
        Is("Down", (await TunnelProgram.AskAsync(client, "keep"))!, killSwitch: true);
        await SendEverythingAsync(client);
        var (next, there) = await TunnelProgram.UpAsync(client, await NewConfigAsync("eu-west"), "kill-switch");
        await using var __ = next;
        Is("Up", there, killSwitch: true);
        Assert.Equal(EuWest, await client.IpAsync());
        Assert.Equal((0, ""), await uplink.BesideTheTunnelAsync());

        await next.KillAsync();
        Is("Down", (await TunnelProgram.AskAsync(client, "down"))!, killSwitch: false);
        Assert.Equal(before, await TraceAsync(client));
        Assert.True(await client.PingsAsync(UsEast), "The way out is still shut.");
        Assert.True((await uplink.BesideTheTunnelAsync()).Packets > 0, "The uplink's counter counts nothing.");
    }

    [Fact]
    public async Task while_the_server_is_rebooted_nothing_leaves_and_the_tunnel_is_back_within_ten_seconds()
    {
        const int Reboots = 3, Enough = 30;
        LabClient.Required();
        await using var client = await NewClientAsync("sdk-reboot");
        var before = await TraceAsync(client);
        await using var uplink = await Uplink.WatchAsync(client);
        var (program, status) = await TunnelProgram.UpAsync(client, await NewConfigAsync("us-east"), "kill-switch");
        await using var _ = program;
        Is("Up", status, killSwitch: true);
        // A way beside the tunnel, there to be taken if its rules did not hold.
        await client.RunAsync("ip", "-6", "route", "add", "default", "dev", "eth0");
        await uplink.StartAgainAsync();

        var sent = 0;
        using var enough = new CancellationTokenSource();
        var sending = Task.Run(async () =>
        {
            for (; !enough.IsCancellationRequested; sent++) await SendEverythingAsync(client);
        });
        try
        {
            for (var i = 0; i < Reboots; i++)
            {
                await LabServer.Vpn1.RebootAsync();
                var up = Stopwatch.GetTimestamp();
                await Stack.EventuallyAsync("the tunnel is back", TimeSpan.FromSeconds(10), async () => await client.IpAsync(1) == UsEast);
                output.WriteLine($"back {Stopwatch.GetElapsedTime(up).TotalSeconds:0.0} s after the server");
            }
        }
        finally
        {
            await enough.CancelAsync();
            await sending;
        }

        var (beside, kinds) = await uplink.BesideTheTunnelAsync();
        output.WriteLine($"on the uplink: {await uplink.WireGuardAsync()} packets of WireGuard, {beside} others {kinds}; everything was sent {sent} times");
        Assert.Equal((0, ""), (beside, kinds));
        Assert.True(await uplink.WireGuardAsync() > Enough, "Hardly anything went through the tunnel.");
        Assert.Contains("a new session", program.Log, StringComparison.Ordinal);

        await program.CloseAsync();
        await client.RunAsync("ip", "-6", "route", "delete", "default", "dev", "eth0");
        Assert.Equal(before, await TraceAsync(client));
        await client.PingsAsync(UsEast);
        Assert.True((await uplink.BesideTheTunnelAsync()).Packets > 0, "The uplink's counter counts nothing.");
    }

    [Fact]
    public async Task of_two_tunnels_one_goes_and_the_other_carries_everything_also_after_its_kill_switch_was_flushed()
    {
        const string Other = "cvault1";
        LabClient.Required();
        await using var client = await NewClientAsync("sdk-two");
        await TunnelProgram.AskAsync(client, "down", Other);
        var before = await TraceAsync(client);
        await using var uplink = await Uplink.WatchAsync(client);
        var networks = string.Join('\n', (await NewConfigAsync("us-east")).Split('\n').Select(l => l.StartsWith("AllowedIPs", StringComparison.Ordinal) ? "AllowedIPs = 10.123.0.0/16, fd8c:7a11:1::/64" : l));
        var (split, first) = await TunnelProgram.UpAsync(client, Other, networks, []);
        await using var _ = split;
        Is("Up", first, killSwitch: false);
        Assert.True(await client.PingsAsync("fd8c:7a11:1::1"), "The split tunnel carries nothing.");
        Assert.Equal("", await client.IpAsync(1));
        var (full, second) = await TunnelProgram.UpAsync(client, await NewConfigAsync("eu-west"), "kill-switch");
        await using var __ = full;
        Is("Up", second, killSwitch: true);
        Assert.Equal(EuWest, await client.IpAsync());
        await uplink.StartAgainAsync();

        await Task.WhenAll(SendEverythingAsync(client), split.CloseAsync());
        Assert.Equal(EuWest, await client.IpAsync());
        Assert.Equal("198.51.100.2", (await client.RunAsync("dig", "+short", "+time=2", "whoami.lab")).Text.Trim());
        await SendEverythingAsync(client);
        Assert.Equal((0, ""), await uplink.BesideTheTunnelAsync());

        // As `systemctl reload nftables` does.
        await Stack.OnAsync(client.Name, ["nft", "flush", "ruleset"]);
        var flushed = Stopwatch.GetTimestamp();
        await Stack.EventuallyAsync("the kill switch stands again", TimeSpan.FromSeconds(5), async () =>
            (await client.RunAsync("nft", "list", "table", "inet", "cvault-kill-" + TunnelProgram.Interface)).ExitCode == 0);
        output.WriteLine($"the kill switch stood again {Stopwatch.GetElapsedTime(flushed).TotalSeconds:0.0} s after it was flushed");
        await uplink.StartAgainAsync();
        Is("Up", (await TunnelProgram.AskAsync(client, "status"))!, killSwitch: true);
        Assert.Equal(EuWest, await client.IpAsync());
        await SendEverythingAsync(client);
        Assert.Equal((0, ""), await uplink.BesideTheTunnelAsync());
        Assert.Contains("another program removed the kill switch", full.Log, StringComparison.Ordinal);

        await full.CloseAsync();
        Assert.Equal(before, await TraceAsync(client));
        await client.PingsAsync(UsEast);
        Assert.True((await uplink.BesideTheTunnelAsync()).Packets > 0, "The uplink's counter counts nothing.");
    }

    /// <summary>A client without what a run that was cut short left there.</summary>
    private static async Task<LabClient> NewClientAsync(string name)
    {
        var client = await LabClient.NewAsync(name);
        await TunnelProgram.AskAsync(client, "down");
        return client;
    }

    private async Task<string> NewConfigAsync(string region)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        return (await user.NewDeviceAsync(region: region)).Config;
    }

    private static void Is(string state, JsonNode status, bool killSwitch)
    {
        Assert.True(status["State"]?.ToString() == state, status.ToJsonString());
        Assert.Equal(killSwitch, status["KillSwitch"]!.GetValue<bool>());
    }

    /// <summary>Everything that a tunnel could leave behind on a host.</summary>
    private static async Task<string> TraceAsync(LabClient client)
    {
        // Without what the kernel does by itself for eth0's IPv6, in its own time.
        const string commands = """
            for f in -4 -6; do ip $f rule; ip $f route show table all | grep -v fe80 | grep -v 'ff00::/8'; done
            ip -o link | cut -d: -f2; ip -o address | grep -v fe80 | awk '{print $2,$4}'
            nft list ruleset; cat /etc/resolv.conf; ls -A /etc | grep resolv; cat /proc/sys/net/ipv4/conf/all/src_valid_mark
            ls /run/wireguard /run/cvault 2>/dev/null | grep -vE '^lock$|^/run|^$'; true
            """;
        return (await Stack.OnAsync(client.Name, ["sh", "-c", commands])).Text;
    }

    /// <summary>One of everything that programs send, to inside and outside, by name and by address, IPv4 and IPv6.</summary>
    private static Task<Output[]> SendEverythingAsync(LabClient client)
    {
        string[][] all =
        [
            ["curl", "-q", "-s", "-m", "1", $"http://{LabClient.Internet}/ip"], ["dig", "+tries=1", "+time=1", "whoami.lab"], ["dig", "+tries=1", "+time=1", "@192.0.2.1", "whoami.lab"],
            ["ping", "-c1", "-W1", LabClient.Internet], ["ping", "-c1", "-W1", UsEast], ["ping", "-c1", "-W1", "-I", "eth0", "192.0.2.1"], ["ping", "-c1", "-W1", "-b", "192.0.2.255"],
            ["ping", "-6", "-c1", "-W1", "fd8c:7a11:1::1"], ["ping", "-6", "-c1", "-W1", "2001:db8::1"], ["ping", "-6", "-c1", "-W1", "ff02::1%eth0"],
        ];
        return Task.WhenAll(all.Select(client.RunAsync));
    }

    /// <summary>
    /// The router's end of a client's cable: whatever frame comes out of the client is counted there, by what it is. Of those
    /// beside the tunnel only ARP may be, without which no packet of WireGuard's finds the router.
    /// </summary>
    private sealed class Uplink(string port) : IAsyncDisposable
    {
        private string Table => "wire-" + port;

        public static async Task<Uplink> WatchAsync(LabClient client)
        {
            var address = await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "lab/hosts", client.Name, "client-address"));
            var uplink = new Uplink("client" + address.Trim().Split('.')[^1]);
            await uplink.StartAgainAsync();
            return uplink;
        }

        public Task<Output> StartAgainAsync() => Stack.OnAsync("router", ["nft", "-f", "-"], $$"""
            table netdev {{Table}} {}
            delete table netdev {{Table}}
            table netdev {{Table}} {
              chain kinds {
                ip daddr { {{UsEast}}, {{EuWest}} } udp dport 51820 counter return comment "wireguard"
                ether type arp return
                ether type ip counter return comment "IPv4"
                ether type ip6 counter return comment "IPv6"
                counter comment "other"
              }
              chain in { type filter hook ingress device "{{port}}" priority -500; jump kinds; }
            }

            """);

        public async Task<long> WireGuardAsync() => (await CountsAsync()).Single(c => c.Kind == "wireguard").Packets;

        public async Task<(long Packets, string Kinds)> BesideTheTunnelAsync()
        {
            var beside = (await CountsAsync()).Where(c => c.Kind != "wireguard" && c.Packets > 0).ToList();
            return (beside.Sum(c => c.Packets), string.Join(", ", beside));
        }

        public async ValueTask DisposeAsync() => await Stack.OnAsync("router", ["nft", "delete", "table", "netdev", Table], mayFail: true);

        private async Task<(string Kind, long Packets)[]> CountsAsync() =>
            [.. (await Stack.OnAsync("router", ["nft", "list", "table", "netdev", Table])).Text.Split('\n').Where(l => l.Contains("counter packets", StringComparison.Ordinal))
                .Select(l => (l.Split('"')[1], long.Parse(l.Split("packets ")[1].Split(' ')[0], CultureInfo.InvariantCulture)))];
    }
}
