using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;

namespace CVault.Tests.Lab;

/// <summary>Faults made by hand on a server, all at once, and when the control plane had mended each.</summary>
public sealed class Drift(Stack stack) : IAsyncLifetime
{
    public static readonly TimeSpan Pass = TimeSpan.FromSeconds(35); // a pass each 30 s, and what it takes

    public Task<TimeSpan?> RemovedIsBack { get; private set; } = null!;
    public Task<TimeSpan?> UnknownIsGone { get; private set; } = null!;
    public Task<TimeSpan?> SwappedAreRight { get; private set; } = null!;
    public Task<TimeSpan?> RekeyedIsRight { get; private set; } = null!;
    public string Unknown { get; } = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    public async ValueTask InitializeAsync()
    {
        if (!Stack.HasLab) return;
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var devices = new List<TestDevice>();
        for (var i = 0; i < 4; i++) devices.Add(await user.NewDeviceAsync($"Device {i}", "us-east"));
        var server = LabServer.Vpn1;
        var before = await server.PeersAsync();
        var (first, second) = (devices[1], devices[2]);

        await server.SetByHandAsync(devices[0].PublicKey, "remove");
        await server.AddByHandAsync([(Unknown, "10.8.251.1")]);
        // WireGuard moves an address to whoever was given it last: the swap takes a third address.
        await server.SetByHandAsync(first.PublicKey, "allowed-ips", "10.8.251.2/32");
        await server.SetByHandAsync(second.PublicKey, "allowed-ips", before[first.PublicKey].AllowedIps);
        await server.SetByHandAsync(first.PublicKey, "allowed-ips", before[second.PublicKey].AllowedIps);
        await server.SetByHandAsync(devices[3].PublicKey, "preshared-key", "/dev/null");

        var broken = await server.PeersAsync();
        Assert.False(broken.ContainsKey(devices[0].PublicKey));
        Assert.True(broken.ContainsKey(Unknown));
        Assert.Equal((before[first.PublicKey].AllowedIps, before[second.PublicKey].AllowedIps), (broken[second.PublicKey].AllowedIps, broken[first.PublicKey].AllowedIps));
        Assert.NotEqual(before[devices[3].PublicKey], broken[devices[3].PublicKey]);

        RemovedIsBack = WhenAsync(peers => peers.GetValueOrDefault(devices[0].PublicKey) == before[devices[0].PublicKey]);
        UnknownIsGone = WhenAsync(peers => !peers.ContainsKey(Unknown));
        SwappedAreRight = WhenAsync(peers => peers[first.PublicKey].Has(before[first.PublicKey].AllowedIps.Split(',')) && peers[second.PublicKey].Has(before[second.PublicKey].AllowedIps.Split(',')));
        RekeyedIsRight = WhenAsync(peers => peers[devices[3].PublicKey].PresharedKey == before[devices[3].PublicKey].PresharedKey);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async Task<TimeSpan?> WhenAsync(Func<Dictionary<string, LabPeer>, bool> mended)
    {
        var start = Stopwatch.GetTimestamp();
        while (!mended(await LabServer.Vpn1.PeersAsync()))
        {
            if (Stopwatch.GetElapsedTime(start) > Pass) return null;
            await Task.Delay(1000);
        }

        return Stopwatch.GetElapsedTime(start);
    }
}

/// <summary>What a pass mends.</summary>
public sealed class DriftTests(Drift drift, ITestOutputHelper output) : IClassFixture<Drift>
{
    [Fact]
    public async Task a_peer_removed_by_hand_is_back_within_one_pass() => await MendedAsync(drift.RemovedIsBack);

    [Fact]
    public async Task an_unknown_peer_added_by_hand_is_gone_within_one_pass()
    {
        await MendedAsync(drift.UnknownIsGone);
        Assert.Contains($"removing unknown peer {drift.Unknown}", await StackProcess.LoggedAsync(StackProcess.ApiLog, 0), StringComparison.Ordinal);
    }

    [Fact]
    public async Task allowed_ips_swapped_by_hand_are_right_again_within_one_pass() => await MendedAsync(drift.SwappedAreRight);

    [Fact]
    public async Task a_preshared_key_taken_away_by_hand_is_back_within_one_pass() => await MendedAsync(drift.RekeyedIsRight);

    private async Task MendedAsync(Task<TimeSpan?> mended)
    {
        LabClient.Required();
        var after = await mended;
        Assert.True(after is not null, $"Not mended within {Drift.Pass.TotalSeconds} s.");
        output.WriteLine($"mended after {after.Value.TotalSeconds:0.0} s");
    }
}

/// <summary>What a pass does not dare alone.</summary>
[Collection(Alone.Name)]
public sealed class DriftAlarmTests(Stack stack)
{
    [Fact]
    public async Task too_many_unknown_peers_stay_and_raise_an_alarm_until_an_operator_orders_a_resync()
    {
        LabClient.Required();
        var server = LabServer.Vpn1;
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var known = await user.NewDeviceAsync(region: "us-east");
        var before = await server.PeersAsync();
        var unknown = Enumerable.Range(0, 25 + before.Count / 10).Select(i => (Key: Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), Address: $"10.8.{240 + i / 250}.{1 + i % 250}")).ToArray();
        var log = StackProcess.LengthOf(StackProcess.ApiLog);
        try
        {
            await server.AddByHandAsync(unknown);
            await server.SetByHandAsync(known.PublicKey, "remove");

            await Stack.EventuallyAsync("the log has an ALARM", Drift.Pass, async () => (await StackProcess.LoggedAsync(StackProcess.ApiLog, log)).Contains("ALARM server vpn1", StringComparison.Ordinal));
            await Stack.EventuallyAsync("what is missing is added all the same", TimeSpan.FromSeconds(2), () => server.HasAsync(known.PublicKey));
            var during = await server.PeersAsync();
            Assert.All(unknown, u => Assert.True(during.ContainsKey(u.Key), "An unknown peer was removed in spite of the alarm."));

            (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await server.IdAsync(stack)}/resync")).Is(HttpStatusCode.Accepted);
            await Stack.EventuallyAsync("the resync removes the unknown and nobody else", TimeSpan.FromSeconds(5), async () =>
                (await server.PeersAsync()).Keys.ToHashSet().SetEquals(before.Keys));
        }
        finally
        {
            await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await server.IdAsync(stack)}/resync");
        }
    }
}
