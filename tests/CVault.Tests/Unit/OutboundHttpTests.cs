using System.Net;
using CVault.Security;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Hosting;

namespace CVault.Tests.Unit;

/// <summary>Calls to addresses that tenants choose lead to the public internet and nowhere else.</summary>
public sealed class OutboundHttpTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.1.2.3")]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.1.1")]
    [InlineData("169.254.169.254")]
    [InlineData("100.64.0.1")]
    [InlineData("198.18.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("fe80::1")]
    [InlineData("fd00::1")]
    [InlineData("ff02::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("2002:7f00:1::")]
    [InlineData("2001::1")]
    [InlineData("2001:db8::1")]
    public void no_address_of_the_inside_is_public(string address) => Assert.False(OutboundHttp.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("172.15.0.1")]
    [InlineData("172.32.0.1")]
    [InlineData("100.128.0.1")]
    [InlineData("2606:4700::1111")]
    [InlineData("::ffff:1.1.1.1")]
    public void the_internets_addresses_are(string address) => Assert.True(OutboundHttp.IsPublic(IPAddress.Parse(address)));

    /// <summary>Every spelling of this machine, and its name: what listens there hears nothing.</summary>
    [Theory]
    [InlineData("https://127.0.0.1:{0}/")]
    [InlineData("https://localhost:{0}/")]
    [InlineData("https://2130706433:{0}/")]
    [InlineData("https://0x7f000001:{0}/")]
    [InlineData("https://127.1:{0}/")]
    [InlineData("https://[::1]:{0}/")]
    [InlineData("https://[::ffff:127.0.0.1]:{0}/")]
    [InlineData("https://0:{0}/")]
    public async Task outside_development_nothing_connects_to_this_machine(string url)
    {
        using var canary = new System.Net.Sockets.TcpListener(IPAddress.IPv6Any, 0);
        canary.Server.DualMode = true;
        canary.Start();
        using var outbound = new OutboundHttp(new Stage("Production"));
        var to = new Uri(string.Format(System.Globalization.CultureInfo.InvariantCulture, url, ((IPEndPoint)canary.LocalEndpoint).Port));
        await Assert.ThrowsAsync<OutboundException>(() => outbound.GetAsync(to, Cancellation));
        Assert.False(canary.Pending(), "Somebody knocked.");
    }

    [Fact]
    public async Task only_development_takes_http_and_only_to_this_machine()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var here = new Uri(issuer.Url + "/keys");
        using var production = new OutboundHttp(new Stage("Production"));
        using var development = new OutboundHttp(new Stage("Development"));
        await Assert.ThrowsAsync<OutboundException>(() => production.GetAsync(here, Cancellation));
        Assert.Equal(0, issuer.Reads);
        Assert.Equal("""{"keys":[]}""", await development.GetAsync(here, Cancellation));
        await Assert.ThrowsAsync<OutboundException>(() => development.GetAsync(new Uri("http://example.com/"), Cancellation));
        await Assert.ThrowsAsync<OutboundException>(() => development.GetAsync(new Uri("https://10.0.0.1/"), Cancellation));
    }

    private sealed class Stage(string name) : IHostEnvironment
    {
        public string EnvironmentName { get; set; } = name;
        public string ApplicationName { get; set; } = "";
        public string ContentRootPath { get; set; } = "";
        public IFileProvider ContentRootFileProvider { get; set; } = new NullFileProvider();
    }
}
