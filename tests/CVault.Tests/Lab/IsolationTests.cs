using System.Globalization;

namespace CVault.Tests.Lab;

/// <summary>Row 40 of the plan: two tenants' devices on one server never meet, whatever they write on their packets.</summary>
public sealed class IsolationTests(Stack stack, ITestOutputHelper output)
{
    private const int Port = 8088;

    [Fact]
    public async Task a_device_cannot_reach_another_tenant_s_by_tunnel_address()
    {
        LabClient.Required();
        await using var a = await LabClient.NewAsync("tenant-a");
        await using var b = await LabClient.NewAsync("tenant-b");
        await ConnectAsync(a);
        var (address, address6) = await ConnectAsync(b);
        // A count of what reaches B through its tunnel, and a listener that would answer, on all of B's addresses.
        await CountWhatReachesAsync(b);
        var listener = b.RunAsync("timeout", "20", "perl", "-MIO::Socket::IP", "-e",
            $"$l = IO::Socket::IP->new(LocalHost => '::', LocalPort => {Port}, Listen => 9, ReuseAddr => 1, V6Only => 0) or die; while (accept($c, $l)) {{ close $c }}");
        await Stack.EventuallyAsync("B's listener listens", TimeSpan.FromSeconds(5), () => b.OpensTcpAsync(address, Port));
        Assert.True(await b.OpensTcpAsync(address6, Port));
        Assert.Equal("198.51.100.11", await a.IpAsync());
        Assert.Equal("198.51.100.11", await b.IpAsync());
        var before = await SeenAsync(b);
        Assert.True(before.Internet > 0, "B's counter counts nothing.");

        Assert.False(await a.PingsAsync(address), "A pings B");
        Assert.False(await a.PingsAsync(address6), "A pings B by IPv6");
        Assert.False(await a.OpensTcpAsync(address, Port), "A connects to B");
        Assert.False(await a.OpensTcpAsync(address6, Port), "A connects to B by IPv6");

        var others = (await SeenAsync(b)).Others - before.Others;
        output.WriteLine($"{others} of A's packets reached B");
        Assert.Equal(0, others);
        Assert.False(listener.IsCompleted, "B's listener ended too soon.");
    }

    [Fact]
    public async Task a_device_cannot_send_or_receive_under_another_s_address()
    {
        LabClient.Required();
        await using var a = await LabClient.NewAsync("spoof-a");
        await using var b = await LabClient.NewAsync("spoof-b");
        var (own, _) = await ConnectAsync(a);
        var (address, address6) = await ConnectAsync(b);
        await CountWhatReachesAsync(b);
        Assert.Equal("198.51.100.11", (await a.CurlAsync("/ip", 10, "--interface", own)).Text.Trim());

        await a.RunAsync("ip", "address", "add", address + "/32", "dev", "cvault");
        await a.RunAsync("ip", "address", "add", address6 + "/128", "dev", "cvault", "nodad");
        Assert.NotEqual(0, (await a.CurlAsync("/ip", 2, "--interface", address)).ExitCode);
        Assert.False(await a.PingsAsync(LabClient.Internet, "-I", address), "A pings the internet as B");
        Assert.False(await a.PingsAsync("10.8.0.1", "-I", address), "A pings the server as B");
        Assert.False(await a.PingsAsync("fd8c:7a11:1::1", "-I", address6), "A pings the server as B by IPv6");
        // Nor under an address of nobody's.
        await a.RunAsync("ip", "address", "add", "10.8.254.253/32", "dev", "cvault");
        Assert.NotEqual(0, (await a.CurlAsync("/ip", 2, "--interface", "10.8.254.253")).ExitCode);

        // Not even an answer to what A sent came to B, and neither lost its own by it.
        var seen = await SeenAsync(b);
        output.WriteLine($"{seen.Internet + seen.Others} packets reached B by what A sent under other addresses");
        Assert.Equal((0, 0), seen);
        Assert.Equal("198.51.100.11", await b.IpAsync());
        await a.RunAsync("ip", "address", "delete", address + "/32", "dev", "cvault");
        Assert.Equal("198.51.100.11", await a.IpAsync());
    }

    /// <summary>
    /// While the tunnel finds its server again, everything still goes into the tunnel: of what the client's programs send,
    /// not one packet leaves by the wire beside it, no name, no IPv6, nothing in the clear. (Once the tunnel is taken down
    /// it is the client's program that must shut the way out, and CVault has none yet.)
    /// </summary>
    [Fact]
    public async Task nothing_leaves_beside_a_tunnel_that_is_reconnecting()
    {
        const int Enough = 50;
        LabClient.Required();
        await using var client = await LabClient.NewAsync("reconnecting");
        await ConnectAsync(client);
        // By the tunnel's routes IPv6 would go there too; a route beside it is there to be taken if they did not hold.
        await client.RunAsync("ip", "-6", "route", "add", "default", "dev", "eth0");
        await client.RunAsync("nft", "delete", "table", "inet", "wire");
        await Stack.OnAsync(client.Name, ["nft", "-f", "-"], """
            table inet wire {
              chain out { type filter hook postrouting priority 300; oifname "eth0" jump kinds; oifname "cvault" counter comment "tunnel"; }
              chain kinds {
                udp dport 51820 udp length 156 counter return comment "handshakes"
                udp dport 51820 counter return comment "wireguard"
                icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } return
                counter comment "clear"
              }
              chain lost { type filter hook input priority -300; iifname "eth0" udp sport 51820 drop; }
            }

            """);
        try
        {
            string[][] sent =
            [
                ["curl", "-q", "-s", "-m", "1", $"http://{LabClient.Internet}/ip"], ["dig", "+tries=1", "+time=1", "whoami.lab"], ["dig", "+tries=1", "+time=1", "@" + LabClient.Internet, "whoami.lab"],
                ["ping", "-c1", "-W1", LabClient.Internet], ["ping", "-6", "-c1", "-W1", "fd8c:7a11:1::1"], ["ping", "-6", "-c1", "-W1", "2001:db8::1"],
            ];
            // A client asks for a new session KEEPALIVE_TIMEOUT + REKEY_TIMEOUT, 15 s, after nobody answered it, and every 5 s from then.
            // How much its programs send meanwhile depends on the machine: it is sent until there is enough to see.
            await Stack.EventuallyAsync("the client asks for a new session, twice, and sends much", TimeSpan.FromSeconds(60), async () =>
            {
                Assert.All(await Task.WhenAll(sent.Select(client.RunAsync)), o => Assert.DoesNotContain("198.51.100.11", o.Text, StringComparison.Ordinal));
                return await PacketsAsync(client, "wire", "handshakes") >= 2 && await PacketsAsync(client, "wire", "tunnel") > Enough;
            });
            Assert.Equal(0, await PacketsAsync(client, "wire", "clear"));
            await Stack.OnAsync(client.Name, ["nft", "flush", "chain", "inet", "wire", "lost"]);
            await Stack.EventuallyAsync("the tunnel works again", TimeSpan.FromSeconds(15), async () => await client.IpAsync(1) == "198.51.100.11");

            var (tunnel, clear) = (await PacketsAsync(client, "wire", "tunnel"), await PacketsAsync(client, "wire", "clear"));
            output.WriteLine($"while reconnecting: {tunnel} packets into the tunnel, {await PacketsAsync(client, "wire", "wireguard")} of WireGuard on the wire, {clear} in the clear");
            Assert.Equal(0, clear);

            // And the counter would have seen one.
            await client.RunAsync("ping", "-c1", "-W1", "-I", "eth0", "192.0.2.1");
            Assert.True(await PacketsAsync(client, "wire", "clear") > 0, "The counter counts nothing.");
        }
        finally
        {
            await client.RunAsync("nft", "delete", "table", "inet", "wire");
            await client.RunAsync("ip", "-6", "route", "delete", "default", "dev", "eth0");
        }
    }

    private async Task<(string Address, string Address6)> ConnectAsync(LabClient client)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        await client.ConnectAsync(device.Config);
        var address6 = device.Config.Split('\n').Single(l => l.StartsWith("Address", StringComparison.Ordinal)).Split(',')[1].Trim().Split('/')[0];
        return (device.AssignedIp, address6);
    }

    private static Task<Output> CountWhatReachesAsync(LabClient client) => Stack.OnAsync(client.Name, ["nft", "-f", "-"], """
        table inet seen {}
        delete table inet seen
        table inet seen {
          chain in { type filter hook input priority -300; iifname "cvault" jump kinds; }
          chain kinds { ip saddr 198.51.100.2 counter return comment "internet"; counter comment "others"; }
        }

        """);

    private static async Task<(long Internet, long Others)> SeenAsync(LabClient client) =>
        (await PacketsAsync(client, "seen", "internet"), await PacketsAsync(client, "seen", "others"));

    private static async Task<long> PacketsAsync(LabClient client, string table, string comment)
    {
        var lines = (await Stack.OnAsync(client.Name, ["nft", "list", "table", "inet", table])).Text.Split('\n');
        var words = lines.Single(l => l.Contains($"\"{comment}\"", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return long.Parse(words[Array.IndexOf(words, "packets") + 1], CultureInfo.InvariantCulture);
    }
}
