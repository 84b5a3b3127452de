namespace CVault.Billing;

/// <summary>
/// Stripe's smallest units, where they are not ISO 4217's (https://docs.stripe.com/currencies): two currencies without
/// decimals are told in hundredths, one with two decimals in wholes, and those with three decimals must end in a zero.
/// </summary>
public static class StripeMoney
{
    /// <returns>Null: Stripe cannot be asked for exactly this amount.</returns>
    public static long? ToStripe(long amount, string currency) => currency switch
    {
        "ISK" or "UGX" => checked(amount * 100),
        "MGA" => Hundredth(amount),
        _ => Currencies.Decimals(currency) == 3 && amount % 10 != 0 ? null : amount,
    };

    /// <returns>Null: it is less than the smallest unit of the currency.</returns>
    public static long? FromStripe(long amount, string currency) => currency switch
    {
        "ISK" or "UGX" => Hundredth(amount),
        "MGA" => checked(amount * 100),
        _ => amount,
    };

    private static long? Hundredth(long amount) => amount % 100 == 0 ? amount / 100 : null;
}
