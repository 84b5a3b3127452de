using System.Numerics;

namespace CVault.Billing;

/// <summary>The one rounding rule: a line's amount is computed exactly and rounded once, half away from zero, to the currency's minor unit.</summary>
public static class Rounding
{
    /// <exception cref="OverflowException">It is more money than there is.</exception>
    public static long Divide(BigInteger numerator, BigInteger denominator)
    {
        var (quotient, rest) = BigInteger.DivRem(BigInteger.Abs(numerator), denominator);
        if (2 * rest >= denominator) quotient++;
        return (long)(numerator.Sign < 0 ? -quotient : quotient);
    }

    /// <summary>A decimal with at most so many decimals as a whole number of its smallest parts.</summary>
    public static BigInteger Scaled(decimal value, int decimals)
    {
        Span<int> bits = stackalloc int[4];
        decimal.GetBits(value, bits);
        var scale = (bits[3] >> 16) & 0xff;
        var whole = ((BigInteger)(uint)bits[2] << 64) | ((BigInteger)(uint)bits[1] << 32) | (uint)bits[0];
        if (bits[3] < 0) whole = -whole;
        return scale <= decimals ? whole * BigInteger.Pow(10, decimals - scale) : BigInteger.DivRem(whole, BigInteger.Pow(10, scale - decimals)) is var (q, r) && r.IsZero ? q : throw new ArgumentException("More decimals than there is room for.", nameof(value));
    }
}
