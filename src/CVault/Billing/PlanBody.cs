using System.Globalization;
using System.Text.RegularExpressions;

namespace CVault.Billing;

/// <summary>A tier as the API has it.</summary>
/// <param name="UpTo">Units, up to nine decimals; null for all above.</param>
/// <param name="UnitPrice">Minor units of the currency for a unit, up to twelve decimals.</param>
public sealed record TierBody(string? UpTo, string? UnitPrice);

/// <summary>A price as the API has it.</summary>
/// <param name="Metric"><c>traffic</c> (by the gigabyte of 10^9 bytes), <c>connection_time</c> (by the hour), <c>active_users</c> or <c>active_devices</c> (by the month).</param>
/// <param name="Region">Null for all regions without a price of their own.</param>
/// <param name="Included">Units a month that cost nothing.</param>
/// <param name="Mode"><c>graduated</c> or <c>volume</c>.</param>
public sealed record PriceBody(string? Metric, string? Region, string? Included, string? Mode, TierBody[]? Tiers)
{
    internal static PriceBody Of(Price price) => new(
        Names.Of(price.Metric), price.Region, Text(price.Included), Names.Of(price.Mode), [.. price.Tiers.Select(t => new TierBody(t.UpTo is { } upTo ? Text(upTo) : null, Text(t.UnitPrice)))]);

    internal static string Text(decimal value) => value.ToString("0.############", CultureInfo.InvariantCulture);
}

/// <summary>Body of <c>POST /admin/plans</c> and <c>PATCH /admin/plans/{id}</c>. In a PATCH what is absent stays.</summary>
public sealed partial record PlanBody(string? Name, string? Currency, long? BaseFee, long? MonthlyMinimum, int? TrialDays, PriceBody[]? Prices)
{
    /// <summary>More money than that is a mistake.</summary>
    public const long MostMoney = 1_000_000_000_000;

    private const int MostPrices = 100, MostTiers = 20;

    /// <summary>Whether it changes what is paid.</summary>
    internal bool ChangesTerms => BaseFee is not null || MonthlyMinimum is not null || TrialDays is not null || Prices is not null;

    /// <summary>What is wrong with the shape; empty when nothing is.</summary>
    /// <param name="whole">Whether all must be there: the plan is a new one.</param>
    public IEnumerable<(string Field, string Message)> Errors(bool whole)
    {
        if (whole || Name is not null)
        {
            foreach (var error in Tenants.TenantChanges.NameErrors(Name, "name")) yield return error;
        }

        if (whole ? !Currencies.IsOne(Currency) : Currency is not null) yield return ("currency", whole ? "A currency's code (ISO 4217), such as EUR." : "A plan's currency stays.");
        if (BaseFee is < 0 or > MostMoney) yield return ("base_fee", "0 to 10^12 minor units of the currency.");
        if (MonthlyMinimum is < 0 or > MostMoney) yield return ("monthly_minimum", "0 to 10^12 minor units of the currency.");
        if (TrialDays is < 0 or > 366) yield return ("trial_days", "0 to 366.");
        if (Prices is null) yield break;
        if (Prices.Length > MostPrices) yield return ("prices", $"At most {MostPrices}.");
        foreach (var price in Prices.Take(MostPrices))
        {
            if (price is null)
            {
                yield return ("prices", "Each one an object.");
                continue;
            }

            foreach (var error in PriceErrors(price)) yield return error;
        }

        if (Prices.OfType<PriceBody>().GroupBy(p => (p.Metric, p.Region)).Any(g => g.Count() > 1)) yield return ("prices", "One price a metric and region.");
    }

    private static IEnumerable<(string, string)> PriceErrors(PriceBody price)
    {
        if (!Names.TryParse<Metric>(price.Metric, out var metric)) yield return ("prices.metric", "One of: " + string.Join(", ", Names.All<Metric>()) + ".");
        else if (price.Region is not null && !metric.Flows()) yield return ("prices.region", "Users and devices have none.");
        if (price.Region is not null && !Texts.IsLabel(price.Region, 50)) yield return ("prices.region", "1 to 50 letters, digits, dots, dashes or underscores.");
        if (price.Included is not null && !Bound().IsMatch(price.Included)) yield return ("prices.included", "A decimal number as a text, with at most nine decimals.");
        if (price.Mode is not null && !Names.TryParse<TierMode>(price.Mode, out _)) yield return ("prices.mode", "graduated or volume.");
        if (price.Tiers is not { Length: >= 1 and <= MostTiers } tiers || tiers.Any(t => t is null))
        {
            yield return ("prices.tiers", $"1 to {MostTiers} of them.");
            yield break;
        }

        if (tiers.Any(t => t.UnitPrice is null || !UnitPriceForm().IsMatch(t.UnitPrice))) yield return ("prices.tiers.unit_price", "A decimal number as a text, with at most twelve decimals.");
        if (tiers[^1].UpTo is not null || tiers[..^1].Any(t => t.UpTo is null)) yield return ("prices.tiers.up_to", "All have one but the last.");
        else if (tiers[..^1].Any(t => !Bound().IsMatch(t.UpTo!))) yield return ("prices.tiers.up_to", "A decimal number as a text, with at most nine decimals.");
        else if (!Rises([0, .. tiers[..^1].Select(t => Number(t.UpTo!))])) yield return ("prices.tiers.up_to", "Each above the one before.");
    }

    /// <summary>The terms after the change. Only where <see cref="Errors"/> finds nothing.</summary>
    public PlanTerms ApplyTo(PlanTerms? old) => new(
        old?.Currency ?? Currency!, BaseFee ?? old?.BaseFee ?? 0, MonthlyMinimum ?? old?.MonthlyMinimum ?? 0, TrialDays ?? old?.TrialDays ?? 0,
        Prices is null ? old?.Prices ?? [] : [.. Prices.Select(p => new Price(
            Names.Parse<Metric>(p.Metric), p.Region, p.Included is null ? 0 : Number(p.Included), Names.Parse<TierMode>(p.Mode ?? "graduated"),
            [.. p.Tiers!.Select(t => new Tier(t.UpTo is null ? null : Number(t.UpTo), Number(t.UnitPrice!)))]))]);

    private static bool Rises(decimal[] numbers) => numbers.Zip(numbers[1..]).All(p => p.First < p.Second);

    private static decimal Number(string text) => decimal.Parse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^[0-9]{1,12}(\.[0-9]{1,9})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Bound();

    [GeneratedRegex(@"^[0-9]{1,9}(\.[0-9]{1,12})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex UnitPriceForm();
}
