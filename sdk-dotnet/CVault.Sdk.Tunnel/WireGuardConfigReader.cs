using System.Text.RegularExpressions;

namespace CVault.Sdk.Tunnel;

/// <summary>The grammar of <c>wg(8)</c> and <c>wg-quick(8)</c>, less all that would run a command or change what others rely on.</summary>
internal static partial class WireGuardConfigReader
{
    private const int MostCharacters = 64 * 1024;

    /// <summary>Known to wg-quick or wg, refused here, each with its reason.</summary>
    private static readonly Dictionary<string, string> Refused = new(StringComparer.OrdinalIgnoreCase)
    {
        ["PreUp"] = RunsACommand, ["PostUp"] = RunsACommand, ["PreDown"] = RunsACommand, ["PostDown"] = RunsACommand,
        ["SaveConfig"] = "it would write the config back to disk",
        ["Table"] = "the tunnel chooses its routing table itself",
        ["FwMark"] = "the tunnel chooses its mark itself",
    };

    private const string RunsACommand = "it would run a command";

    public static WireGuardConfigValues Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > MostCharacters) throw Invalid(0, "the text is longer than 64 KiB");
        var values = new WireGuardConfigValues();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var section = "";
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Split('#', 2)[0].Trim();
            if (line.Length == 0) continue;
            if (line[0] == '[')
            {
                section = line.ToUpperInvariant() switch
                {
                    "[INTERFACE]" => "Interface",
                    "[PEER]" => "Peer",
                    _ => throw Invalid(number, "the sections are [Interface] and [Peer]"),
                };
                if (!seen.Add("[" + section)) throw Invalid(number, $"a client's config has one [{section}]");
                continue;
            }

            var (key, value) = line.Split('=', 2) is [var k, var v] ? (k.Trim(), v.Trim()) : throw Invalid(number, "a line is KEY = VALUE");
            if (Refused.TryGetValue(key, out var reason)) throw Invalid(number, $"{key} is refused, since {reason}; take the line out");
            // Lists may go on in another line of the same key, as in wg-quick.
            if (!seen.Add(section + "." + key) && !Lists().IsMatch(key)) throw Invalid(number, $"{Shown(key)} stands there twice");
            values = section switch
            {
                "Interface" => OfInterface(values, key, value, number),
                "Peer" => OfPeer(values, key, value, number),
                _ => throw Invalid(number, "it stands above [Interface]"),
            };
        }

        if (values.Addresses.Count == 0) throw Invalid(0, "[Interface] has no Address");
        if (values.PublicKey is null) throw Invalid(0, "[Peer] has no PublicKey");
        if (values.EndpointHost is null) throw Invalid(0, "[Peer] has no Endpoint");
        if (values.AllowedIPs.Count == 0) throw Invalid(0, "[Peer] has no AllowedIPs");
        return values;
    }

    public static bool IsKey(string? text)
    {
        Span<byte> key = stackalloc byte[33];
        // Encoded again: the last digit has two bits to spare, which two spellings of one key could differ in.
        return text is { Length: 44 } && Convert.TryFromBase64String(text, key, out var length) && length == 32 && Convert.ToBase64String(key[..32]) == text;
    }

    private static WireGuardConfigValues OfInterface(WireGuardConfigValues values, string key, string value, int line) => key.ToUpperInvariant() switch
    {
        "PRIVATEKEY" => values with { PrivateKey = Key(value, key, line) },
        "LISTENPORT" => values with { ListenPort = Number(value, 0, 65535, key, line) },
        "MTU" => values with { Mtu = Number(value, 576, 65535, key, line) },
        "ADDRESS" => values with { Addresses = [.. values.Addresses, .. Items(value).Select(a => Prefix(a, key, line))] },
        "DNS" => WithDns(values, value, line),
        _ => throw Invalid(line, $"[Interface] knows no {Shown(key)}"),
    };

    private static WireGuardConfigValues OfPeer(WireGuardConfigValues values, string key, string value, int line) => key.ToUpperInvariant() switch
    {
        "PUBLICKEY" => values with { PublicKey = Key(value, key, line) },
        "PRESHAREDKEY" => values with { PresharedKey = Key(value, key, line) },
        "ALLOWEDIPS" => values with { AllowedIPs = [.. values.AllowedIPs.Concat(Items(value).Select(a => Prefix(a, key, line).Network())).Distinct()] }, // 10.0.0.0/0 is 0.0.0.0/0 again
        "ENDPOINT" => WithEndpoint(values, value, line),
        "PERSISTENTKEEPALIVE" => values with { PersistentKeepalive = value.Equals("off", StringComparison.OrdinalIgnoreCase) ? 0 : Number(value, 0, 65535, key, line) },
        _ => throw Invalid(line, $"[Peer] knows no {Shown(key)}"),
    };

    private static WireGuardConfigValues WithDns(WireGuardConfigValues values, string value, int line)
    {
        foreach (var item in Items(value))
        {
            if (AddressPrefix.TryParseAddress(item, out var address)) values = values with { Dns = [.. values.Dns, address] };
            else if (IsHostName(item)) values = values with { DnsSearch = [.. values.DnsSearch, item] };
            else throw Invalid(line, "DNS is a list of addresses and search domains");
        }

        return values;
    }

    private static WireGuardConfigValues WithEndpoint(WireGuardConfigValues values, string value, int line)
    {
        var match = Endpoints().Match(value);
        if (!match.Success || !Numbers.TryParse(match.Groups["port"].Value, 65535, out var port) || port == 0) throw Bad();
        var host = match.Groups["host"].Value;
        if (match.Groups["host6"] is { Success: true, Value: var host6 })
        {
            if (!AddressPrefix.TryParseAddress(host6, out var address)) throw Bad();
            host = address.ToString();
        }
        else if (!AddressPrefix.TryParseAddress(host, out _) && !IsHostName(host)) throw Bad();

        return values with { EndpointHost = host, EndpointPort = port };
        TunnelException Bad() => Invalid(line, "Endpoint is HOST:PORT or [IPV6]:PORT");
    }

    private static string[] Items(string value) => value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static string Key(string value, string key, int line) => IsKey(value) ? value : throw Invalid(line, $"{key} is the base64 of 32 bytes, 44 characters");

    private static int Number(string value, int least, int most, string key, int line) =>
        Numbers.TryParse(value, most, out var number) && number >= least ? number : throw Invalid(line, $"{key} is a number from {least} to {most}");

    private static AddressPrefix Prefix(string value, string key, int line) =>
        AddressPrefix.TryParse(value, out var prefix) ? prefix : throw Invalid(line, $"{key} is a list of addresses such as 10.8.0.2/32");

    /// <summary>A name of letters, digits and dashes (RFC 1123). One whose last label is all digits is a misspelt address.</summary>
    private static bool IsHostName(string text) => text.Length <= 253 && HostNames().IsMatch(text) && !text.Split('.')[^1].All(char.IsAsciiDigit);

    /// <summary>A key is named only if it can be one: a secret that stands in the wrong place is not.</summary>
    private static string Shown(string key) => KeyNames().IsMatch(key) ? key : "such key";

    private static TunnelException Invalid(int line, string what) => new(TunnelErrorCodes.ConfigInvalid,
        (line > 0 ? $"The config's line {line}: " : "The config: ") + what + ". Fetch the device's config again, or mend it.");

    [GeneratedRegex(@"\A(Address|DNS|AllowedIPs)\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Lists();

    [GeneratedRegex(@"\A[A-Za-z]{1,24}\z")]
    private static partial Regex KeyNames();

    [GeneratedRegex(@"\A(\[(?<host6>[0-9A-Fa-f:.]+)\]|(?<host>[A-Za-z0-9.-]+)):(?<port>[0-9]{1,5})\z")]
    private static partial Regex Endpoints();

    [GeneratedRegex(@"\A([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z")]
    private static partial Regex HostNames();
}
