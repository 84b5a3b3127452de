using System.Net;

namespace CVault.Tests.Api;

public sealed class DeviceTests(Stack stack)
{
    [Fact]
    public async Task a_device_gets_an_address_and_a_config()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync();
        Assert.Contains($"Address = {device.AssignedIp}/32", device.Config, StringComparison.Ordinal);
    }
}
