using CVault.Servers;

namespace CVault.Peers;

/// <summary>How a peer was seen.</summary>
public readonly record struct SeenPeer(long Fingerprint, long LastHandshake, long RxBytes, long TxBytes);

/// <summary>A server's peers and counters at one moment, read under a link's epoch.</summary>
/// <param name="Epoch">Of the link; null where the server has none any more.</param>
/// <param name="Identity">Which boot and which interface counted; null where nothing was read.</param>
public sealed record ServerReading(Guid ServerId, long? Epoch, ServerIdentity? Identity, IReadOnlyDictionary<PeerKey, SeenPeer> Peers)
{
    /// <summary>Peers that are there and of which nothing could be read.</summary>
    public IReadOnlySet<PeerKey> Unread { get; init; } = new HashSet<PeerKey>();

    /// <summary>Whether every peer's key could be read: only then is one that is not among them not there.</summary>
    public bool NamesAll { get; init; } = true;

    /// <summary>Whether the peer certainly is not there.</summary>
    public bool Lacks(PeerKey key) => NamesAll && !Peers.ContainsKey(key) && !Unread.Contains(key);
}

/// <summary>Hears every reading of a server; the pass goes on once it is done.</summary>
public delegate Task ReadingHeard(ServerReading reading, CancellationToken cancellation);

/// <param name="Interval">How often a server's peers are compared and its counters read.</param>
public sealed record PassRules(TimeSpan Interval)
{
    public static readonly PassRules Default = new(TimeSpan.FromSeconds(15));
}

/// <summary>
/// What a full pass saw of a server, against what it expected. Each peer costs a few bytes; the keys of those that are
/// not as expected are all that has to be looked at again.
/// </summary>
public sealed class PeerDiff
{
    /// <summary>
    /// A pass that would remove more than this many peers, and more than a twentieth of those there, is not made: the
    /// likelier cause is a lost or wrong database, and peers that stay do less harm than a pool that goes dark.
    /// </summary>
    public const int SafeRemovals = 20;

    /// <summary>How far a handshake must have moved on to be noted.</summary>
    private const long HandshakeStep = 3600;

    private readonly Dictionary<PeerKey, SeenPeer> seen;
    private readonly HashSet<PeerKey> unread = [];
    private int nameless;

    /// <param name="about">How many peers there will be, if known.</param>
    public PeerDiff(int about = 0) => seen = new(about);

    /// <summary>How many peers the server has.</summary>
    public int There => seen.Count + UnreadLines;

    /// <summary>How many of them could not be read: they are there, and how they are nobody knows, so that nothing is done about them.</summary>
    public int UnreadLines { get; private set; }

    /// <summary>Expected and not seen.</summary>
    public List<PeerKey> Missing { get; } = [];

    /// <summary>Seen otherwise than it was confirmed; or never confirmed as it should now be.</summary>
    public List<PeerKey> Different { get; } = [];

    /// <summary>Seen and not expected.</summary>
    public List<PeerKey> Unknown { get; } = [];

    /// <summary>Whose last handshake has moved on by an hour or more, with when it was.</summary>
    public List<(PeerKey Key, long LastHandshake)> Handshakes { get; } = [];

    public bool IsEmpty => Missing.Count == 0 && Different.Count == 0 && Unknown.Count == 0;

    /// <summary>The server has it so.</summary>
    public void See(in DumpedPeer peer)
    {
        if (PeerKey.TryParse(peer.PublicKey, out var key)) seen[key] = new SeenPeer(PeerFingerprint.Of(peer), peer.LastHandshake, peer.RxBytes, peer.TxBytes);
        else SeeUnread(peer.PublicKey);
    }

    /// <summary>The server has a peer that could not be read. Where not even its key can be, any peer that was not seen may be that one.</summary>
    public void SeeUnread(ReadOnlySpan<byte> publicKey)
    {
        UnreadLines++;
        if (PeerKey.TryParse(publicKey, out var key)) unread.Add(key);
        else nameless++;
    }

    /// <summary>What was read, for whoever counts.</summary>
    public ServerReading Reading(Guid serverId, long epoch, ServerIdentity identity) => new(serverId, epoch, identity, seen) { Unread = unread, NamesAll = nameless == 0 };

    public void Compare(IReadOnlyDictionary<PeerKey, ExpectedPeer> expected)
    {
        var found = 0;
        foreach (var (key, wanted) in expected)
        {
            if (!seen.TryGetValue(key, out var peer))
            {
                if (nameless == 0 && !unread.Contains(key)) Missing.Add(key);
                continue;
            }

            found++;
            if (peer.Fingerprint != wanted.Fingerprint) Different.Add(key);
            if (peer.LastHandshake - wanted.LastHandshake >= HandshakeStep) Handshakes.Add((key, peer.LastHandshake));
        }

        // Who has read one key wrong may have read another so: then nobody is removed as unknown either.
        if (seen.Count == found || nameless > 0) return;
        foreach (var key in seen.Keys)
        {
            if (!expected.ContainsKey(key)) Unknown.Add(key);
        }
    }

    /// <summary>Whether the server has this peer exactly so.</summary>
    public bool Has(WantedPeer peer) => seen.TryGetValue(PeerKey.Parse(peer.PublicKey), out var there) && there.Fingerprint == PeerFingerprint.Of(peer);

    /// <summary>
    /// Whether so much would go that an operator should look first. Where nothing is wanted nobody is removed, unless
    /// something else than the desired rows says that the server has no device.
    /// </summary>
    /// <param name="removals">How many would be removed.</param>
    /// <param name="there">How many the server has.</param>
    /// <param name="nothingWanted">No peer at all is wanted there.</param>
    /// <param name="knownEmpty">It has no device by its own count.</param>
    public static bool IsSuspicious(int removals, int there, bool nothingWanted, bool knownEmpty) =>
        (nothingWanted && !knownEmpty && removals > 0) || (removals > SafeRemovals && removals > there / 20);
}
