using System.Net;
using System.Net.Sockets;

namespace CVault.Sdk.Tunnel;

/// <summary>An IP address with the length of its network, such as <c>10.8.0.2/32</c>. Unlike <see cref="IPNetwork"/> it may have bits set past the length.</summary>
public readonly record struct AddressPrefix(IPAddress Address, int Length)
{
    /// <summary>Whether this is IPv6.</summary>
    public bool IsIPv6 => Address.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>Whether this is all of its family's addresses: <c>0.0.0.0/0</c> or <c>::/0</c>.</summary>
    public bool IsEverything => Length == 0;

    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{Length}";

    /// <summary>The network's own address: without the bits past the length.</summary>
    internal AddressPrefix Network()
    {
        var bytes = Address.GetAddressBytes();
        for (var bit = Length; bit < bytes.Length * 8; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new AddressPrefix(new IPAddress(bytes), Length);
    }

    internal bool Contains(IPAddress address) => address.AddressFamily == Address.AddressFamily && new AddressPrefix(address, Length).Network() == Network();

    /// <summary>An address with or without a length, in the usual forms alone: no <c>0x7f.1</c>, no <c>fe80::1%eth0</c>.</summary>
    internal static bool TryParse(string text, out AddressPrefix prefix)
    {
        prefix = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!TryParseAddress(slash < 0 ? text : text[..slash], out var address)) return false;
        var most = address.AddressFamily == AddressFamily.InterNetworkV6 ? 128 : 32;
        var length = most;
        if (slash >= 0 && !Numbers.TryParse(text[(slash + 1)..], most, out length)) return false;
        prefix = new AddressPrefix(address, length);
        return true;
    }

    internal static bool TryParseAddress(string text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text.Contains('%', StringComparison.Ordinal) || text.Contains('[', StringComparison.Ordinal) || !IPAddress.TryParse(text, out var parsed)) return false;
        // IPAddress also takes "1", "0x7f.1" and "010.0.0.1", which others read in another way.
        if (parsed.AddressFamily == AddressFamily.InterNetwork && parsed.ToString() != text) return false;
        if (parsed.IsIPv4MappedToIPv6) return false;
        address = parsed;
        return true;
    }
}
