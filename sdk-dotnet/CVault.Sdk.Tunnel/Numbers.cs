using System.Globalization;

namespace CVault.Sdk.Tunnel;

internal static class Numbers
{
    /// <summary>Digits alone, from zero to <paramref name="most"/>.</summary>
    public static bool TryParse(string text, int most, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= most;
}
