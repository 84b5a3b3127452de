using System.Globalization;
using System.Text.Json.Serialization;

namespace CVault.Billing;

/// <summary>What is counted and may have a price. Stored by name, so names stay.</summary>
public enum Metric
{
    /// <summary>Bytes received and sent, priced by the gigabyte (10^9).</summary>
    Traffic,

    /// <summary>Seconds of all sessions together, priced by the hour.</summary>
    ConnectionTime,

    /// <summary>Users who were connected, priced by user and month.</summary>
    ActiveUsers,

    /// <summary>Devices that were connected, priced by device and month.</summary>
    ActiveDevices,
}

/// <summary>How tiers are applied: each part of the quantity at its own tier's price, or the whole at the price of the tier that it reaches.</summary>
public enum TierMode { Graduated, Volume }

/// <summary>One step of a price.</summary>
/// <param name="UpTo">The last unit that it covers, beyond what is included; null for all above.</param>
/// <param name="UnitPrice">Minor units of the currency for one unit (gigabyte, hour, user and month), with up to 12 decimals.</param>
public sealed record Tier(
    [property: JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)] decimal? UpTo,
    [property: JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)] decimal UnitPrice);

/// <summary>The price of a metric, in one region or in all that have none of their own.</summary>
/// <param name="Region">Null for all others; only what flows has regions.</param>
/// <param name="Included">Units of each month that cost nothing.</param>
public sealed record Price(
    Metric Metric, string? Region,
    [property: JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)] decimal Included,
    TierMode Mode, Tier[] Tiers);

/// <summary>What a plan costs. Money is in minor units of the currency (ISO 4217).</summary>
/// <param name="BaseFee">A month.</param>
/// <param name="MonthlyMinimum">What a month costs at least, base fee, usage and discounts together.</param>
/// <param name="TrialDays">For how many days a tenant's first subscription costs nothing; one that takes its place, from the same day or an earlier one, has its own.</param>
public sealed record PlanTerms(string Currency, long BaseFee, long MonthlyMinimum, int TrialDays, Price[] Prices)
{
    /// <summary>The price that holds in a region; null where it costs nothing.</summary>
    public Price? PriceOf(Metric metric, string region) =>
        Prices.FirstOrDefault(p => p.Metric == metric && p.Region == region) ?? Prices.FirstOrDefault(p => p.Metric == metric && p.Region is null);
}

/// <summary>What the metrics are like.</summary>
public static class Metrics
{
    /// <summary>How many of what is counted make one unit that has a price.</summary>
    public static long PerUnit(this Metric metric) => metric switch { Metric.Traffic => 1_000_000_000, Metric.ConnectionTime => 3600, _ => 1 };

    /// <summary>
    /// Whether it flows, so that it adds up over days and regions. What does not is counted once a month, and its price is
    /// for a month.
    /// </summary>
    public static bool Flows(this Metric metric) => metric is Metric.Traffic or Metric.ConnectionTime;

    /// <summary>A quantity in units, exact: at most nine decimals for gigabytes, rounded to six for hours.</summary>
    public static string InUnits(this Metric metric, long quantity) => metric switch
    {
        Metric.Traffic => (quantity / 1_000_000_000m).ToString("0.#########", CultureInfo.InvariantCulture) + " GB",
        Metric.ConnectionTime => (quantity / 3600m).ToString("0.######", CultureInfo.InvariantCulture) + " h",
        _ => quantity.ToString(CultureInfo.InvariantCulture),
    };
}
