using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>Servers restarted, drained and read by several nodes, and collectors killed, while clients download: nothing is billed twice, and what a server still reports is billed.</summary>
[Collection(Alone.Name)]
public sealed class MeteringFaultTests(Stack stack, ITestOutputHelper output)
{
    private readonly Usage usage = new(stack);
    private readonly int seed = int.TryParse(Environment.GetEnvironmentVariable("CVAULT_TEST_SEED"), out var given) ? given : Random.Shared.Next();

    /// <summary>Row 21: WireGuard restarted 5 times, at full size 100, under a download, with two nodes to read it.</summary>
    [Fact]
    public async Task counters_that_begin_anew_bill_no_byte_twice_and_lose_at_most_what_moved_since_the_last_reading()
    {
        LabClient.Required();
        var resets = Size.Of(5, 100);
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        await using var second = await Node.StartAsync(stack);
        await using var client = await LabClient.NewAsync("resets");
        await using var wire = await Wire.WatchAsync(client, usage);
        var (tenant, device, _) = await TunnelAsync("resets", "us-east");

        var mayBeLost = new Bytes();
        var downloads = new Downloads(client);
        for (var i = 0; i < resets; i++)
        {
            await usage.ReadAnewAsync(LabServer.Vpn1);
            await Task.Delay(random.Next((int)Stack.MeterInterval.TotalMilliseconds));
            await LabServer.Vpn1.RebootAsync();
            mayBeLost += await wire.SinceLastReadingAsync();
            await Stack.EventuallyAsync("downloads go on", TimeSpan.FromSeconds(60), async () => { var before = downloads.Done; await Task.Delay(500); return downloads.Done > before; });
        }

        await downloads.DisposeAsync();
        await client.DisconnectAsync();
        await usage.ReadAnewAsync(LabServer.Vpn1);
        var (moved, metered) = (await wire.MovedAsync(), (await usage.OfDevicesAsync(tenant.Id))[Guid.Parse(device.Id)]);
        output.WriteLine($"{resets} resets: {moved.Rx:N0} received and {moved.Tx:N0} sent on the wire, metered {metered.Rx:N0} and {metered.Tx:N0}; lost {moved.Total - metered.Total:N0}, at most {mayBeLost.Total:N0} since the readings before");
        Assert.True(metered.Rx <= moved.Rx && metered.Tx <= moved.Tx, "More was metered than moved.");
        Assert.True(moved.Total - metered.Total <= mayBeLost.Total, "More was lost than moved since the readings before.");
        Assert.Contains(await EventsAsync("server_restarted_v1"), _ => true);
    }

    /// <summary>The collector killed 5 times, at full size 100, anywhere; with it the node beside it that took its links.</summary>
    [Fact]
    public async Task a_collector_killed_at_any_moment_loses_and_doubles_nothing_that_the_servers_report()
    {
        LabClient.Required();
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        var kills = Size.Of(5, 100);
        await KilledAsync("kills", async api =>
        {
            for (var i = 0; i < kills; i++)
            {
                await usage.ReadAnewAsync(LabServer.Vpn1);
                await Task.Delay(random.Next((int)Stack.MeterInterval.TotalMilliseconds));
                await api.StartAsync();
                await api.HealthyAsync();
            }

            return $"{kills} kills";
        });
    }

    /// <summary>Before and after its commit, where it hurts.</summary>
    [Fact]
    public async Task a_collector_that_ends_before_or_after_its_commit_counts_once()
    {
        LabClient.Required();
        string[] points = ["metering-before-commit", "metering-after-commit"];
        await KilledAsync("points", async api =>
        {
            for (var i = 0; i < points.Length * Size.Of(2, 25); i++)
            {
                await api.StartAsync(("CVAULT_FAIL_POINT", $"{points[i % 2]}:{4 + i % 5}"));
                Assert.Equal(137, await api.EndedAsync(TimeSpan.FromSeconds(120)));
            }

            await api.StartAsync();
            await api.HealthyAsync();
            return $"{points.Length * Size.Of(2, 25)} ends at fail points";
        });
    }

    [Fact]
    public async Task a_drained_server_s_last_bytes_are_counted_and_its_devices_go_on_elsewhere()
    {
        LabClient.Required();
        // A server of its own: the lab's two hold whatever other tests have left, which would go with it.
        await using var drained = await OwnServer.AddAsync(stack, "drained-" + Guid.NewGuid().ToString("N")[..8]);
        var (tenant, device, client) = await TunnelAsync("drained", drained.Region);
        await using var _ = client;
        var user = tenant.User;
        await DownloadAsync(client, 200_000);
        await Stack.EventuallyAsync("its session", TimeSpan.FromSeconds(60), async () => (await usage.SessionsAsync(tenant.Id)).Count == 1);
        await DownloadAsync(client, 100_000);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{drained.Id}/drain")).Is(HttpStatusCode.OK);
        LabServer? home = null;
        await Stack.EventuallyAsync("it has moved", TimeSpan.FromSeconds(60), async () =>
            (home = await LabServer.Vpn1.HasAsync(device.PublicKey) ? LabServer.Vpn1 : await LabServer.Vpn2.HasAsync(device.PublicKey) ? LabServer.Vpn2 : null) is not null);
        var config = (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")).Is(HttpStatusCode.OK).Text("config");
        await client.DisconnectAsync();
        await client.ConnectAsync(config);
        await Stack.EventuallyAsync("its tunnel is there", TimeSpan.FromSeconds(30), async () => await client.IpAsync(3) == LabClient.UplinkOf(home!.Region));
        await DownloadAsync(client, 100_000);
        await Stack.EventuallyAsync("it is off the drained server", TimeSpan.FromSeconds(60), async () => !await drained.HasAsync(device.PublicKey));

        await client.DisconnectAsync();
        var total = await usage.ExactAsync(tenant.Id, device);
        Assert.True(total.Tx > 400_000, $"{total.Tx} bytes");
        Assert.Contains(await usage.SessionsAsync(tenant.Id), s => s.EndReason == "server_drained");
        output.WriteLine($"metered {total.Rx:N0} received, {total.Tx:N0} sent on both servers");
    }

    private async Task KilledAsync(string name, Func<ApiProcess, Task<string>> fault)
    {
        var one = await TunnelAsync(name + "-1", "us-east");
        var two = await TunnelAsync(name + "-2", "eu-west");
        await using var first = one.Client;
        await using var second = two.Client;
        var api = await ApiProcess.OfAsync(stack);
        // Slow and long ones: what moves is to be counted, and the cores are for the process that starts again and again.
        Downloads[] downloads = [new(one.Client, 1_500_000, "500k"), new(two.Client, 1_500_000, "500k")];
        string what;
        try
        {
            what = await fault(api);
        }
        finally
        {
            foreach (var some in downloads) await some.DisposeAsync();
            await StackProcess.UpAsync();
        }

        await one.Client.DisconnectAsync();
        await two.Client.DisconnectAsync();
        var total = await usage.ExactAsync(one.Tenant.Id, one.Device) + await usage.ExactAsync(two.Tenant.Id, two.Device);
        Assert.True(total.Tx >= downloads.Sum(d => d.Done));
        output.WriteLine($"{what}: WireGuard counted and CVault metered {total.Rx:N0} received and {total.Tx:N0} sent, 0 apart");
    }

    private async Task<(TenantWithUser Tenant, TestDevice Device, LabClient Client)> TunnelAsync(string name, string region)
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync(name, region);
        var client = await LabClient.NewAsync(name);
        await client.ConnectAsync(device.Config);
        await DownloadAsync(client, 1000);
        return (new TenantWithUser(tenant.Id, user), device, client);
    }

    private async Task<List<string>> EventsAsync(string type)
    {
        await using var command = stack.Database.CreateCommand("select data::text from cvault.mt_events where type = $1");
        command.Parameters.Add(new() { Value = type });
        await using var reader = await command.ExecuteReaderAsync();
        var events = new List<string>();
        while (await reader.ReadAsync()) events.Add(reader.GetString(0));
        return events;
    }

    private static async Task DownloadAsync(LabClient client, int bytes) => Assert.Equal(0, (await client.CurlAsync($"/bytes/{bytes}", 30, "-o", "/dev/null")).ExitCode);

    private sealed record TenantWithUser(string Id, TestUser User);

    /// <summary>
    /// What passes the router between a client and the servers, counted there by nft and by nobody of ours. WireGuard counts
    /// what is inside IP and UDP, so 28 bytes a packet are taken off.
    /// </summary>
    private sealed class Wire : IAsyncDisposable
    {
        private readonly List<(DateTimeOffset At, Bytes Moved)> seen = [];
        private readonly CancellationTokenSource enough = new();
        private readonly string table;
        private readonly Usage usage;
        private Task watching = Task.CompletedTask;

        private Wire(string table, Usage usage) => (this.table, this.usage) = (table, usage);

        /// <summary>Of a client that has not connected yet.</summary>
        public static async Task<Wire> WatchAsync(LabClient client, Usage usage)
        {
            var address = (await client.RunAsync("sh", "-c", "ip -4 -o address show eth0 | sed -E 's/.* inet ([0-9.]+).*/\\1/'")).Text.Trim();
            var table = "wire" + address.Split('.')[3];
            await Stack.OnAsync("router", ["nft", "-f", "-"], $$"""
                table ip {{table}} {
                  counter received { }
                  counter sent { }
                  chain forward { type filter hook forward priority -10; ip saddr {{address}} udp dport 51820 counter name received; ip daddr {{address}} udp sport 51820 counter name sent; }
                }

                """);
            var wire = new Wire(table, usage);
            wire.watching = wire.LookAsync();
            return wire;
        }

        public async Task<Bytes> MovedAsync()
        {
            var text = (await Stack.OnAsync("router", ["nft", "list", "counters", "table", "ip", table])).Text;
            long Payload(string name) => Regex.Match(text, $@"counter {name} \{{\s*packets (\d+) bytes (\d+)") is { Success: true } m
                ? long.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture) - 28 * long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) : throw new InvalidOperationException("nft said: " + text);
            return new Bytes(Payload("received"), Payload("sent"));
        }

        /// <summary>What has moved since the reading that is now the last one.</summary>
        public async Task<Bytes> SinceLastReadingAsync()
        {
            var read = await usage.ReadAtAsync(LabServer.Vpn1);
            var now = await MovedAsync();
            Bytes then;
            lock (seen) then = seen.LastOrDefault(s => s.At < read!.Value.AddSeconds(-1)).Moved;
            return new Bytes(now.Rx - then.Rx, now.Tx - then.Tx);
        }

        public async ValueTask DisposeAsync()
        {
            await enough.CancelAsync();
            await watching;
            enough.Dispose();
            await Stack.OnAsync("router", ["nft", "delete", "table", "ip", table], mayFail: true);
        }

        private async Task LookAsync()
        {
            while (!enough.IsCancellationRequested)
            {
                var (at, moved) = (DateTimeOffset.UtcNow, await MovedAsync());
                lock (seen) seen.Add((at, moved));
                await Task.Delay(250, enough.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
