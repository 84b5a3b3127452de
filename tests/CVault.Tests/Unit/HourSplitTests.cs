using CsCheck;
using CVault.Projections;

namespace CVault.Tests.Unit;

/// <summary>What spans hours is divided among them, and nothing comes of it or is lost.</summary>
public sealed class HourSplitTests
{
    private static readonly Gen<DateTimeOffset> Moments = Gen.Select(
        Gen.Frequency((1, Gen.Long[0, 400].Select(h => h * TimeSpan.TicksPerHour)), (3, Gen.Long[0, 400 * TimeSpan.TicksPerHour])), Gen.Int[-12, 12],
        (ticks, zone) => new DateTimeOffset(Samples.Now.UtcTicks + ticks, TimeSpan.Zero).ToOffset(TimeSpan.FromHours(zone)));

    private static readonly Gen<long> Amounts = Gen.Frequency((1, Gen.Long[0, 100]), (2, Gen.Long[0, long.MaxValue]));

    [Fact]
    public void the_parts_of_an_amount_are_its_sum_and_none_is_negative() => Gen.Select(Moments, Moments, Amounts).Sample((from, to, amount) =>
    {
        var before = 0L;
        foreach (var (_, until) in HourSplit.Hours(from, to))
        {
            var by = HourSplit.By(amount, from, to, until);
            Assert.InRange(by, before, amount);
            before = by;
        }

        Assert.Equal(amount, before);
    });

    [Fact]
    public void hours_follow_one_another_from_the_first_to_the_last() => Gen.Select(Moments, Moments).Sample((from, to) =>
    {
        var hours = HourSplit.Hours(from, to);
        Assert.Equal(to, hours[^1].Until);
        for (var i = 0; i < hours.Count; i++)
        {
            Assert.Equal((0, 0), (hours[i].Hour.Minute, hours[i].Hour.Offset.Ticks));
            Assert.InRange(hours[i].Until, hours[i].Hour, hours[i].Hour.AddHours(1));
            if (i > 0) Assert.Equal((hours[i - 1].Hour.AddHours(1), hours[i].Hour), (hours[i].Hour, hours[i - 1].Until));
        }

        if (from < to) Assert.InRange(from, hours[0].Hour, hours[0].Hour.AddHours(1));
        else Assert.Equal(HourSplit.HourOf(to), Assert.Single(hours).Hour);
    });

    [Fact]
    public void a_quarter_past_from_half_past_is_two_thirds_and_a_third()
    {
        var (from, to) = (Samples.Now.AddMinutes(30), Samples.Now.AddMinutes(75));
        var hours = HourSplit.Hours(from, to);
        Assert.Equal([Samples.Now, Samples.Now.AddHours(1)], hours.Select(h => h.Hour));
        Assert.Equal(66, HourSplit.By(100, from, to, hours[0].Until));
        Assert.Equal(100, HourSplit.By(100, from, to, hours[1].Until));
    }

    [Fact]
    public void what_ends_on_the_hour_is_of_the_hour_before() => Assert.Equal(
        Samples.Now, Assert.Single(HourSplit.Hours(Samples.Now.AddMinutes(50), Samples.Now.AddHours(1))).Hour);

    [Fact]
    public void a_clock_that_went_back_makes_no_time()
    {
        Assert.Equal(0, HourSplit.Seconds(Samples.Now, Samples.Now.AddHours(-3)));
        Assert.Equal(Samples.Now.AddHours(-3), Assert.Single(HourSplit.Hours(Samples.Now, Samples.Now.AddHours(-3))).Hour);
        Assert.Throws<ArgumentOutOfRangeException>(() => HourSplit.Hours(default, Samples.Now));
    }
}
