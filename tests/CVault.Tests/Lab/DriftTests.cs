using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;

namespace CVault.Tests.Lab;

/// <summary>
/// Row 20 of the plan: faults made by hand on a server, all in one command, and when the control plane had mended each.
/// </summary>
public sealed class Drift(Stack stack) : IAsyncLifetime
{
    /// <summary>A pass each 30 s, a look at the clock each second, and what it takes.</summary>
    public static readonly TimeSpan Pass = TimeSpan.FromSeconds(35);

    private const int Each = 5;

    public Task<TimeSpan?> RemovedAreBack { get; private set; } = null!;
    public Task<TimeSpan?> UnknownAreGone { get; private set; } = null!;
    public Task<TimeSpan?> SwappedAreRight { get; private set; } = null!;
    public Task<TimeSpan?> RekeyedIsRight { get; private set; } = null!;
    public string[] Removed { get; private set; } = [];
    public string[] Unknown { get; } = [.. Enumerable.Range(0, Each).Select(_ => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)))];
    public string[] Swapped { get; private set; } = [];
    public string Rekeyed { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        if (!Stack.HasLab) return;
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 100 })).NewUserAsync();
        var keys = new List<string>();
        for (var i = 0; i < Each + 5; i++) keys.Add((await user.NewDeviceAsync($"Device {i}", "us-east")).PublicKey);
        (Removed, Swapped, Rekeyed) = ([.. keys[..Each]], [.. keys[Each..(Each + 4)]], keys[^1]);
        var server = LabServer.Vpn1;
        var before = await server.PeersAsync();

        var changes = new List<string>();
        foreach (var key in Removed) changes.AddRange(["peer", key, "remove"]);
        foreach (var (key, i) in Unknown.Select((k, i) => (k, i))) changes.AddRange(["peer", key, "allowed-ips", $"10.8.251.{1 + i}/32"]);
        // WireGuard moves an address to whoever was given it last: a swap takes a third address.
        foreach (var pair in Swapped.Chunk(2))
        {
            changes.AddRange(["peer", pair[0], "allowed-ips", "10.8.251.250/32", "peer", pair[1], "allowed-ips", before[pair[0]].AllowedIps, "peer", pair[0], "allowed-ips", before[pair[1]].AllowedIps]);
        }

        changes.AddRange(["peer", Rekeyed, "preshared-key", "/dev/null"]);
        // One command and the look after it, so that no pass comes in between.
        var broken = LabServer.Peers((await Stack.OnAsync(server.Name, ["sh", "-c", "wg set wg0 \"$@\" && wg show wg0 dump", "sh", .. changes])).Text);
        Assert.All(Removed, key => Assert.False(broken.ContainsKey(key)));
        Assert.All(Unknown, key => Assert.True(broken.ContainsKey(key)));
        Assert.All(Swapped.Chunk(2), pair => Assert.Equal((before[pair[0]].AllowedIps, before[pair[1]].AllowedIps), (broken[pair[1]].AllowedIps, broken[pair[0]].AllowedIps)));
        Assert.NotEqual(before[Rekeyed], broken[Rekeyed]);

        RemovedAreBack = WhenAsync(peers => Removed.All(key => peers.GetValueOrDefault(key) == before[key]));
        UnknownAreGone = WhenAsync(peers => !Unknown.Any(peers.ContainsKey));
        SwappedAreRight = WhenAsync(peers => Swapped.All(key => peers[key].Has(before[key].AllowedIps.Split(','))));
        RekeyedIsRight = WhenAsync(peers => peers[Rekeyed].PresharedKey == before[Rekeyed].PresharedKey);
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
public sealed class DriftTests(Stack stack, Drift drift, ITestOutputHelper output) : IClassFixture<Drift>
{
    [Fact]
    public async Task peers_removed_by_hand_are_back_within_one_pass() => await MendedAsync(drift.RemovedAreBack);

    [Fact]
    public async Task unknown_peers_added_by_hand_are_gone_within_one_pass()
    {
        await MendedAsync(drift.UnknownAreGone);
        var log = await StackProcess.LoggedAsync(StackProcess.ApiLog, 0);
        Assert.All(drift.Unknown, key => Assert.Contains($"removing unknown peer {key}", log, StringComparison.Ordinal));
    }

    [Fact]
    public async Task allowed_ips_swapped_by_hand_are_right_again_within_one_pass() => await MendedAsync(drift.SwappedAreRight);

    [Fact]
    public async Task a_preshared_key_taken_away_by_hand_is_back_within_one_pass() => await MendedAsync(drift.RekeyedIsRight);

    [Fact]
    public async Task each_peer_that_was_mended_is_one_event()
    {
        foreach (var mended in new[] { drift.RemovedAreBack, drift.UnknownAreGone, drift.SwappedAreRight, drift.RekeyedIsRight }) await MendedAsync(mended);
        var server = (await LabServer.Vpn1.IdAsync(stack)).ToString();
        string[] expected = [.. drift.Removed.Select(key => $"{server} {key} missing").Concat(drift.Unknown.Select(key => $"{server} {key} unknown")).Concat(drift.Swapped.Append(drift.Rekeyed).Select(key => $"{server} {key} different"))];
        var events = new List<string>();
        await Stack.EventuallyAsync("the events of what was mended", TimeSpan.FromSeconds(30), async () => (events = await EventsAsync()).Count >= expected.Length);
        Assert.Equal(expected.Order(StringComparer.Ordinal), events.Order(StringComparer.Ordinal));
    }

    private async Task<List<string>> EventsAsync()
    {
        await using var command = stack.Database.CreateCommand(
            "select (data->>'serverId') || ' ' || (data->>'publicKey') || ' ' || (data->>'what') from cvault.mt_events where type = 'peer_mended_v1' and data->>'publicKey' = any($1)");
        command.Parameters.Add(new() { Value = (string[])[.. drift.Removed, .. drift.Unknown, .. drift.Swapped, drift.Rekeyed] });
        await using var reader = await command.ExecuteReaderAsync();
        var events = new List<string>();
        while (await reader.ReadAsync()) events.Add(reader.GetString(0));
        return events;
    }

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
            await Stack.EventuallyAsync("what is missing is added all the same", TimeSpan.FromSeconds(30), () => server.HasAsync(known.PublicKey));
            var during = await server.PeersAsync();
            Assert.All(unknown, u => Assert.True(during.ContainsKey(u.Key), "An unknown peer was removed in spite of the alarm."));

            // The order finds the server cut off, so that its pass is cut short: it is owed until one is done.
            await server.CutManagementAsync();
            (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await server.IdAsync(stack)}/resync")).Is(HttpStatusCode.Accepted);
            await Stack.EventuallyAsync("the server is offline", TimeSpan.FromSeconds(30), async () => (await server.ViewAsync(stack)).Text("status") == "offline");
            await server.HealManagementAsync();
            await Stack.EventuallyAsync("the resync removes the unknown and nobody else", TimeSpan.FromSeconds(30), async () =>
                (await server.PeersAsync()).Keys.ToHashSet().SetEquals(before.Keys));
        }
        finally
        {
            await server.HealManagementAsync();
            await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await server.IdAsync(stack)}/resync");
        }
    }
}
