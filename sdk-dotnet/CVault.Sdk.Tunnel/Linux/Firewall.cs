using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>The tunnel's rules of nftables: two tables of its own, each loaded and removed in one transaction.</summary>
internal static class Firewall
{
    public static string KillSwitchTable(string interfaceName) => "cvault-kill-" + interfaceName;

    public static string GuardTable(string interfaceName) => "cvault-" + interfaceName;

    /// <summary>
    /// Nothing leaves but over lo and the tunnel, and WireGuard's own packets to the server; nothing is forwarded but
    /// into the tunnel and what answers it. What the machine needs to keep its own address passes: DHCPv4 to everybody on the link (a lease is
    /// renewed by broadcast where asking its server alone is dropped); and where the server is reached by IPv6, the discovery of
    /// neighbours and DHCPv6. Where it is reached by IPv4, no IPv6 leaves the wire at all.
    /// </summary>
    /// <param name="interfaceName">The tunnel's.</param>
    /// <param name="endpoint">The server; null for none, where nothing leaves at all.</param>
    /// <param name="mark">Of WireGuard's own packets.</param>
    public static string KillSwitch(string interfaceName, IPEndPoint? endpoint, uint mark)
    {
        var table = KillSwitchTable(interfaceName);
        var ip6 = endpoint?.AddressFamily == AddressFamily.InterNetworkV6;
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        // Replaced in one transaction: no packet sees neither.
        Line($"table inet {table}");
        Line($"delete table inet {table}");
        Line($"table inet {table} {{");
        Line("chain output { type filter hook output priority filter; policy drop;");
        Line("oifname \"lo\" accept");
        Line($"oifname \"{interfaceName}\" accept");
        if (endpoint is not null) Line(string.Create(CultureInfo.InvariantCulture, $"meta mark {mark} {(ip6 ? "ip6" : "ip")} daddr {endpoint.Address} udp dport {endpoint.Port} accept"));
        Line("ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept");
        if (ip6)
        {
            Line("icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept");
            Line("ip6 saddr fe80::/10 ip6 daddr ff02::1:2 udp sport 546 udp dport 547 accept");
        }

        Line("}");
        Line("chain forward { type filter hook forward priority filter; policy drop;");
        Line($"oifname \"{interfaceName}\" accept");
        // Not what is new: whoever is at the tunnel's other end would reach this machine's networks.
        Line($"iifname \"{interfaceName}\" ct state established,related accept");
        Line("}");
        Line("}");
        return text.ToString();
    }

    /// <summary>
    /// What wg-quick(8) loads for a default route: nobody on the wire reaches the tunnel's addresses (CVE-2019-14899), and
    /// answers to WireGuard's own packets have its mark, so that a strict reverse path filter lets them in.
    /// </summary>
    public static string Guard(string interfaceName, IEnumerable<AddressPrefix> addresses, uint mark)
    {
        var table = GuardTable(interfaceName);
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        Line($"table inet {table}");
        Line($"delete table inet {table}");
        Line($"table inet {table} {{");
        Line("chain preraw { type filter hook prerouting priority -300;");
        foreach (var address in addresses) Line($"iifname != \"{interfaceName}\" {(address.IsIPv6 ? "ip6" : "ip")} daddr {address.Address} fib saddr type != local drop");
        Line("}");
        Line("chain premangle { type filter hook prerouting priority -150;");
        Line(string.Create(CultureInfo.InvariantCulture, $"meta l4proto udp ct mark {mark} meta mark set ct mark"));
        Line("}");
        Line("chain postmangle { type filter hook postrouting priority -150;");
        Line(string.Create(CultureInfo.InvariantCulture, $"meta l4proto udp meta mark {mark} ct mark set meta mark"));
        Line("}");
        Line("}");
        return text.ToString();
    }

    /// <summary>Removes a table, there or not.</summary>
    public static string Remove(string table) => $"table inet {table}\ndelete table inet {table}\n";
}
