namespace CVault;

/// <summary>Enum values as the API spells them: <c>snake_case</c>, and never by number.</summary>
public static class Names
{
    public static string Of<T>(T value) where T : struct, Enum =>
        System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    public static bool TryParse<T>(string? text, out T value) where T : struct, Enum
    {
        foreach (var candidate in Enum.GetValues<T>())
        {
            if (Of(candidate) != text) continue;
            value = candidate;
            return true;
        }

        value = default;
        return false;
    }

    /// <summary>For a name that validation has accepted; anything else is the first value.</summary>
    public static T Parse<T>(string? text) where T : struct, Enum => TryParse<T>(text, out var value) ? value : default;

    public static string[] All<T>() where T : struct, Enum => Enum.GetValues<T>().Select(Of).ToArray();
}
