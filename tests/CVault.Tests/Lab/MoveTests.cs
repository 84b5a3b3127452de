using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Make before break: a device that moves keeps its old tunnel until the new one is there (ops/decisions/0009).</summary>
[Collection(Alone.Name)]
public sealed class MoveTests(Stack stack, ITestOutputHelper output)
{
    private static readonly TimeSpan Healed = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task the_old_tunnel_works_until_the_new_peer_is_there_even_across_a_crash()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("mover");
        var user = await NewUserAsync();
        var device = await user.NewDeviceAsync("Mover", "us-east");
        await client.ConnectAsync(device.Config);
        // WireGuard asks again after five seconds where its first word was lost, and the caller's TCP later still.
        await Stack.EventuallyAsync("the tunnel carries", TimeSpan.FromSeconds(30), async () => await client.IpAsync(3) == LabClient.UplinkOf("us-east"));

        Answer moved;
        Task up;
        try
        {
            await LabServer.Vpn2.CutManagementAsync();
            moved = (await ConnectAsync(user, device.Id, "eu-west")).Is(HttpStatusCode.OK);
            Assert.Equal(("eu-west", "pending"), (moved.Text("server_region"), moved.Text("peer_status")));
            Assert.Equal(moved.Text("assigned_ip"), (await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device.Id)).Text("assigned_ip"));
            StackProcess.Kill(StackProcess.Api);
            await Task.Delay(1000);
            Assert.Equal(LabClient.UplinkOf("us-east"), await client.IpAsync());
            Assert.True(await LabServer.Vpn1.HasAsync(device.PublicKey), "The old peer went before the new one was there.");
            Assert.False(await LabServer.Vpn2.HasAsync(device.PublicKey), "The server was not cut off, so nothing was tried.");
            Assert.Equal(["us-east", "eu-west"], (await LeasesAsync(device.Id)).OrderDescending());
        }
        finally
        {
            await LabServer.Vpn2.HealManagementAsync();
            up = StackProcess.UpAsync();
        }

        // Another process finishes what the first had begun, in 30 s from its start, which is not what is measured.
        long? back = null;
        await Stack.EventuallyAsync("the new peer is there and then the old one gone", TimeSpan.FromMinutes(2), async () =>
        {
            if (up.IsCompleted) back ??= Stopwatch.GetTimestamp();
            Assert.True(back is not { } since || Stopwatch.GetElapsedTime(since) < Healed, "The move was not finished in 30 s of a running process.");
            // In this order, so that a moment with neither could not be missed by looking at the new one too late.
            var old = await LabServer.Vpn1.HasAsync(device.PublicKey);
            Assert.True(old || await LabServer.Vpn2.HasAsync(device.PublicKey), "The device is on no server.");
            return !old;
        });
        await up;
        await client.DisconnectAsync();
        await client.ConnectAsync(moved.Text("config"));
        Assert.Equal(LabClient.UplinkOf("eu-west"), await client.IpAsync());
        await Stack.EventuallyAsync("the old address is given back", TimeSpan.FromSeconds(10), async () => await LeasesAsync(device.Id) is ["eu-west"]);
        output.WriteLine($"left {await LeftAfterAsync(device.Id):0} ms after the move");
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), [Acknowledged.Of(moved, device)]);
    }

    [Fact]
    public async Task what_is_asked_of_a_device_that_is_moving_is_done_at_both_servers()
    {
        LabClient.Required();
        var (user, suspended) = (await NewUserAsync(), await NewUserAsync());
        var devices = await Task.WhenAll(new[] { "Back", "Revoked", "Rotated", "Moving" }.Select(n => user.NewDeviceAsync(n, "us-east")));
        var (back, revoked, rotated, moving) = (devices[0], devices[1], devices[2], devices[3]);
        var asleep = await suspended.NewDeviceAsync("Asleep", "us-east");
        Answer returned, keys;
        try
        {
            await LabServer.Vpn2.CutManagementAsync();
            var moves = await Task.WhenAll([.. devices.Select(d => ConnectAsync(user, d.Id, "eu-west")), ConnectAsync(suspended, asleep.Id, "eu-west")]);
            Assert.All(moves, m => Assert.Equal("pending", m.Is(HttpStatusCode.OK).Text("peer_status")));

            // Back to the address that it still has; what it had taken meanwhile is given back, though never live.
            returned = (await ConnectAsync(user, back.Id, "us-east")).Is(HttpStatusCode.OK);
            Assert.Equal(("live", back.AssignedIp, back.Config), (returned.Text("peer_status"), returned.Text("assigned_ip"), returned.Text("config")));
            await Stack.EventuallyAsync("only the first address is left", TimeSpan.FromSeconds(10), async () => await LeasesAsync(back.Id) is ["us-east"]);
            Assert.Equal(returned.Text("session_id"), (await ConnectAsync(user, back.Id)).Text("session_id"));

            (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + revoked.Id)).Is(HttpStatusCode.OK);
            Assert.Empty(await LeasesAsync(revoked.Id));
            keys = (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{rotated.Id}/rotate-key")).Is(HttpStatusCode.OK);
            Assert.Equal(["eu-west"], await LeasesAsync(rotated.Id));
            await Stack.EventuallyAsync("old keys and revoked devices are off the server that answers", TimeSpan.FromSeconds(10), async () =>
                await LabServer.Vpn1.PeersAsync() is var there && !there.ContainsKey(rotated.PublicKey) && !there.ContainsKey(revoked.PublicKey));

            (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + suspended.Tenant.Id)).Is(HttpStatusCode.OK);
            await Stack.EventuallyAsync("a suspended tenant's moving device is off", TimeSpan.FromSeconds(10), async () => !await LabServer.Vpn1.HasAsync(asleep.PublicKey));
            (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + suspended.Tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
            await Stack.EventuallyAsync("and back where it was", TimeSpan.FromSeconds(10), () => LabServer.Vpn1.HasAsync(asleep.PublicKey));
            Assert.True(await LabServer.Vpn1.HasAsync(moving.PublicKey));
        }
        finally
        {
            await LabServer.Vpn2.HealManagementAsync();
        }

        await Stack.EventuallyAsync("all moves are finished", Healed, async () =>
            await LeasesAsync(moving.Id) is ["eu-west"] && await LeasesAsync(asleep.Id) is ["eu-west"]);
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), [Acknowledged.Of(returned, back)]);
        Assert.True(await LabServer.Vpn2.HasAsync(keys.Text("public_key")));
    }

    [Fact]
    public async Task many_moves_in_both_directions_at_once_leave_each_address_with_one_device()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 40 });
        var user = await tenant.NewUserAsync();
        var devices = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => user.NewDeviceAsync($"D{i}", i % 2 == 0 ? "us-east" : "eu-west")));
        for (var round = 0; round < 3; round++)
        {
            var answers = await Task.WhenAll(devices.SelectMany(d => new[] { "us-east", "eu-west" }.Select(region => ConnectAsync(user, d.Id, region))));
            Assert.All(answers, a => Assert.True(a.Status is HttpStatusCode.OK || a.Code == "CONFLICT", a.Body));
        }

        var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(15), []);
        output.WriteLine($"144 moves at once settled {settled.TotalSeconds:0.0} s after the last answer");
        foreach (var device in devices) Assert.Single(await LeasesAsync(device.Id));
    }

    private async Task<TestUser> NewUserAsync() => await (await stack.NewTenantAsync()).NewUserAsync();

    private static Task<Answer> ConnectAsync(TestUser user, string deviceId, string? region = null) =>
        user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = deviceId, server_region = region });

    /// <summary>The regions in which the device holds an address.</summary>
    private async Task<string[]> LeasesAsync(string deviceId)
    {
        await using var command = stack.Database.CreateCommand("select l.region from cvault.addresses a join cvault.server_load l using (server_id) where a.device_id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(deviceId) });
        await using var reader = await command.ExecuteReaderAsync();
        var regions = new List<string>();
        while (await reader.ReadAsync()) regions.Add(reader.GetString(0));
        return [.. regions];
    }

    private async Task<double> LeftAfterAsync(string deviceId)
    {
        await using var command = stack.Database.CreateCommand(
            "select extract(epoch from max(timestamp) filter (where type = 'device_left_v1') - max(timestamp) filter (where type = 'device_moved_v1')) * 1000 from cvault.mt_events where stream_id = $1");
        command.Parameters.Add(new() { Value = Guid.Parse(deviceId) });
        return Convert.ToDouble(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture);
    }
}
