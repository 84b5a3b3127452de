using System.Collections.Immutable;
using System.Numerics;

namespace CVault.Billing;

/// <summary>An earlier month, as it would be charged by what is known now.</summary>
/// <param name="Charged">The lines of all invoices so far that are for this month.</param>
public sealed record Rerated(Month Month, ImmutableList<Line> Now, IReadOnlyList<Line> Charged);

/// <summary>A month's lines, and what is left of the credit after them.</summary>
public sealed record Closed(ImmutableList<Line> Lines, long Credit)
{
    public long Total => Lines.Sum(l => l.Amount);
}

/// <summary>
/// From charges to what is to be paid: corrections of earlier months, then the credit, then taxes on what is left. A sum
/// below zero is carried over: the invoice is nothing, and the credit grows.
/// </summary>
public static class Closing
{
    public static Closed Close(Month month, ImmutableList<Line> charges, IEnumerable<Rerated> earlier, long credit, IEnumerable<Tax> taxes)
    {
        var lines = charges.ToBuilder();
        foreach (var one in earlier) lines.AddRange(Adjustments(one));

        Line Whole(LineKind kind, string name, long amount) => new(kind, month, month.First, month.End, name, amount);
        var sum = lines.Sum(l => l.Amount);
        var left = credit;
        if (sum < 0)
        {
            lines.Add(Whole(LineKind.CarriedOver, "", -sum));
            left = checked(left - sum);
            sum = 0;
        }
        else if (Math.Min(sum, credit) is > 0 and var used)
        {
            lines.Add(Whole(LineKind.Credit, "", -used));
            left -= used;
            sum -= used;
        }

        foreach (var tax in taxes)
        {
            var amount = Rounding.Divide(sum * Rounding.Scaled(tax.Percent, Rating.PercentDecimals), 100 * BigInteger.Pow(10, Rating.PercentDecimals));
            if (amount != 0) lines.Add(Whole(LineKind.Tax, tax.Name, amount));
        }

        return new Closed(lines.ToImmutable(), left);
    }

    /// <summary>What each charge of an earlier month is now, less what has been charged for it.</summary>
    private static IEnumerable<Line> Adjustments(Rerated month)
    {
        var before = month.Charged.Where(l => l.Month == month.Month && (l.Of ?? l.Kind) is not (LineKind.Credit or LineKind.CarriedOver or LineKind.Tax)).ToLookup(l => l.Key);
        var now = month.Now.ToLookup(l => l.Key);
        foreach (var key in before.Select(g => g.Key).Union(now.Select(g => g.Key)))
        {
            var difference = now[key].Sum(l => l.Amount) - before[key].Sum(l => l.Amount);
            if (difference == 0) continue;
            var like = now[key].FirstOrDefault() ?? before[key].First();
            long? more = like.Quantity is null ? null : now[key].Sum(l => l.Quantity ?? 0) - before[key].Sum(l => l.Quantity ?? 0);
            yield return like with { Kind = LineKind.Adjustment, Of = key.Item1, Amount = difference, Quantity = more };
        }
    }
}
