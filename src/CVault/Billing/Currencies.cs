namespace CVault.Billing;

/// <summary>ISO 4217, as far as amounts need it.</summary>
public static class Currencies
{
    private static readonly string[] WithoutDecimals = ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
    private static readonly string[] WithThree = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

    /// <summary>How many digits of a minor amount stand behind the point.</summary>
    public static int Decimals(string currency) => WithoutDecimals.Contains(currency) ? 0 : WithThree.Contains(currency) ? 3 : 2;

    /// <summary>Whether it looks like a currency: three capital letters.</summary>
    public static bool IsOne(string? text) => text is { Length: 3 } && text.All(char.IsAsciiLetterUpper);

    /// <summary>An amount in the currency's own unit, exact.</summary>
    public static decimal Major(long amount, string currency) => amount / Decimals(currency) switch { 0 => 1m, 3 => 1000m, _ => 100m };

    /// <summary>An amount as people write it: <c>-12.34</c>.</summary>
    public static string Format(long amount, string currency)
    {
        var decimals = Decimals(currency);
        var digits = Math.Abs((decimal)amount).ToString(System.Globalization.CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        return (amount < 0 ? "-" : "") + (decimals == 0 ? digits : $"{digits[..^decimals]}.{digits[^decimals..]}");
    }
}
