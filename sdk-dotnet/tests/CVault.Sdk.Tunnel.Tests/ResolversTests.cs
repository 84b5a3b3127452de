using System.Net;
using CVault.Sdk.Tunnel.Linux;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>What tells the system of the tunnel's DNS servers, and leaves it as it was.</summary>
public sealed class ResolversTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("cvault-dns-").FullName;
    private readonly FakeRunner runner = new();
    private readonly LinuxPaths paths;
    private readonly Resolvers dns;

    public ResolversTests()
    {
        paths = new LinuxPaths(folder, folder, folder);
        dns = new Resolvers(runner, paths, NullLogger.Instance);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task resolvconf_where_it_is()
    {
        Assert.Equal(DnsWay.Resolvconf, dns.Way());
        await SetAsync(DnsWay.Resolvconf);
        await dns.UnsetAsync(DnsWay.Resolvconf, "cvault0", default);
        Assert.Equal([("resolvconf -a cvault0 -m 0 -x", "nameserver 198.51.100.2\nsearch corp.example\n"), ("resolvconf -d cvault0 -f", null)], runner.Ran);
    }

    [Fact]
    public async Task debian_s_resolvconf_knows_the_interface_by_a_prefix()
    {
        Directory.CreateDirectory(Path.Combine(folder, "resolvconf"));
        await File.WriteAllTextAsync(Path.Combine(folder, "resolvconf/interface-order"), "# order\nlo.inet6\ntun*\ntap*\n");
        await SetAsync(DnsWay.Resolvconf);
        Assert.StartsWith("resolvconf -a tun.cvault0 ", runner.Commands.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task resolved_where_it_keeps_the_file()
    {
        File.CreateSymbolicLink(paths.ResolvConf, "../run/systemd/resolve/stub-resolv.conf");
        Assert.Equal(DnsWay.Resolved, dns.Way());
        await SetAsync(DnsWay.Resolved);
        await dns.UnsetAsync(DnsWay.Resolved, "cvault0", default);
        Assert.Equal(["resolvectl dns cvault0 198.51.100.2", "resolvectl domain cvault0 ~. corp.example", "resolvectl default-route cvault0 true", "resolvectl revert cvault0"], runner.Commands);
    }

    [Fact]
    public async Task the_file_itself_where_nobody_keeps_it_and_it_comes_back_with_its_mode()
    {
        runner.Missing.Add("resolvconf");
        Assert.Equal(DnsWay.File, dns.Way());
        await File.WriteAllTextAsync(paths.ResolvConf, "nameserver 192.0.2.53\n");
        File.SetUnixFileMode(paths.ResolvConf, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        await SetAsync(DnsWay.File);
        Assert.EndsWith("\nnameserver 198.51.100.2\nsearch corp.example\n", await File.ReadAllTextAsync(paths.ResolvConf), StringComparison.Ordinal);
        Assert.True(dns.IsReplaced("cvault0"));

        // As another program does that knows nothing of how.
        await dns.UnsetAsync(DnsWay.None, "cvault0", default);
        Assert.Equal("nameserver 192.0.2.53\n", await File.ReadAllTextAsync(paths.ResolvConf));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead, File.GetUnixFileMode(paths.ResolvConf));
        Assert.Equal(["resolv.conf"], Directory.EnumerateFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task a_link_comes_back_as_a_link()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "other"), "nameserver 192.0.2.53\n");
        File.CreateSymbolicLink(paths.ResolvConf, "other");
        await SetAsync(DnsWay.File);
        Assert.Equal("nameserver 192.0.2.53\n", await File.ReadAllTextAsync(Path.Combine(folder, "other")));
        await dns.UnsetAsync(DnsWay.File, "cvault0", default);
        Assert.Equal("other", new FileInfo(paths.ResolvConf).LinkTarget);
    }

    [Fact]
    public async Task what_another_program_wrote_meanwhile_stays()
    {
        await File.WriteAllTextAsync(paths.ResolvConf, "nameserver 192.0.2.53\n");
        await SetAsync(DnsWay.File);
        await File.WriteAllTextAsync(paths.ResolvConf, "nameserver 192.0.2.99\n");
        await dns.UnsetAsync(DnsWay.File, "cvault0", default);
        Assert.Equal("nameserver 192.0.2.99\n", await File.ReadAllTextAsync(paths.ResolvConf));
        Assert.False(dns.IsReplaced("cvault0"));
    }

    [Theory]
    [InlineData("a", "b", "c")]
    [InlineData("a", "c", "b")]
    [InlineData("b", "a", "c")]
    [InlineData("b", "c", "a")]
    [InlineData("c", "a", "b")]
    [InlineData("c", "b", "a")]
    public async Task three_tunnels_go_in_any_order_and_the_file_comes_back(params string[] order)
    {
        await File.WriteAllTextAsync(paths.ResolvConf, "nameserver 192.0.2.53\n");
        foreach (var name in new[] { "a", "b", "c" }) await SetAsync(DnsWay.File, name);
        foreach (var name in order)
        {
            Assert.EndsWith("nameserver 198.51.100.2\nsearch corp.example\n", await File.ReadAllTextAsync(paths.ResolvConf), StringComparison.Ordinal);
            await dns.UnsetAsync(DnsWay.File, name, default);
        }

        Assert.Equal("nameserver 192.0.2.53\n", await File.ReadAllTextAsync(paths.ResolvConf));
        Assert.Equal(["resolv.conf"], Directory.EnumerateFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task a_link_comes_back_as_a_link_also_by_way_of_another_tunnel()
    {
        await File.WriteAllTextAsync(Path.Combine(folder, "other"), "nameserver 192.0.2.53\n");
        File.CreateSymbolicLink(paths.ResolvConf, "other");
        await SetAsync(DnsWay.File, "a");
        await SetAsync(DnsWay.File, "new"); // a name that no file of the library's own may have
        await dns.UnsetAsync(DnsWay.File, "a", default);
        await dns.UnsetAsync(DnsWay.File, "new", default);
        Assert.Equal("other", new FileInfo(paths.ResolvConf).LinkTarget);
    }

    private Task SetAsync(DnsWay way, string name = "cvault0") => dns.SetAsync(way, name, [IPAddress.Parse("198.51.100.2")], ["corp.example"], default);
}
