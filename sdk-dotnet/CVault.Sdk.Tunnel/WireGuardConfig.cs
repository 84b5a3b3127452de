using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Text;

namespace CVault.Sdk.Tunnel;

/// <summary>
/// A WireGuard config as CVault's API hands it out: one interface, one peer. Parsed strictly: what is not known is refused,
/// and so is what would run a command. Holds the private key, and shows it nowhere.
/// </summary>
public sealed class WireGuardConfig
{
    internal WireGuardConfig(WireGuardConfigValues values) => Values = values;

    internal WireGuardConfigValues Values { get; }

    /// <summary>False for the config of a device that brought its own key: see <see cref="WithPrivateKey"/>.</summary>
    public bool HasPrivateKey => Values.PrivateKey is not null;

    /// <summary>The tunnel's own addresses, with the lengths of their networks.</summary>
    public IReadOnlyList<AddressPrefix> Addresses => Values.Addresses;

    /// <summary>The DNS servers to ask through the tunnel; may be empty.</summary>
    public IReadOnlyList<IPAddress> Dns => Values.Dns;

    /// <summary>Search domains of the DNS line; may be empty.</summary>
    public IReadOnlyList<string> DnsSearch => Values.DnsSearch;

    /// <summary>The interface's MTU in bytes, 576 to 65535; 1420, which fits any path of 1500, when the text has none.</summary>
    public int Mtu => Values.Mtu ?? 1420;

    /// <summary>The server's public key, base64.</summary>
    public string PeerPublicKey => Values.PublicKey!;

    /// <summary>What goes through the tunnel.</summary>
    public IReadOnlyList<AddressPrefix> AllowedIPs => Values.AllowedIPs;

    /// <summary>The server's host: a name or an address, without brackets.</summary>
    public string EndpointHost => Values.EndpointHost!;

    /// <summary>The server's UDP port.</summary>
    public int EndpointPort => Values.EndpointPort;

    /// <summary>Seconds between packets that keep the way to the server open; 0 for none; 25, as in CVault's configs, when the text has none.</summary>
    public int PersistentKeepalive => Values.PersistentKeepalive ?? 25;

    /// <summary>Reads a config's text.</summary>
    /// <exception cref="TunnelException"><c>CONFIG_INVALID</c>: the line and what is wrong with it, never its value.</exception>
    public static WireGuardConfig Parse(string text) => new(WireGuardConfigReader.Read(text));

    /// <summary>Reads a config's text, without an exception.</summary>
    /// <param name="text">The text.</param>
    /// <param name="config">The config, or null.</param>
    /// <param name="error">What is wrong, or null; holds no value of the text.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out WireGuardConfig? config, [NotNullWhen(false)] out string? error)
    {
        try
        {
            (config, error) = (Parse(text ?? ""), null);
            return true;
        }
        catch (TunnelException e)
        {
            (config, error) = (null, e.Message);
            return false;
        }
    }

    /// <summary>The same config with the device's own private key, for one that came without it.</summary>
    /// <param name="privateKey">Base64 of 32 bytes, as <c>wg genkey</c> prints it.</param>
    /// <exception cref="TunnelException"><c>CONFIG_INVALID</c>: not such a key.</exception>
    public WireGuardConfig WithPrivateKey(string privateKey)
    {
        if (!WireGuardConfigReader.IsKey(privateKey)) throw new TunnelException(TunnelErrorCodes.ConfigInvalid, "A private key is the base64 of 32 bytes, 44 characters.");
        return new WireGuardConfig(Values with { PrivateKey = privateKey });
    }

    /// <summary>Where it goes, without keys.</summary>
    public override string ToString() => $"WireGuardConfig {{ Addresses = {string.Join(", ", Addresses)}, Endpoint = {EndpointText} }}";

    private string EndpointText => EndpointHost.Contains(':', StringComparison.Ordinal) ? $"[{EndpointHost}]:{EndpointPort}" : $"{EndpointHost}:{EndpointPort}";

    /// <summary>What <c>wg setconf</c> reads. Holds secrets: for standard input only.</summary>
    internal string ToSetConf(IPEndPoint endpoint, uint fwmark) => ToText(quick: false, endpoint.ToString(), fwmark);

    /// <summary>What <c>wg-quick</c> and WireGuard for Windows read. Holds secrets: for a file that only its owner can read.</summary>
    internal string ToQuickConf(bool useDns) => ToText(quick: true, EndpointText, null, useDns);

    private string ToText(bool quick, string endpoint, uint? fwmark, bool useDns = false)
    {
        var text = new StringBuilder();
        void Line(string key, object value) => text.Append(CultureInfo.InvariantCulture, $"{key} = {value}\n");
        text.Append("[Interface]\n");
        Line("PrivateKey", Values.PrivateKey!);
        if (Values.ListenPort is { } port) Line("ListenPort", port);
        if (fwmark is { } mark) Line("FwMark", mark);
        if (quick)
        {
            Line("Address", string.Join(", ", Addresses));
            Line("MTU", Mtu);
            if (useDns && Dns.Count > 0) Line("DNS", string.Join(", ", [.. Dns.Select(d => d.ToString()), .. DnsSearch]));
        }

        text.Append("\n[Peer]\n");
        Line("PublicKey", PeerPublicKey);
        if (Values.PresharedKey is { } preshared) Line("PresharedKey", preshared);
        Line("AllowedIPs", string.Join(", ", AllowedIPs));
        Line("Endpoint", endpoint);
        Line("PersistentKeepalive", PersistentKeepalive);
        return text.ToString();
    }
}

/// <summary>A config's lines. A class, and not a record, would lose <c>with</c>; what a record prints is overridden.</summary>
internal sealed record WireGuardConfigValues
{
    public string? PrivateKey { get; init; }
    public int? ListenPort { get; init; }
    public int? Mtu { get; init; }
    public IReadOnlyList<AddressPrefix> Addresses { get; init; } = [];
    public IReadOnlyList<IPAddress> Dns { get; init; } = [];
    public IReadOnlyList<string> DnsSearch { get; init; } = [];
    public string? PublicKey { get; init; }
    public string? PresharedKey { get; init; }
    public IReadOnlyList<AddressPrefix> AllowedIPs { get; init; } = [];
    public string? EndpointHost { get; init; }
    public int EndpointPort { get; init; }
    public int? PersistentKeepalive { get; init; }

    public override string ToString() => nameof(WireGuardConfigValues);
}
