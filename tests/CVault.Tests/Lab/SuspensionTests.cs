using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

public sealed class SuspensionTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>Row 23 of the plan.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task a_suspended_tenant_s_peers_leave_the_servers_and_return_with_it_and_nobody_else_s_do()
    {
        LabClient.Required();
        var (tenant, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var (user, stranger) = (await tenant.NewUserAsync(), await other.NewUserAsync());
        TestDevice[] devices = [await user.NewDeviceAsync("A", "us-east"), await user.NewDeviceAsync("B", "us-east"), await user.NewDeviceAsync("C", "eu-west")];
        TestDevice[] others = [await stranger.NewDeviceAsync("A", "us-east"), await stranger.NewDeviceAsync("B", "eu-west")];
        await using var client = await LabClient.NewAsync("suspended");
        await client.ConnectAsync(devices[0].Config);
        Assert.Equal("198.51.100.11", await client.IpAsync());

        var start = Stopwatch.GetTimestamp();
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).IsProblem(403, "TENANT_SUSPENDED");
        (await user.RegisterDeviceAsync("D")).IsProblem(403, "TENANT_SUSPENDED");
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).IsProblem(403, "TENANT_SUSPENDED");
        await Stack.EventuallyAsync("the suspended tenant's peers are gone", Soon, async () => await AreThereAsync(devices) is [false, false, false]);
        output.WriteLine($"gone after {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms");
        Assert.Equal("", await client.IpAsync(1));
        Assert.True(await AreThereAsync(others) is [true, true], "Another tenant's peers went too.");
        await stranger.NewDeviceAsync("C", "us-east");

        start = Stopwatch.GetTimestamp();
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("the tenant's peers are back", Soon, async () => await AreThereAsync(devices) is [true, true, true]);
        output.WriteLine($"back after {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0} ms");
        // WireGuard shakes hands anew 15 s after what it sent was first left unanswered, and asks again every five.
        await Stack.EventuallyAsync("the tunnel works again, untouched", TimeSpan.FromSeconds(40), async () => await client.IpAsync(2) == "198.51.100.11");
        Assert.Equal(3, (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK).Json["devices"]!.AsArray().Count);
    }

    [Fact]
    public async Task a_device_removed_from_a_tenant_before_its_suspension_does_not_return_with_it()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        TestDevice[] devices = [await user.NewDeviceAsync("Kept", "us-east"), await user.NewDeviceAsync("Removed", "us-east")];
        (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + devices[1].Id)).Is(HttpStatusCode.OK);

        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("the peer is gone", Soon, async () => await AreThereAsync(devices) is [false, false]);
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);

        await Stack.EventuallyAsync("the kept one is back", Soon, async () => (await AreThereAsync(devices))[0]);
        Assert.True(await AreThereAsync(devices) is [true, false], "The removed device's peer is back.");
    }

    private static async Task<bool[]> AreThereAsync(TestDevice[] devices)
    {
        var (vpn1, vpn2) = (await LabServer.Vpn1.PeersAsync(), await LabServer.Vpn2.PeersAsync());
        return [.. devices.Select(d => (d.LabServer == "vpn1" ? vpn1 : vpn2).ContainsKey(d.PublicKey))];
    }
}
