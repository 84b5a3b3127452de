using System.Net;
using System.Net.Sockets;
using CVault.Api;
using CVault.IpLeases;
using CVault.Security;
using CVault.Tenants;
using Microsoft.AspNetCore.Cors.Infrastructure;

namespace CVault.Fuzz;

/// <summary>Addresses, networks, hosts and origins.</summary>
public static class AddressTargets
{
    public static IEnumerable<Target> All =>
    [
        Target.OfText("addresses", Addresses,
            ["10.8.0.0/16", "10.8.0.0/30", "fd00:1:2:3::/64", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "vpn-1.example.com", "10.0.0.0/8, 192.0.2.1,2001:db8::/32", "us-east_1.b"],
            "::", "/64", "/32", "%", "::ffff:", "0x", "255", "fd", ","),
        Target.OfText("origins", AnOrigin,
            ["https://example.com", "https://example.com:8443", "http://localhost:3000", "capacitor://localhost", "https://[2001:db8::1]:8443", "https://xn--bcher-kva.example", "null", "https://bücher.example"],
            "https://", "http://", "://", "localhost", "xn--", "*", ":443", "file", "@"),
    ];

    private static void Addresses(string text)
    {
        _ = Texts.IsLabel(text, 255);
        if (Texts.IsAddress(text))
        {
            var address = IPAddress.Parse(text);
            Target.Must(Texts.IsHost(text), "An address is a host.");
            _ = OutboundHttp.IsPublic(address);
            if (AttemptLimits.NetworkOf(address) is { } holder) Target.Must(IPAddress.TryParse(holder, out _) || IPNetwork.TryParse(holder, out _), "Whose it is is an address or a network.");
        }

        if (Texts.IsNetwork(text, out var network)) Numbers(network);
        try
        {
            foreach (var proxy in Hygiene.Proxies(text)) Target.Must(proxy.Contains(proxy.BaseAddress), "A proxy's network has its own first address.");
        }
        catch (FormatException)
        {
            // Documented.
        }

        if (Texts.IsHost(text) && !IPAddress.TryParse(text, out _)) Target.Must(Uri.CheckHostName(text) != UriHostNameType.Unknown, "A host is one for .NET too.");
    }

    private static void Numbers(IPNetwork pool)
    {
        if (pool.BaseAddress.AddressFamily == AddressFamily.InterNetwork && pool.PrefixLength is >= 16 and <= 30)
        {
            var (first, last) = Pool.Numbers(pool);
            foreach (var number in new[] { first, last })
            {
                var address = IPAddress.Parse(Pool.Address(pool, number));
                Target.Must(pool.Contains(address) && Pool.NumberOf(pool, address) == number, "An address of a pool tells its number.");
            }
        }

        if (pool.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6 && pool.PrefixLength == 64)
        {
            Target.Must(pool.Contains(IPAddress.Parse(Pool.Address6(pool, 65_534))), "An address of a pool lies in it.");
        }
    }

    private static void AnOrigin(string text)
    {
        Target.Must(Origins.Errors([text]).Any() != Origins.IsOrigin(text), "A key's list is as good as its origins.");
        // ASP.NET spells origins its own way, and the browser's is the one that is compared.
        if (Origins.IsOrigin(text)) Target.Must(new CorsPolicyBuilder().WithOrigins(text).Build().IsOriginAllowed(text), "An origin that a key may name is answered.");
    }
}
