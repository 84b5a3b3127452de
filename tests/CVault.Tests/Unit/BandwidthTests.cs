using System.Security.Cryptography;
using CsCheck;
using CVault.Metering;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Tests.Unit;

/// <summary>A tenant's bytes by month, and what they say of it.</summary>
public sealed class BandwidthTests
{
    private const long Gb = TenantSettings.BytesPerGb;
    private static readonly DateOnly March = new(2026, 3, 1), April = new(2026, 4, 1);
    private static readonly DateTimeOffset Turn = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly Tenant Limited = Samples.Tenant with { Settings = new TenantSettings(BandwidthLimitGb: 10) };
    private static readonly Tenant Over = Limited with { OverBandwidth = true };
    private static readonly Gen<long> Bytes = Gen.Frequency((1, Gen.Const(0L)), (5, Gen.Long[0, 1L << 40]), (1, Gen.Long[0, long.MaxValue]));

    [Fact]
    public void the_months_of_a_reading_follow_one_another_and_sum_to_it() =>
        Gen.Select(Gen.Long[0, TimeSpan.TicksPerDay * 700], Gen.Frequency((3, Gen.Long[0, TimeSpan.TicksPerMinute]), (1, Gen.Long[0, TimeSpan.TicksPerDay * 400])), Bytes, Bytes).Sample((at, length, rx, tx) =>
        {
            var from = Turn.AddTicks(-at);
            var to = from.AddTicks(length);
            var parts = BandwidthQuota.ByMonth(from, to, rx, tx).ToArray();
            Assert.Equal((Int128)rx, parts.Aggregate(Int128.Zero, (s, p) => s + p.RxBytes));
            Assert.Equal((Int128)tx, parts.Aggregate(Int128.Zero, (s, p) => s + p.TxBytes));
            Assert.All(parts, p => Assert.True(p is { RxBytes: >= 0, TxBytes: >= 0 }));
            // The end is exclusive; a reading of no time is at its moment.
            var (first, last) = (Bandwidth.MonthOf(from), Bandwidth.MonthOf(length == 0 ? to : to.AddTicks(-1)));
            Assert.Equal(Enumerable.Range(0, parts.Length).Select(first.AddMonths), parts.Select(p => p.Month));
            Assert.Equal(last, parts[^1].Month);
        });

    [Fact]
    public void a_reading_across_a_months_end_is_split_by_time() =>
        Assert.Equal([(March, 33, 3), (April, 67, 7)], BandwidthQuota.ByMonth(Turn.AddSeconds(-5), Turn.AddSeconds(10), 100, 10));

    [Fact]
    public void one_that_ends_with_the_month_is_the_months_in_whichever_zone_it_is_told() =>
        Assert.Equal([(March, 100, 10)], BandwidthQuota.ByMonth(Turn.AddSeconds(-15), Turn.ToOffset(TimeSpan.FromHours(9)), 100, 10));

    [Fact]
    public void a_clock_that_jumped_back_makes_no_negative_time() => Assert.Equal([(March, 100, 10)], BandwidthQuota.ByMonth(Turn.AddSeconds(15), Turn.AddSeconds(-15), 100, 10));

    [Theory]
    [InlineData(8 * Gb - 1, 0, "")]
    [InlineData(8 * Gb, 0, "80")]
    [InlineData(8 * Gb, 80, "")]
    [InlineData(10 * Gb - 1, 80, "")]
    [InlineData(10 * Gb, 80, "100,over")]
    [InlineData(25 * Gb, 0, "80,100,over")]
    [InlineData(25 * Gb, 100, "over")]
    public void shares_are_warned_of_once_and_the_limit_ends_the_tunnels(long bytes, int warned, string said)
    {
        var events = new BandwidthUse(March, bytes, warned, 10 * Gb).Settle(Limited, 10 * Gb).ToArray();
        Assert.Equal(said, string.Join(",", events.Select(e => e is BandwidthWarned w ? $"{w.Percent}" : e is BandwidthExhausted ? "over" : "?")));
        Assert.All(events, e => Assert.Equal((March, bytes, 10 * Gb), e is BandwidthWarned w ? (w.Month, w.Bytes, w.LimitBytes) : e is BandwidthExhausted x ? (x.Month, x.Bytes, x.LimitBytes) : default));
    }

    [Fact]
    public void another_limit_is_warned_of_anew() =>
        Assert.Equal([new BandwidthWarned(March, 80, 17 * Gb, 20 * Gb)], new BandwidthUse(March, 17 * Gb, 100, 10 * Gb).Settle(Limited, 20 * Gb));

    [Fact]
    public void without_a_limit_nothing_is_ever_said() => Assert.Empty(new BandwidthUse(March, long.MaxValue).Settle(Samples.Tenant, null));

    [Fact]
    public void a_limit_of_nothing_is_used_up_by_nothing_and_has_no_shares() =>
        Assert.Equal([new BandwidthExhausted(March, 0, 0)], new BandwidthUse(March, 0).Settle(Limited with { Settings = new TenantSettings(BandwidthLimitGb: 0) }, 0));

    [Fact]
    public void who_is_over_stays_it_until_a_new_month_or_a_higher_limit()
    {
        Assert.Empty(new BandwidthUse(March, 11 * Gb, 100, 10 * Gb).Settle(Over, 10 * Gb));
        Assert.Equal([new BandwidthRestored("new_month")], new BandwidthUse(April, 0).Settle(Over, 10 * Gb));
        Assert.Equal([new BandwidthRestored("limit_raised")], new BandwidthUse(March, 11 * Gb, 100, 10 * Gb).Settle(Over, 20 * Gb));
        Assert.Equal([new BandwidthRestored("limit_raised")], new BandwidthUse(March, 11 * Gb, 100, 10 * Gb).Settle(Over, null));
        Assert.Empty(new BandwidthUse(March, 11 * Gb, 100, 11 * Gb).Settle(Over, 11 * Gb));
    }

    [Fact]
    public void a_changed_limit_is_decided_on_in_the_same_change()
    {
        var (reply, events, messages) = UpdateTenant.Answer(TenantChangesTests.Of("""{"bandwidth_limit_gb":5}"""), Limited, new BandwidthUse(March, 5 * Gb));
        Assert.True(Assert.IsType<TenantView>(reply.Body).OverBandwidth);
        Assert.Equal([new TenantSettingsChanged(new TenantSettings(BandwidthLimitGb: 5)), new BandwidthWarned(March, 80, 5 * Gb, 5 * Gb), new BandwidthWarned(March, 100, 5 * Gb, 5 * Gb), new BandwidthExhausted(March, 5 * Gb, 5 * Gb)], events);
        Assert.Equal([new TenantAccessChanged(Limited.Id)], messages);

        (reply, events, messages) = UpdateTenant.Answer(TenantChangesTests.Of("""{"bandwidth_limit_gb":null}"""), Over, new BandwidthUse(March, 10 * Gb, 100, 10 * Gb));
        Assert.False(Assert.IsType<TenantView>(reply.Body).OverBandwidth);
        Assert.Equal([new TenantSettingsChanged(new TenantSettings()), new BandwidthRestored("limit_raised")], events);
        Assert.Equal([new TenantAccessChanged(Limited.Id)], messages);
    }

    [Fact]
    public void a_tenant_that_may_move_nothing_is_over_from_its_first_moment()
    {
        var (reply, stream, first, second) = CreateTenant.Post(TenantChangesTests.Of("""{"name":"Acme","bandwidth_limit_gb":0}"""), new LookupKey(RandomNumberGenerator.GetBytes(32)), new Clock(Samples.Now));
        Assert.True(Assert.IsType<TenantCreatedView>(reply.Body).OverBandwidth);
        Assert.Equal(new BandwidthExhausted(March, 0, 0), Recorder.Of(stream, first, second).Events[^1]);
    }
}
