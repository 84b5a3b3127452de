using CVault.Projections;
using CVault.Projections.Usage;

namespace CVault.Tests.Unit;

public sealed class UsageRangeTests
{
    private static readonly DateTimeOffset Now = Samples.Now;

    [Fact]
    public void a_range_is_widened_to_whole_hours_or_days()
    {
        var (hours, _) = UsageRange.Of(Now.AddMinutes(10), Now.AddMinutes(70), "hour", null);
        Assert.Equal((Now, Now.AddHours(2)), (hours!.From, hours.To));
        var (days, _) = UsageRange.Of(Now, Now.AddHours(1), null, "user");
        Assert.Equal((Now.AddHours(-12), Now.AddHours(12)), (days!.From, days.To));
    }

    [Theory]
    [InlineData(31 * 24, "hour", true)]
    [InlineData((31 * 24) + 1, "hour", false)]
    [InlineData(400 * 24 - 12, "day", true)]
    [InlineData(401 * 24, "day", false)]
    [InlineData(0, "day", false)]
    [InlineData(-1, "hour", false)]
    [InlineData(1, "month", false)]
    public void it_is_bounded(int hours, string granularity, bool allowed) => Assert.Equal(allowed, UsageRange.Of(Now, Now.AddHours(hours), granularity, null).Item1 is not null);

    [Fact]
    public void one_end_alone_is_no_range()
    {
        Assert.NotNull(UsageRange.Of(Now, null, null, null).Item2);
        Assert.NotNull(UsageRange.Of(null, Now, null, null).Item2);
    }

    [Theory]
    [InlineData("")]
    [InlineData("3f0a")]
    [InlineData("us-east")]
    public void a_cursor_is_read_back(string key)
    {
        Assert.True(UsageRange.TryCursor(UsageRange.CursorOf(new UsageRow(Now, key, 1, 2, 3, 4)), out var after));
        Assert.Equal((Now, key), after!.Value);
    }

    [Theory]
    [InlineData("!")]
    [InlineData("AAAA")]
    [InlineData("LTEgeA")]
    public void anything_else_is_none(string cursor) => Assert.False(UsageRange.TryCursor(cursor, out _));

    [Fact]
    public void no_cell_of_a_table_is_a_formula()
    {
        var (range, _) = UsageRange.Of(Now, Now.AddHours(1), "hour", "region");
        var csv = DashboardUsage.Csv(new[] { "=1+1", "+1", "-1", "@x", "a,b", "us-east" }.Select(r => new UsageRow(Now, r, 1, 2, 3, 4)), range!);
        Assert.Equal(
            "start,region,rx_bytes,tx_bytes,connected_seconds,active_users\r\n" + string.Concat(
                new[] { "\"'=1+1\"", "\"'+1\"", "\"'-1\"", "\"'@x\"", "\"a,b\"", "us-east" }.Select(r => $"2026-03-01T12:00:00Z,{r},1,2,3,4\r\n")),
            csv);
    }
}
