using System.Security.Cryptography;

namespace CVault.Tests.Lab;

/// <summary>The oracle must see what it is there to see.</summary>
[Collection(Alone.Name)]
public sealed class OracleTests(Stack stack)
{
    [Fact]
    public async Task the_oracle_finds_a_lost_peer_an_unknown_one_a_doubled_address_and_a_lost_device()
    {
        LabClient.Required();
        var oracle = new Oracle(stack);
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = Acknowledged.Of(await user.RegisterDeviceAsync(region: "us-east"));
        var lost = device with { DeviceId = Guid.NewGuid() };
        await oracle.AgreesAsync(TimeSpan.FromSeconds(10), [device]);
        var unknown = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        var usage = new Usage(stack);
        try
        {
            IReadOnlyList<string> wrong;
            DateTimeOffset? read;
            // A pass over the server meanwhile would have mended both; before it mends it notes when it read.
            do
            {
                read = await usage.ReadAtAsync(LabServer.Vpn1);
                await LabServer.Vpn1.SetByHandAsync(device.PublicKey, "remove");
                await LabServer.Vpn1.AddByHandAsync([(unknown, "10.8.252.1")]);
                wrong = await oracle.FindAsync([device, lost]);
            }
            while (await usage.ReadAtAsync(LabServer.Vpn1) != read);

            Assert.Contains($"I1 acknowledged device {device.DeviceId} ({device.Address}) is no peer on its server", wrong);
            Assert.Contains($"I1 acknowledged device {lost.DeviceId} is not in the events", wrong);
            Assert.Contains(wrong, w => w.StartsWith($"I2 {device.Address} was acknowledged to 2 devices", StringComparison.Ordinal));
            Assert.Contains(wrong, w => w.StartsWith($"I3 peer {unknown}", StringComparison.Ordinal));
        }
        finally
        {
            await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await LabServer.Vpn1.IdAsync(stack)}/resync");
            await oracle.AgreesAsync(TimeSpan.FromSeconds(10), [device]);
        }
    }
}
