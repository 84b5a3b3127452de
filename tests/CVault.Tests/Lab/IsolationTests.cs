using System.Globalization;

namespace CVault.Tests.Lab;

/// <summary>Two tenants' devices on one server: neither meets the other, whatever it writes on its packets.</summary>
public sealed class IsolationTests(Stack stack)
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
        // A listener that would answer, on all of B's addresses, and a count of what reaches B through its tunnel.
        await Stack.OnAsync(b.Name, ["nft", "-f", "-"], """
            table inet seen {}
            delete table inet seen
            table inet seen {
              chain in { type filter hook input priority -300; iifname "cvault" jump kinds; }
              chain kinds { ip saddr 198.51.100.2 counter return comment "internet"; counter comment "others"; }
            }

            """);
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

        Assert.Equal(before.Others, (await SeenAsync(b)).Others);
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

        // Neither lost its own by it.
        Assert.Equal("198.51.100.11", await b.IpAsync());
        await a.RunAsync("ip", "address", "delete", address + "/32", "dev", "cvault");
        Assert.Equal("198.51.100.11", await a.IpAsync());
    }

    private async Task<(string Address, string Address6)> ConnectAsync(LabClient client)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        await client.ConnectAsync(device.Config);
        var address6 = device.Config.Split('\n').Single(l => l.StartsWith("Address", StringComparison.Ordinal)).Split(',')[1].Trim().Split('/')[0];
        return (device.AssignedIp, address6);
    }

    private static async Task<(long Internet, long Others)> SeenAsync(LabClient client)
    {
        var lines = (await Stack.OnAsync(client.Name, ["nft", "list", "chain", "inet", "seen", "kinds"])).Text.Split('\n');
        return (Packets("internet"), Packets("others"));

        long Packets(string comment)
        {
            var words = lines.Single(l => l.Contains($"\"{comment}\"", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return long.Parse(words[Array.IndexOf(words, "packets") + 1], CultureInfo.InvariantCulture);
        }
    }
}
