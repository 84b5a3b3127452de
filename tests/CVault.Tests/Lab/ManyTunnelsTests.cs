namespace CVault.Tests.Lab;

/// <summary>10.7: ten and more users of two tenants at once.</summary>
public sealed class ManyTunnelsTests(Stack stack)
{
    [Fact]
    public async Task twelve_users_of_two_tenants_are_connected_at_once_each_with_its_own_server_s_address()
    {
        LabClient.Required();
        TestTenant[] tenants = [await stack.NewTenantAsync(), await stack.NewTenantAsync()];
        var tunnels = await Task.WhenAll(Enumerable.Range(0, 12).Select(async i =>
        {
            var user = await tenants[i % 2].NewUserAsync();
            var device = await user.NewDeviceAsync($"Device {i}", i % 4 < 2 ? "us-east" : "eu-west");
            var client = await LabClient.NewAsync($"many-{i}");
            await client.ConnectAsync(device.Config);
            return (Client: client, Device: device);
        }));
        try
        {
            // Two rounds: the second with all twelve known to be up.
            for (var round = 0; round < 2; round++)
            {
                var seen = await Task.WhenAll(tunnels.Select(t => t.Client.IpAsync(15)));
                Assert.Equal(tunnels.Select(t => LabClient.UplinkOf(t.Device.Region)), seen);
            }

            var sizes = await Task.WhenAll(tunnels.Select(t => t.Client.CurlAsync("/bytes/1000000", 30, "-o", "/dev/null", "-w", "%{size_download}")));
            Assert.All(sizes, s => Assert.Equal("1000000", s.Text));
        }
        finally
        {
            foreach (var tunnel in tunnels) await tunnel.Client.DisposeAsync();
        }
    }
}
