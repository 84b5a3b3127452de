using System.Net;
using CsCheck;
using CVault.IpLeases;

namespace CVault.Tests.Unit;

/// <summary>The arithmetic of a server's pool.</summary>
public sealed class PoolTests
{
    private static readonly IPNetwork Six = IPNetwork.Parse("fd8c:7a11:1::/64");

    [Theory]
    [InlineData("10.8.0.0/16", 2, 65_534)]
    [InlineData("10.8.4.0/24", 2, 254)]
    [InlineData("10.8.4.0/29", 2, 6)]
    [InlineData("10.8.4.8/30", 2, 2)]
    public void a_pool_gives_all_but_network_server_and_broadcast(string pool, int first, int last) =>
        Assert.Equal((first, last), Pool.Numbers(IPNetwork.Parse(pool)));

    [Theory]
    [InlineData("10.8.0.0/16", 2, "10.8.0.2")]
    [InlineData("10.8.0.0/16", 255, "10.8.0.255")]
    [InlineData("10.8.0.0/16", 256, "10.8.1.0")]
    [InlineData("10.8.0.0/16", 65_534, "10.8.255.254")]
    [InlineData("192.168.255.248/30", 2, "192.168.255.250")]
    public void a_number_is_an_offset_from_the_network_address(string pool, int number, string address) =>
        Assert.Equal(address, Pool.Address(IPNetwork.Parse(pool), number));

    [Theory]
    [InlineData(2, "fd8c:7a11:1::2")]
    [InlineData(256, "fd8c:7a11:1::100")]
    [InlineData(65_534, "fd8c:7a11:1::fffe")]
    public void the_same_number_counts_in_the_IPv6_network(int number, string address) => Assert.Equal(address, Pool.Address6(Six, number));

    [Fact]
    public void all_addresses_of_any_pool_are_distinct_inside_it_and_nobody_elses() =>
        Gen.Select(Gen.Int[16, 30], Gen.UInt).Select((prefix, any) => Network(any, prefix)).Sample(
            pool =>
            {
                var (first, last) = Pool.Numbers(pool);
                var addresses = Enumerable.Range(first, last - first + 1).Select(n => Pool.Address(pool, n)).ToArray();
                var size = 1 << (32 - pool.PrefixLength);
                Assert.Equal(size - 3, addresses.Distinct(StringComparer.Ordinal).Count());
                Assert.All(addresses, a => Assert.True(pool.Contains(IPAddress.Parse(a)), $"{a} is outside {pool}"));
                Assert.DoesNotContain(pool.BaseAddress.ToString(), addresses);
                Assert.DoesNotContain(Pool.Address(pool, 1), addresses);
                Assert.DoesNotContain(Pool.Address(pool, size - 1), addresses);
                var six = Enumerable.Range(first, last - first + 1).Select(n => Pool.Address6(Six, n)).ToHashSet(StringComparer.Ordinal);
                Assert.Equal(addresses.Length, six.Count);
                Assert.All(six, a => Assert.True(Six.Contains(IPAddress.Parse(a)), $"{a} is outside {Six}"));
            },
            iter: 12, threads: 1);

    private static IPNetwork Network(uint any, int prefix)
    {
        var network = any & (uint.MaxValue << (32 - prefix));
        return new IPNetwork(new IPAddress(BitConverter.GetBytes(network).Reverse().ToArray()), prefix);
    }
}
