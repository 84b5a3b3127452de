using System.Net;
using CVault.Sdk.Tunnel.Linux;

namespace CVault.Sdk.Tunnel.Tests;

public sealed class FirewallTests
{
    [Fact]
    public void only_the_tunnel_and_wireguard_itself_leave_and_no_ipv6_at_all_beside_an_ipv4_server() => Assert.Equal(
        """
        table inet cvault-kill-cvault0
        delete table inet cvault-kill-cvault0
        table inet cvault-kill-cvault0 {
        chain output { type filter hook output priority filter; policy drop;
        oifname "lo" accept
        oifname "cvault0" accept
        meta mark 53000 ip daddr 203.0.113.7 udp dport 51820 accept
        ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
        }
        chain forward { type filter hook forward priority filter; policy drop;
        oifname "cvault0" accept
        iifname "cvault0" ct state established,related accept
        }
        }

        """.ReplaceLineEndings("\n"),
        Firewall.KillSwitch("cvault0", IPEndPoint.Parse("203.0.113.7:51820"), 53000));

    [Fact]
    public void an_ipv6_server_needs_its_neighbours()
    {
        var rules = Firewall.KillSwitch("cvault0", IPEndPoint.Parse("[2001:db8::7]:51820"), 53000);
        Assert.Contains("meta mark 53000 ip6 daddr 2001:db8::7 udp dport 51820 accept", rules, StringComparison.Ordinal);
        Assert.Contains("nd-neighbor-solicit", rules, StringComparison.Ordinal);
    }

    [Fact]
    public void without_a_server_nothing_leaves_at_all() => Assert.DoesNotContain("meta mark", Firewall.KillSwitch("cvault0", null, 0), StringComparison.Ordinal);

    [Fact]
    public void nft_itself_takes_the_rules_and_removes_them_there_or_not()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/usr/sbin/nft"), "nft needs root and nftables.");
        // Checked in a network of its own: nothing of this machine's rules is touched.
        foreach (var text in new[]
                 {
                     Firewall.KillSwitch("cvault0", IPEndPoint.Parse("203.0.113.7:51820"), 53000), Firewall.KillSwitch("a-b_c", IPEndPoint.Parse("[2001:db8::7]:51820"), 53000),
                     Firewall.KillSwitch("cvault0", null, 0), Firewall.Guard("cvault0", WireGuardConfig.Parse(Samples.Config).Addresses, 53000), Firewall.Remove(Firewall.GuardTable("cvault0")),
                 })
        {
            var start = new System.Diagnostics.ProcessStartInfo("unshare", ["-n", "nft", "-f", "-"]) { RedirectStandardInput = true, RedirectStandardError = true };
            using var nft = System.Diagnostics.Process.Start(start)!;
            nft.StandardInput.Write(text);
            nft.StandardInput.Close();
            var error = nft.StandardError.ReadToEnd();
            nft.WaitForExit();
            Assert.SkipWhen(error.Contains("unshare", StringComparison.Ordinal), "This machine gives no network namespaces.");
            Assert.True(nft.ExitCode == 0, error);
        }
    }
}
