using System.Net;
using System.Text.Json;

namespace CVault;

/// <summary>Rules for texts from outside that more than one command has.</summary>
public static class Texts
{
    /// <summary>A name for machines: letters and digits of ASCII, dashes, dots and underscores.</summary>
    public static bool IsLabel(string? text, int most) =>
        text is { Length: > 0 } && text.Length <= most && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    /// <summary>An IP address as it is usually written: no zone, no other spelling. It may end up in a config that root runs.</summary>
    public static bool IsAddress(string? text) => text is not null && IPAddress.TryParse(text, out var address) && address.ToString() == text && !text.Contains('%', StringComparison.Ordinal);

    /// <summary>A host name (RFC 1123) or an IP address.</summary>
    public static bool IsHost(string? text) =>
        IsAddress(text) || (text is { Length: > 0 and <= 253 } && text.Any(char.IsAsciiLetter) && text.Split('.').All(label =>
            label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')));

    /// <summary>A network as it is usually written, with no bit set behind its prefix.</summary>
    public static bool IsNetwork(string? text, out IPNetwork network) =>
        IPNetwork.TryParse(text ?? "", out network) && network.ToString() == text && !text.Contains('%', StringComparison.Ordinal);

    /// <summary>Whether PostgreSQL's jsonb takes it: no NUL and no half of a surrogate pair, in names and values alike.</summary>
    public static bool IsStorable(JsonElement json)
    {
        try
        {
            return json.ValueKind switch
            {
                JsonValueKind.Object => json.EnumerateObject().All(p => !p.Name.Contains('\0', StringComparison.Ordinal) && IsStorable(p.Value)),
                JsonValueKind.Array => json.EnumerateArray().All(IsStorable),
                JsonValueKind.Number => json.TryGetDouble(out var number) && double.IsFinite(number),
                JsonValueKind.String => !json.GetString()!.Contains('\0', StringComparison.Ordinal),
                _ => true,
            };
        }
        catch (InvalidOperationException)
        {
            return false; // Reading such a half is what throws.
        }
    }
}
