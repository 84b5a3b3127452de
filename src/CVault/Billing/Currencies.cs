namespace CVault.Billing;

/// <summary>ISO 4217, as far as amounts need it.</summary>
public static class Currencies
{
    private static readonly string[] WithoutDecimals = ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
    private static readonly string[] WithThree = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

    /// <summary>How many digits of a minor amount stand behind the point.</summary>
    public static int Decimals(string currency) => WithoutDecimals.Contains(currency) ? 0 : WithThree.Contains(currency) ? 3 : 2;

    private static readonly HashSet<string> All = [.. (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL " +
        "GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN " +
        "NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS " +
        "VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG").Split(' ')];

    /// <summary>Whether it is the code of a currency in use.</summary>
    public static bool IsOne(string? text) => text is not null && All.Contains(text);

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
