using CVault.Peers;
using CVault.Servers;

namespace CVault.Tests.Unit;

/// <summary>What a pass would change on a server.</summary>
public sealed class PeerDiffTests
{
    private const string Ips = "10.8.0.2/32,fd00::2/128";

    [Fact]
    public void equal_sets_need_nothing() => Assert.True(Between([Wanted("a"), Wanted("b")], [("b", Actual()), ("a", Actual())]).IsEmpty);

    [Fact]
    public void a_missing_peer_is_added()
    {
        var diff = Between([Wanted("a"), Wanted("b")], [("a", Actual())]);
        Assert.Equal(["b"], diff.Add.Select(p => p.PublicKey));
        Assert.Empty(diff.Remove);
    }

    [Theory]
    [InlineData("10.8.0.3/32,fd00::2/128")]
    [InlineData("10.8.0.2/32")]
    [InlineData("")]
    [InlineData("10.8.0.2/32,fd00::2/128,10.8.0.9/32")]
    [InlineData("10.8.0.2/24,fd00::2/128")]
    public void a_peer_with_other_addresses_is_set_again(string allowedIps) =>
        Assert.Equal([Wanted("a")], Between([Wanted("a")], [("a", Actual(allowedIps))]).Add);

    [Fact]
    public void the_order_of_addresses_does_not_matter() => Assert.True(Between([Wanted("a")], [("a", Actual("fd00::2/128,10.8.0.2/32"))]).IsEmpty);

    [Theory]
    [InlineData("another")]
    [InlineData(null)]
    public void a_peer_with_another_preshared_key_is_set_again(string? presharedKey) =>
        Assert.Equal([Wanted("a")], Between([Wanted("a")], [("a", Actual() with { PresharedKey = presharedKey })]).Add);

    [Fact]
    public void a_peer_that_has_a_preshared_key_and_should_have_none_is_set_again() =>
        Assert.Single(Between([Wanted("a") with { PresharedKey = null }], [("a", Actual())]).Add);

    [Fact]
    public void counters_and_handshakes_are_no_difference() =>
        Assert.True(Between([Wanted("a")], [("a", Actual() with { RxBytes = 5, TxBytes = 6, LastHandshake = 7 })]).IsEmpty);

    [Fact]
    public void an_unknown_peer_is_removed()
    {
        var diff = Between([Wanted("a")], [("a", Actual()), ("stranger", Actual())]);
        Assert.Equal(["stranger"], diff.Remove);
        Assert.Empty(diff.Add);
    }

    [Fact]
    public void keys_that_differ_in_case_are_two_peers()
    {
        var diff = Between([Wanted("Key")], [("key", Actual())]);
        Assert.Single(diff.Add);
        Assert.Equal(["key"], diff.Remove);
    }

    [Theory]
    [InlineData(20, 20, false)]
    [InlineData(21, 21, true)]
    [InlineData(21, 419, true)]
    [InlineData(21, 420, false)]
    [InlineData(3000, 60_000, false)]
    [InlineData(3001, 60_000, true)]
    [InlineData(60_000, 60_000, true)]
    [InlineData(0, 60_000, false)]
    public void a_pass_that_would_remove_more_than_twenty_and_a_twentieth_is_suspicious(int removals, int there, bool suspicious) =>
        Assert.Equal(suspicious, new PeerDiff([], [.. Enumerable.Range(0, removals).Select(n => n.ToString())], NothingWanted: false).IsSuspicious(there));

    /// <summary>The architecture: "an empty or unread desired set never removes anyone".</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(20)]
    [InlineData(21)]
    [InlineData(5000)]
    public void where_nothing_is_wanted_nobody_is_removed(int there)
    {
        var diff = Between([], [.. Enumerable.Range(0, there).Select(n => (n.ToString(), Actual()))]);
        Assert.True(diff.Remove.Count == 0 || diff.IsSuspicious(there), $"An empty desired set would remove {diff.Remove.Count} of {there} peers: a lost table must not darken a server.");
    }

    private static WantedPeer Wanted(string key) => new(key, "psk", Ips);
    private static ActualPeer Actual(string allowedIps = Ips) => new("psk", allowedIps, 0, 0, 0);
    private static PeerDiff Between(WantedPeer[] wanted, (string Key, ActualPeer Peer)[] actual) =>
        PeerDiff.Between(wanted.ToDictionary(p => p.PublicKey), actual.ToDictionary(p => p.Key, p => p.Peer));
}
