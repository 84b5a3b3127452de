using System.Net;
using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>Whose calls are counted together where the address decides.</summary>
public sealed class AttemptLimitsTests
{
    [Theory]
    [InlineData("203.0.113.7", "203.0.113.7")]
    [InlineData("::ffff:203.0.113.7", "203.0.113.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:3::1", "2001:db8:1:3::/64")]
    public void an_address_is_counted_by_what_one_holder_has(string address, string network) =>
        Assert.Equal(network, AttemptLimits.NetworkOf(IPAddress.Parse(address)));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.8.9.10")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    public void calls_from_the_host_itself_are_not_counted(string address) => Assert.Null(AttemptLimits.NetworkOf(IPAddress.Parse(address)));

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.2, 1)]
    [InlineData(1, 1)]
    [InlineData(1.001, 2)]
    [InlineData(59.9, 60)]
    public void retry_after_is_whole_seconds_that_are_enough(double seconds, int told) => Assert.Equal(told, AttemptLimits.Seconds(TimeSpan.FromSeconds(seconds)));
}
