using System.Text;
using CVault.Peers;
using CVault.Servers;

namespace CVault.Tests.Unit;

/// <summary>What a pass finds on a server.</summary>
public sealed class PeerDiffTests
{
    private const string Ips = "10.8.0.2/32,fd00::2/128";
    private static readonly string A = Key(1), B = Key(2), Psk = Key(9);

    [Fact]
    public void equal_sets_need_nothing() => Assert.True(Between([Wanted(A), Wanted(B)], [(B, Psk, Ips, 0), (A, Psk, Ips, 0)]).IsEmpty);

    [Fact]
    public void a_peer_that_is_not_there_is_missing()
    {
        var diff = Between([Wanted(A), Wanted(B)], [(A, Psk, Ips, 0)]);
        Assert.Equal([B], diff.Missing.Select(k => k.ToString()));
        Assert.Empty(diff.Different);
        Assert.Empty(diff.Unknown);
    }

    [Theory]
    [InlineData("10.8.0.3/32,fd00::2/128")]
    [InlineData("10.8.0.2/32")]
    [InlineData("-")]
    [InlineData("10.8.0.2/32,fd00::2/128,10.8.0.9/32")]
    [InlineData("10.8.0.2/24,fd00::2/128")]
    [InlineData("1.0.0.1/32,1.0.0.2/32,1.0.0.3/32,1.0.0.4/32,1.0.0.5/32,1.0.0.6/32,1.0.0.7/32,1.0.0.8/32,1.0.0.9/32")]
    public void a_peer_with_other_addresses_is_different(string allowedIps)
    {
        var diff = Between([Wanted(A)], [(A, Psk, allowedIps, 0)]);
        Assert.Equal([A], diff.Different.Select(k => k.ToString()));
        Assert.False(diff.Has(Wanted(A)));
    }

    [Fact]
    public void the_order_of_addresses_does_not_matter() => Assert.True(Between([Wanted(A)], [(A, Psk, "fd00::2/128,10.8.0.2/32", 0)]).IsEmpty);

    [Fact]
    public void a_peer_with_another_preshared_key_is_different()
    {
        Assert.Single(Between([Wanted(A)], [(A, Key(8), Ips, 0)]).Different);
        Assert.Single(Between([Wanted(A)], [(A, "-", Ips, 0)]).Different);
        Assert.Single(Between([Wanted(A) with { PresharedKey = null }], [(A, Psk, Ips, 0)]).Different);
    }

    [Fact]
    public void a_peer_that_no_confirmation_tells_of_is_looked_at_again() =>
        Assert.Single(Diff(new() { [PeerKey.Parse(A)] = new ExpectedPeer(0, 0) }, [(A, Psk, Ips, 0)]).Different);

    [Fact]
    public void a_peer_that_no_row_wants_is_unknown()
    {
        var diff = Between([Wanted(A)], [(A, Psk, Ips, 0), (B, Psk, Ips, 0)]);
        Assert.Equal([B], diff.Unknown.Select(k => k.ToString()));
        Assert.Empty(diff.Missing);
    }

    [Fact]
    public void one_missing_and_one_unknown_are_told_apart()
    {
        var diff = Between([Wanted(A)], [(B, Psk, Ips, 0)]);
        Assert.Equal((A, B), (Assert.Single(diff.Missing).ToString(), Assert.Single(diff.Unknown).ToString()));
    }

    [Fact]
    public void a_peer_that_could_not_be_read_is_there_and_nothing_else_is_known_of_it()
    {
        var diff = Unread([Wanted(A), Wanted(B)], [B]);
        Assert.Equal([A], diff.Missing.Select(k => k.ToString()));
        Assert.Equal([Key(7)], diff.Unknown.Select(k => k.ToString()));
        Assert.Empty(diff.Different);
        Assert.Equal((2, 1), (diff.There, diff.UnreadLines));

        var reading = diff.Reading(Guid.Empty, 1, new ServerIdentity("", 0, "", ""));
        Assert.True(reading.Lacks(PeerKey.Parse(A)));
        Assert.False(reading.Lacks(PeerKey.Parse(B)));
    }

    /// <summary>The stranger that is seen may be a wanted peer's line gone wrong elsewhere; the one that is not seen may be the line without a key.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("no key")]
    public void where_a_line_has_no_key_no_peer_is_missing_and_none_is_unknown(string key)
    {
        var diff = Unread([Wanted(A), Wanted(B)], [key]);
        Assert.True(diff.IsEmpty);
        Assert.False(diff.Reading(Guid.Empty, 1, new ServerIdentity("", 0, "", "")).Lacks(PeerKey.Parse(A)));
    }

    [Fact]
    public void a_line_whose_key_is_none_is_one_that_cannot_be_read()
    {
        var diff = Between([Wanted(A)], [("no-key", Psk, Ips, 0)]);
        Assert.Equal(1, diff.UnreadLines);
        Assert.True(diff.IsEmpty);
    }

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(0, 1_700_000_000, true)]
    [InlineData(1_700_000_000, 1_700_003_599, false)]
    [InlineData(1_700_000_000, 1_700_003_600, true)]
    public void a_handshake_is_noted_once_it_has_moved_on_by_an_hour(long noted, long shown, bool moved)
    {
        var diff = Diff(new() { [PeerKey.Parse(A)] = new ExpectedPeer(PeerFingerprint.Of(Wanted(A)), noted) }, [(A, Psk, Ips, shown)]);
        Assert.True(diff.IsEmpty);
        Assert.Equal(moved ? [shown] : [], diff.Handshakes.Select(h => h.LastHandshake));
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
        Assert.Equal(suspicious, PeerDiff.IsSuspicious(removals, there, nothingWanted: false, knownEmpty: false));

    /// <summary>The architecture: "an empty or unread desired set never removes anyone".</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(5000)]
    public void where_nothing_is_wanted_nobody_is_removed(int there)
    {
        Assert.True(PeerDiff.IsSuspicious(there, there, nothingWanted: true, knownEmpty: false));
        Assert.Equal(there > 20, PeerDiff.IsSuspicious(there, there, nothingWanted: true, knownEmpty: true));
    }

    [Fact]
    public void a_key_is_its_bytes()
    {
        var random = new byte[32];
        Random.Shared.NextBytes(random);
        var base64 = Convert.ToBase64String(random);
        Assert.Equal(base64, PeerKey.Parse(base64).ToString());
        Assert.Equal(PeerKey.Parse(base64), PeerKey.Parse(Encoding.ASCII.GetBytes(base64)));
        Assert.Throws<InvalidDataException>(() => PeerKey.Parse("short"));
        Assert.Throws<InvalidDataException>(() => PeerKey.Parse(base64.Replace('=', '!')));
    }

    private static string Key(byte of) => Convert.ToBase64String([.. Enumerable.Repeat(of, 32)]);
    private static WantedPeer Wanted(string key) => new(key, Psk, Ips);

    private static PeerDiff Between(WantedPeer[] wanted, (string, string, string, long)[] there) =>
        Diff(wanted.ToDictionary(p => PeerKey.Parse(p.PublicKey), p => new ExpectedPeer(PeerFingerprint.Of(p), 0)), there);

    /// <summary>A server with one stranger, and lines that cannot be read, of these keys.</summary>
    private static PeerDiff Unread(WantedPeer[] wanted, string[] keys)
    {
        var diff = new PeerDiff();
        diff.See(new DumpedPeer(Encoding.ASCII.GetBytes(Key(7)), "-"u8, "-"u8, 0, 1, 2));
        foreach (var key in keys) diff.SeeUnread(Encoding.ASCII.GetBytes(key));
        diff.Compare(wanted.ToDictionary(p => PeerKey.Parse(p.PublicKey), p => new ExpectedPeer(PeerFingerprint.Of(p), 0)));
        return diff;
    }

    private static PeerDiff Diff(Dictionary<PeerKey, ExpectedPeer> expected, (string Key, string Psk, string Ips, long Handshake)[] there)
    {
        var diff = new PeerDiff();
        foreach (var (key, psk, ips, handshake) in there) diff.See(new DumpedPeer(Encoding.ASCII.GetBytes(key), Encoding.ASCII.GetBytes(psk), Encoding.ASCII.GetBytes(ips), handshake, 1, 2));
        diff.Compare(expected);
        return diff;
    }
}
