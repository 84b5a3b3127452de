using CVault.IpLeases;

namespace CVault.Tests.Unit;

/// <summary>Which stream an address's history is in.</summary>
public sealed class IpLeaseTests
{
    private static readonly Guid Server = Guid.Parse("01890a5d-ac96-774b-bcce-b302099a8057");

    [Fact]
    public void an_address_has_the_same_stream_in_every_release_of_CVault() =>
        Assert.Equal(Guid.Parse("9361de5f-e6a0-8ac1-b9d5-4a9be0bfabe7"), IpLease.StreamId(Server, 2));

    [Fact]
    public void the_stream_id_is_a_UUID_of_version_8()
    {
        var text = IpLease.StreamId(Server, 77).ToString();
        Assert.Equal('8', text[14]);
        Assert.Contains(text[19], "89ab");
    }

    [Fact]
    public void no_two_addresses_share_a_stream()
    {
        var servers = Enumerable.Range(0, 10).Select(_ => Guid.NewGuid()).ToArray();
        var streams = servers.SelectMany(s => Enumerable.Range(0, 2000).Select(n => IpLease.StreamId(s, n))).ToHashSet();
        Assert.Equal(20_000, streams.Count);
    }

    [Fact]
    public void a_released_address_rests_for_some_minutes() => Assert.InRange(LeaseRules.Default.Quarantine, TimeSpan.FromMinutes(1), TimeSpan.FromHours(1));
}
