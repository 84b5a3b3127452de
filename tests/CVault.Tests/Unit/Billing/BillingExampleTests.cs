using CVault.Billing;

namespace CVault.Tests.Unit.Billing;

/// <summary>Bills that were computed by hand.</summary>
public sealed class BillingExampleTests
{
    private const long Gigabyte = 1_000_000_000, Hour = 3600;

    private static readonly Month January = new(2027, 1);
    private static readonly Month February = new(2027, 2);
    private static readonly Month March = new(2027, 3);
    private static readonly Month LeapFebruary = new(2028, 2);

    [Fact]
    public void the_last_fourteen_days_of_a_leap_February_are_fourteen_of_twenty_nine()
    {
        // 2900 x 14/29 = 1400; 29 GB included become 14, so that one of 15 costs 100.
        var terms = Terms(2900, Price(Metric.Traffic, null, 29, TierMode.Graduated, (null, 100)));
        Assert.Equal(
            [(LineKind.BaseFee, 1400), (LineKind.Usage, 100)],
            Seen(Charges(On(terms, new DateOnly(2028, 2, 16)), LeapFebruary, new Use(Metric.Traffic, "eu", 15 * Gigabyte))));

        // In a year that is none they are the half of it: 1450, and 14.5 GB included.
        Assert.Equal(
            [(LineKind.BaseFee, 1450), (LineKind.Usage, 50)],
            Seen(Charges(On(terms, new DateOnly(2027, 2, 15)), February, new Use(Metric.Traffic, "eu", 15 * Gigabyte))));
    }

    [Theory]
    [InlineData(1, 1)] // 0.5
    [InlineData(3, 2)] // 1.5
    [InlineData(5, 3)] // 2.5
    [InlineData(4, 2)]
    public void half_a_minor_unit_is_a_whole_one(long monthly, long halfAMonth) => Assert.Equal(
        [(LineKind.BaseFee, halfAMonth)], Seen(Charges(On(Terms(monthly), new DateOnly(2027, 2, 15)), February)));

    [Fact]
    public void half_a_minor_unit_less_is_a_whole_one_less()
    {
        var account = On(Terms(25), January.First).Apply(new DiscountGranted(new Discount(Guid.NewGuid(), "tenth", 10, January, null)));
        Assert.Equal([(LineKind.BaseFee, 25), (LineKind.Discount, -3)], Seen(Charges(account, January))); // 2.5
    }

    [Fact]
    public void an_amount_just_below_half_a_minor_unit_is_nothing() => Assert.Equal(
        (0, 1),
        (Rating.Amount(Price(Metric.Traffic, null, 0, TierMode.Graduated, (null, 0.499999999999m)), Gigabyte, 31, 31),
        Rating.Amount(Price(Metric.Traffic, null, 0, TierMode.Graduated, (null, 0.5m)), Gigabyte, 31, 31)));

    [Theory]
    [InlineData(10 * Gigabyte, 28, 50)]
    [InlineData((10 * Gigabyte) + 1, 28, 30)] // 10.000000001 x 3
    [InlineData(5 * Gigabyte, 14, 25)] // The bound is half as far, its price the same.
    [InlineData((5 * Gigabyte) + 1, 14, 15)]
    public void up_to_a_bound_of_a_volume_price_is_with_it(long bytes, int days, long amount) =>
        Assert.Equal(amount, Rating.Amount(Price(Metric.Traffic, null, 0, TierMode.Volume, (10, 5), (null, 3)), bytes, days, 28));

    [Theory]
    [InlineData(10 * Gigabyte, 50)]
    [InlineData(11 * Gigabyte, 53)]
    [InlineData(25 * Gigabyte, 81)] // 10 x 5 + 10 x 3 + 5 x 0.2
    public void each_part_of_a_graduated_price_costs_its_own(long bytes, long amount) =>
        Assert.Equal(amount, Rating.Amount(Price(Metric.Traffic, null, 0, TierMode.Graduated, (10, 5), (20, 3), (null, 0.2m)), bytes, 28, 28));

    [Fact]
    public void users_are_all_counted_in_a_part_of_a_month_and_cost_a_part()
    {
        // 7 less 2 that are included, 31 each, for ten days of 31.
        var price = Price(Metric.ActiveUsers, null, 2, TierMode.Graduated, (null, 31));
        Assert.Equal(50, Rating.Amount(price, 7, 10, 31));
    }

    [Fact]
    public void a_region_with_a_price_of_its_own_pays_that_one()
    {
        var terms = Terms(0, Price(Metric.Traffic, null, 1, TierMode.Graduated, (null, 2)), Price(Metric.Traffic, "eu", 0, TierMode.Graduated, (null, 7)));
        var lines = Charges(On(terms, January.First), January,
            new Use(Metric.Traffic, "ap", Gigabyte), new Use(Metric.Traffic, "eu", 3 * Gigabyte), new Use(Metric.Traffic, "us", 4 * Gigabyte));
        // ap and us together are 5 GB, of which one is included.
        Assert.Equal([(null, 5 * Gigabyte, 8), ("eu", 3 * Gigabyte, 21)], lines.Select(l => (l.Region, l.Quantity!.Value, l.Amount)));
    }

    [Fact]
    public void a_trial_is_shown_and_costs_nothing_and_the_minimum_is_of_the_other_days()
    {
        // Ten days of 31 are trial; of the others 6200 x 21/31 = 4200 is the least.
        var terms = Terms(3100) with { MonthlyMinimum = 6200, TrialDays = 10 };
        Assert.Equal(
            [(LineKind.BaseFee, 1000), (LineKind.Trial, -1000), (LineKind.BaseFee, 2100), (LineKind.Minimum, 2100)], Seen(Charges(On(terms, January.First), January)));
    }

    [Fact]
    public void a_month_below_zero_is_carried_over_to_the_next()
    {
        Tax[] taxes = [new("VAT", 19)];
        var account = On(Terms(100, Price(Metric.ConnectionTime, null, 0, TierMode.Graduated, (null, 100))), January.First);

        var january = Closing.Close(January, Charges(account, January, new Use(Metric.ConnectionTime, "eu", 10 * Hour)), [], 0, taxes);
        Assert.Equal([(LineKind.BaseFee, 100), (LineKind.Usage, 1000), (LineKind.Tax, 209)], Seen(january.Lines));
        Assert.Equal((1309, 0), (january.Total, january.Credit));

        // Six of the ten hours had not been: 600 less, of which this month's 100 take a part.
        var now = Charges(account, January, new Use(Metric.ConnectionTime, "eu", 4 * Hour));
        var february = Closing.Close(February, Charges(account, February), [new Rerated(January, now, january.Lines)], january.Credit, taxes);
        Assert.Equal([(LineKind.BaseFee, 100), (LineKind.Adjustment, -600), (LineKind.CarriedOver, 500)], Seen(february.Lines));
        Assert.Equal((LineKind.Usage, January), (february.Lines[1].Of!.Value, february.Lines[1].Month));
        Assert.Equal((0, 500), (february.Total, february.Credit));

        // 900, of which 500 are paid; 19 % of 400 are 76. January is as it was charged by now.
        var march = Closing.Close(
            March, Charges(account, March, new Use(Metric.ConnectionTime, "eu", 8 * Hour)), [new Rerated(January, now, [.. january.Lines, .. february.Lines.Where(l => l.Month == January)])], february.Credit, taxes);
        Assert.Equal([(LineKind.BaseFee, 100), (LineKind.Usage, 800), (LineKind.Credit, -500), (LineKind.Tax, 76)], Seen(march.Lines));
        Assert.Equal((476, 0), (march.Total, march.Credit));
    }

    private static BillingAccount On(PlanTerms terms, DateOnly from) =>
        BillingAccount.Create(Samples.Stored(BillingAccount.IdOf(Samples.Tenant.Id), new PlanSubscribed(Guid.NewGuid(), 1, "Plan", terms, from)));

    private static PlanTerms Terms(long fee, params Price[] prices) => new("EUR", fee, 0, 0, prices);

    private static Price Price(Metric metric, string? region, decimal included, TierMode mode, params (decimal? UpTo, decimal UnitPrice)[] tiers) =>
        new(metric, region, included, mode, [.. tiers.Select(t => new Tier(t.UpTo, t.UnitPrice))]);

    /// <summary>All of the use is in each span of the month.</summary>
    private static System.Collections.Immutable.ImmutableList<Line> Charges(BillingAccount account, Month month, params Use[] use) =>
        Rating.Charges(month, [.. account.Spans(month).Select(s => (s, (IReadOnlyList<Use>)use))], account.Discounts);

    private static IEnumerable<(LineKind, long)> Seen(IEnumerable<Line> lines) => lines.Select(l => (l.Kind, l.Amount));
}
