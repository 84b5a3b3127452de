using System.Net;

namespace CVault.Sdk.Tunnel.Tests;

public sealed class WireGuardConfigTests
{
    [Fact]
    public void what_the_api_hands_out_is_read_whole()
    {
        var config = WireGuardConfig.Parse(Samples.Config);
        Assert.True(config.HasPrivateKey);
        Assert.Equal(["10.8.0.2/32", "fd8c:7a11:1::2/128"], config.Addresses.Select(a => a.ToString()));
        Assert.Equal([IPAddress.Parse("198.51.100.2")], config.Dns);
        Assert.Equal(1420, config.Mtu);
        Assert.Equal(Samples.PublicKey, config.PeerPublicKey);
        Assert.Equal(["0.0.0.0/0", "::/0"], config.AllowedIPs.Select(a => a.ToString()));
        Assert.All(config.AllowedIPs, a => Assert.True(a.IsEverything));
        Assert.Equal(("203.0.113.7", 51820), (config.EndpointHost, config.EndpointPort));
        Assert.Equal(25, config.PersistentKeepalive);
    }

    [Fact]
    public void what_may_be_left_out_has_cvaults_values()
    {
        var config = WireGuardConfig.Parse(Samples.With("MTU", null).Replace("PersistentKeepalive = 25", "", StringComparison.Ordinal).Replace("DNS = 198.51.100.2", "", StringComparison.Ordinal));
        Assert.Equal((1420, 25), (config.Mtu, config.PersistentKeepalive));
        Assert.Empty(config.Dns);
    }

    [Fact]
    public void case_comments_line_ends_and_lists_over_many_lines_are_as_in_wg_quick()
    {
        var text = Samples.With("Address", "address=10.8.0.2 # of us-east\nADDRESS = fd8c:7a11:1::2/64").Replace("[Peer]", "[peer]", StringComparison.Ordinal)
            .Replace("DNS = 198.51.100.2", "dns = 1.1.1.1, corp.example , 2606:4700:4700::1111", StringComparison.Ordinal).ReplaceLineEndings("\r\n");
        var config = WireGuardConfig.Parse(text);
        Assert.Equal(["10.8.0.2/32", "fd8c:7a11:1::2/64"], config.Addresses.Select(a => a.ToString()));
        Assert.Equal(["1.1.1.1", "2606:4700:4700::1111"], config.Dns.Select(d => d.ToString()));
        Assert.Equal(["corp.example"], config.DnsSearch);
    }

    [Fact]
    public void allowed_ips_are_networks() =>
        Assert.Equal(["10.8.0.0/16", "fd00::/8"], WireGuardConfig.Parse(Samples.With("AllowedIPs", "AllowedIPs = 10.8.7.9/16, fd12::1/8")).AllowedIPs.Select(a => a.ToString()));

    [Fact]
    public void a_network_that_stands_there_twice_counts_once() =>
        Assert.Equal(["0.0.0.0/0", "::/0"], WireGuardConfig.Parse(Samples.With("AllowedIPs", "AllowedIPs = 0.0.0.0/0, 10.0.0.0/0\nAllowedIPs = ::/0, 0.0.0.0/0")).AllowedIPs.Select(a => a.ToString()));

    [Theory]
    [InlineData("vpn1.example.com:51820", "vpn1.example.com", 51820)]
    [InlineData("[2001:db8::7]:443", "2001:db8::7", 443)]
    public void an_endpoint_is_a_name_or_an_address_with_a_port(string text, string host, int port)
    {
        var config = WireGuardConfig.Parse(Samples.With("Endpoint", "Endpoint = " + text));
        Assert.Equal((host, port), (config.EndpointHost, config.EndpointPort));
        Assert.Contains("Endpoint = " + text + "\n", config.ToQuickConf(useDns: true), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PreUp")]
    [InlineData("PostUp")]
    [InlineData("PreDown")]
    [InlineData("postdown")]
    [InlineData("SaveConfig")]
    [InlineData("Table")]
    [InlineData("FwMark")]
    public void what_would_run_a_command_or_change_more_than_the_tunnel_is_refused(string key)
    {
        var e = Assert.Throws<TunnelException>(() => WireGuardConfig.Parse(Samples.With("MTU", key + " = /tmp/canary-command")));
        Assert.Equal(TunnelErrorCodes.ConfigInvalid, e.Code);
        Assert.Contains($"line 5: {key} is refused", e.Message, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("canary-command", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PrivateKey", "PrivateKey = short")]
    [InlineData("PrivateKey", "PrivateKey = SKqV4iVVWkRBQGkVWpZDgWVmXqWCJvYmC0sCANARYWp=")] // the same 32 bytes, misspelt
    [InlineData("PrivateKey", "PrivateKey = SKqV4iVVWkRBQGkVWpZDgWVmXqWCJvYmC0sCANARYWo")]
    [InlineData("PublicKey", null)]
    [InlineData("PresharedKey", "PresharedKey =")]
    [InlineData("Address", null)]
    [InlineData("Address", "Address = 10.8.0.2/33")]
    [InlineData("Address", "Address = 010.8.0.2/32")]
    [InlineData("Address", "Address = 10.8.2/32")]
    [InlineData("Address", "Address = ::ffff:10.8.0.2/128")]
    [InlineData("Address", "Address = fe80::1%eth0/64")]
    [InlineData("Address", "Address = 10.8.0.2/+8")]
    [InlineData("AllowedIPs", null)]
    [InlineData("AllowedIPs", "AllowedIPs = everything")]
    [InlineData("DNS", "DNS = 1.1.1")]
    [InlineData("DNS", "DNS = $(reboot)")]
    [InlineData("MTU", "MTU = 100")]
    [InlineData("MTU", "MTU = 1420\nMTU = 1420")]
    [InlineData("MTU", "MTU = ١٤٢٠")]
    [InlineData("Endpoint", null)]
    [InlineData("Endpoint", "Endpoint = 203.0.113.7")]
    [InlineData("Endpoint", "Endpoint = 203.0.113.7:0")]
    [InlineData("Endpoint", "Endpoint = 203.0.113.7:65536")]
    [InlineData("Endpoint", "Endpoint = 203.0.113.777:51820")]
    [InlineData("Endpoint", "Endpoint = [203.0.113.7]:51820x")]
    [InlineData("Endpoint", "Endpoint = 2001:db8::7:51820")]
    [InlineData("Endpoint", "Endpoint = -evil.example:51820")]
    [InlineData("PersistentKeepalive", "PersistentKeepalive = 65536")]
    [InlineData("MTU", "Mut = 1420")]
    [InlineData("MTU", "[Script]")]
    [InlineData("MTU", "only words")]
    public void anything_else_is_refused(string key, string? line)
    {
        Assert.False(WireGuardConfig.TryParse(Samples.With(key, line), out var config, out var error));
        Assert.Null(config);
        Samples.HasNoSecret(error);
    }

    [Fact]
    public void a_second_peer_is_refused() =>
        Assert.False(WireGuardConfig.TryParse(Samples.Config + $"[Peer]\nPublicKey = {Samples.PublicKey}\n", out _, out _));

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("PrivateKey = x")]
    public void a_text_that_is_no_config_is_refused(string? text) => Assert.False(WireGuardConfig.TryParse(text, out _, out _));

    [Fact]
    public void a_text_without_end_is_refused() => Assert.False(WireGuardConfig.TryParse(new string('#', 70_000), out _, out _));

    [Fact]
    public void a_device_with_a_key_of_its_own_puts_it_in()
    {
        var config = WireGuardConfig.Parse(Samples.With("PrivateKey", "# PrivateKey = <this device's own private key>"));
        Assert.False(config.HasPrivateKey);
        Assert.Throws<TunnelException>(() => config.WithPrivateKey("no key"));
        var whole = config.WithPrivateKey(Samples.PrivateKey);
        Assert.True(whole.HasPrivateKey);
        Assert.False(config.HasPrivateKey);
        Assert.Contains("PrivateKey = " + Samples.PrivateKey, whole.ToQuickConf(useDns: false), StringComparison.Ordinal);
    }

    [Fact]
    public void a_secret_in_the_wrong_place_is_in_no_message_and_a_config_prints_none()
    {
        string[] bad = [$"{Samples.PrivateKey}", $"{Samples.PrivateKey} = 1", $"MTU = {Samples.PrivateKey}", $"Address = {Samples.PrivateKey}", $"DNS = {Samples.PrivateKey}", $"PrivateKey = {Samples.PrivateKey}x"];
        foreach (var line in bad)
        {
            Assert.False(WireGuardConfig.TryParse(Samples.With("PrivateKey", line), out _, out var error));
            Samples.HasNoSecret(error);
            Assert.DoesNotContain(Samples.PrivateKey[..20], error, StringComparison.Ordinal);
        }

        var config = WireGuardConfig.Parse(Samples.Config);
        Samples.HasNoSecret(config + config.Values.ToString());
        Assert.DoesNotContain(config.GetType().GetProperties(), p => p.Name is "PrivateKey" or "PresharedKey");
    }

    [Fact]
    public void wg_setconf_gets_just_what_it_knows() => Assert.Equal(
        $"""
        [Interface]
        PrivateKey = {Samples.PrivateKey}
        FwMark = 53000

        [Peer]
        PublicKey = {Samples.PublicKey}
        PresharedKey = {Samples.PresharedKey}
        AllowedIPs = 0.0.0.0/0, ::/0
        Endpoint = 203.0.113.7:51820
        PersistentKeepalive = 25

        """.ReplaceLineEndings("\n"),
        WireGuardConfig.Parse(Samples.Config).ToSetConf(IPEndPoint.Parse("203.0.113.7:51820"), 53000));

    [Fact]
    public void what_is_written_for_wg_quick_is_read_the_same_again()
    {
        var text = WireGuardConfig.Parse(Samples.Config).ToQuickConf(useDns: true);
        Assert.Equal(text, WireGuardConfig.Parse(text).ToQuickConf(useDns: true));
        Assert.DoesNotContain("DNS", WireGuardConfig.Parse(text).ToQuickConf(useDns: false), StringComparison.Ordinal);
    }
}
