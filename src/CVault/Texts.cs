using System.Text.Json;

namespace CVault;

/// <summary>Rules for texts from outside that more than one command has.</summary>
public static class Texts
{
    /// <summary>A name for machines: letters and digits of ASCII, dashes, dots and underscores.</summary>
    public static bool IsLabel(string? text, int most) =>
        text is { Length: > 0 } && text.Length <= most && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    /// <summary>Whether PostgreSQL's jsonb takes it: no NUL and no half of a surrogate pair, in names and values alike.</summary>
    public static bool IsStorable(JsonElement json)
    {
        try
        {
            return json.ValueKind switch
            {
                JsonValueKind.Object => json.EnumerateObject().All(p => !p.Name.Contains('\0', StringComparison.Ordinal) && IsStorable(p.Value)),
                JsonValueKind.Array => json.EnumerateArray().All(IsStorable),
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
