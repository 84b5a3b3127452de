using CVault.Devices;

namespace CVault.Tests.Unit;

/// <summary>The config file that a device runs with.</summary>
public sealed class WireGuardConfigTests
{
    private static readonly DeviceHome Home = new(Guid.NewGuid(), "10.8.0.2", "fd00::2");

    [Fact]
    public void a_managed_devices_config_is_whole() => Assert.Equal(
        """
        [Interface]
        PrivateKey = PRIVATE
        Address = 10.8.0.2/32, fd00::2/128
        DNS = 1.1.1.1, 9.9.9.9
        MTU = 1420

        [Peer]
        PublicKey = SERVER
        PresharedKey = SHARED
        AllowedIPs = 0.0.0.0/0, ::/0
        Endpoint = 203.0.113.7:51820
        PersistentKeepalive = 25

        """.ReplaceLineEndings("\n"),
        WireGuardConfig.Render(Samples.Server with { PublicKey = "SERVER" }, Home, "PRIVATE", "SHARED"));

    [Fact]
    public void a_config_for_a_client_with_its_own_key_has_no_private_key_but_says_where_it_goes()
    {
        var config = WireGuardConfig.Render(Samples.Server, Home, null, "SHARED");
        Assert.DoesNotContain(config.Split('\n'), l => l.StartsWith("PrivateKey", StringComparison.OrdinalIgnoreCase));
        Assert.Equal(WireGuardConfig.PrivateKeyLine, config.Split('\n')[1]);
        Assert.StartsWith("#", WireGuardConfig.PrivateKeyLine, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2001:db8::7", "[2001:db8::7]:51820")]
    [InlineData("203.0.113.7", "203.0.113.7:51820")]
    [InlineData("vpn.example.com", "vpn.example.com:51820")]
    public void only_an_IPv6_endpoint_stands_in_brackets(string host, string endpoint) =>
        Assert.Contains($"\nEndpoint = {endpoint}\n", WireGuardConfig.Render(Samples.Server with { EndpointHost = host }, Home, "PRIVATE", "SHARED"), StringComparison.Ordinal);

    [Fact]
    public void lines_end_as_Linux_and_Windows_clients_both_read_them() =>
        Assert.DoesNotContain('\r', WireGuardConfig.Render(Samples.Server, Home, "PRIVATE", "SHARED"));
}
