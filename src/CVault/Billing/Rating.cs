using System.Collections.Immutable;
using System.Numerics;
using System.Text.Json.Serialization;

namespace CVault.Billing;

/// <summary>Days of a month on which the same terms held.</summary>
/// <param name="Until">The first day that is not among them.</param>
/// <param name="Trial">They cost nothing.</param>
public sealed record TermSpan(DateOnly From, DateOnly Until, Guid PlanId, int PlanVersion, string PlanName, PlanTerms Terms, bool Trial)
{
    public int Days => Until.DayNumber - From.DayNumber;
}

/// <summary>How much was used of what and where.</summary>
/// <param name="Region">Empty for what has no regions.</param>
/// <param name="Quantity">Bytes, seconds, users or devices.</param>
public readonly record struct Use(Metric Metric, string Region, long Quantity);

/// <summary>A share of a month's charges that is not to be paid.</summary>
/// <param name="Percent">Of what earlier discounts have left, up to 100, with up to four decimals.</param>
/// <param name="Until">The last month; null for all to come.</param>
public sealed record Discount(Guid Id, string Name, decimal Percent, Month From, Month? Until);

/// <summary>What a line of a statement or an invoice is for. Stored by name, so names stay.</summary>
public enum LineKind { BaseFee, Usage, Trial, Discount, Minimum, Adjustment, CarriedOver, Credit, Tax }

/// <summary>One line. An invoice's total is the sum of its lines.</summary>
/// <param name="Month">Which month's charge it is: for an adjustment an earlier one than the invoice's.</param>
/// <param name="From">The first day.</param>
/// <param name="Until">The first day that is not among them.</param>
/// <param name="Quantity">Bytes, seconds, users or devices; null where nothing was counted.</param>
/// <param name="Region">Null where the line has none.</param>
/// <param name="Name">Of the plan, the discount or the tax.</param>
/// <param name="Amount">Minor units of the currency.</param>
/// <param name="Of">What an adjustment adjusts.</param>
public sealed record Line(
    LineKind Kind, Month Month, DateOnly From, DateOnly Until, string Name, long Amount,
    Metric? Metric = null, string? Region = null, long? Quantity = null, Guid? PlanId = null, int? PlanVersion = null, LineKind? Of = null)
{
    /// <summary>Lines of the same key are the same charge, at another time.</summary>
    [JsonIgnore]
    public (LineKind, Month, DateOnly, DateOnly, string, Metric?, string?) Key => (Of ?? Kind, Month, From, Until, Name, Metric, Region);

    /// <summary>In words, for people.</summary>
    public string Describe()
    {
        var days = From == Month.First && Until == Month.End ? "" : $", {From:yyyy-MM-dd} to {Until.AddDays(-1):yyyy-MM-dd}";
        var what = (Of ?? Kind) switch
        {
            LineKind.BaseFee => $"{Name}: base fee",
            LineKind.Usage => $"{Name}: {Metric switch { Billing.Metric.Traffic => "traffic", Billing.Metric.ConnectionTime => "connection time", Billing.Metric.ActiveUsers => "active users", _ => "active devices" }}{(Region is null ? "" : $" in {Region}")}{(Quantity is { } q ? ", " + Metric!.Value.InUnits(q) : "")}",
            LineKind.Trial => $"{Name}: trial",
            LineKind.Discount => Name,
            LineKind.Minimum => "Up to the monthly minimum",
            LineKind.CarriedOver => "Carried over to your credit",
            LineKind.Credit => "From your credit",
            LineKind.Tax => Name,
            _ => Name,
        };
        return Kind == LineKind.Adjustment ? $"Adjustment of {Month}: {what}{days}" : what + days;
    }
}

/// <summary>
/// What a month costs: a pure function of the terms, what was used and the discounts. Every line is computed exactly and
/// rounded once (<see cref="Rounding"/>); nothing is computed from a rounded number but what is meant to be a part of one.
/// </summary>
/// <remarks>
/// Days of a span over days of the month prorate the base fee, the minimum, and for what flows the included amounts and the
/// tiers' bounds. What is counted once a month (users, devices) is counted anew in each span, with prices prorated instead.
/// </remarks>
public static class Rating
{
    /// <summary>Decimals of prices, and of included amounts and bounds.</summary>
    public const int PriceDecimals = 12, BoundDecimals = 9, PercentDecimals = 4;

    private static readonly BigInteger PriceScale = BigInteger.Pow(10, PriceDecimals), BoundScale = BigInteger.Pow(10, BoundDecimals);

    /// <summary>The month's charges: base fees and usage by span, trials and discounts, and what is missing to the minimum.</summary>
    /// <param name="use">Of each span, what was used in it.</param>
    public static ImmutableList<Line> Charges(Month month, IReadOnlyList<(TermSpan Span, IReadOnlyList<Use> Use)> use, IEnumerable<Discount> discounts)
    {
        var lines = ImmutableList.CreateBuilder<Line>();
        BigInteger minimum = 0;
        foreach (var (span, used) in use)
        {
            var ofSpan = SpanLines(month, span, used).ToList();
            lines.AddRange(ofSpan);
            if (span.Trial) lines.Add(new Line(LineKind.Trial, month, span.From, span.Until, span.PlanName, -ofSpan.Sum(l => l.Amount), PlanId: span.PlanId, PlanVersion: span.PlanVersion));
            else minimum += (BigInteger)span.Terms.MonthlyMinimum * span.Days;
        }

        var left = lines.Sum(l => l.Amount);
        foreach (var discount in discounts.Where(d => d.From <= month && (d.Until is not { } last || month <= last)))
        {
            var off = Rounding.Divide(left * Rounding.Scaled(discount.Percent, PercentDecimals), 100 * BigInteger.Pow(10, PercentDecimals));
            if (off == 0) continue;
            lines.Add(new Line(LineKind.Discount, month, month.First, month.End, discount.Name, -off));
            left -= off;
        }

        var least = Rounding.Divide(minimum, month.Days);
        if (least > left) lines.Add(new Line(LineKind.Minimum, month, month.First, month.End, "", least - left));
        return lines.ToImmutable();
    }

    private static IEnumerable<Line> SpanLines(Month month, TermSpan span, IReadOnlyList<Use> used)
    {
        Line Of(LineKind kind, long amount) => new(kind, month, span.From, span.Until, span.PlanName, amount, PlanId: span.PlanId, PlanVersion: span.PlanVersion);

        if (span.Terms.BaseFee > 0) yield return Of(LineKind.BaseFee, Rounding.Divide((BigInteger)span.Terms.BaseFee * span.Days, month.Days));
        foreach (var price in span.Terms.Prices)
        {
            var quantity = used.Where(u => u.Metric == price.Metric && span.Terms.PriceOf(u.Metric, u.Region) == price).Sum(u => u.Quantity);
            if (quantity > 0) yield return Of(LineKind.Usage, Amount(price, quantity, span.Days, month.Days)) with { Metric = price.Metric, Region = price.Region, Quantity = quantity };
        }
    }

    /// <summary>What a quantity costs in so many days of a month.</summary>
    public static long Amount(Price price, long quantity, int days, int ofDays)
    {
        var flows = price.Metric.Flows();
        // Quantities and bounds in the smallest parts that either of them can have.
        BigInteger Bound(decimal units) => Rounding.Scaled(units, BoundDecimals) * price.Metric.PerUnit() * (flows ? days : ofDays);
        var billable = BigInteger.Max(0, (quantity * BoundScale * ofDays) - Bound(price.Included));
        BigInteger sum = 0, below = 0;
        foreach (var tier in price.Tiers)
        {
            var bound = tier.UpTo is { } upTo ? Bound(upTo) : billable;
            var part = price.Mode == TierMode.Volume ? billable <= bound ? billable : 0 : BigInteger.Min(billable, bound) - below;
            if (part > 0) sum += part * Rounding.Scaled(tier.UnitPrice, PriceDecimals);
            if (billable <= bound) break;
            below = bound;
        }

        return Rounding.Divide(sum * (flows ? 1 : days), BoundScale * ofDays * price.Metric.PerUnit() * PriceScale * (flows ? 1 : ofDays));
    }
}
