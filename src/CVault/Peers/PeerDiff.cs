using CVault.Servers;

namespace CVault.Peers;

/// <summary>What must change on a server so that its peers are the wanted ones.</summary>
/// <param name="Add">Missing, or there with other addresses or another preshared key.</param>
/// <param name="Remove">There and not wanted.</param>
/// <param name="NothingWanted">There was no wanted peer at all.</param>
public sealed record PeerDiff(IReadOnlyList<WantedPeer> Add, IReadOnlyList<string> Remove, bool NothingWanted)
{
    /// <summary>
    /// A pass that would remove more than this many peers, and more than a twentieth of those there, is not made: the
    /// likelier cause is a lost or wrong database, and peers that stay do less harm than a pool that goes dark.
    /// </summary>
    public const int SafeRemovals = 20;

    public bool IsEmpty => Add.Count == 0 && Remove.Count == 0;

    public static PeerDiff Between(IReadOnlyDictionary<string, WantedPeer> wanted, IReadOnlyDictionary<string, ActualPeer> actual)
    {
        var add = new List<WantedPeer>();
        foreach (var peer in wanted.Values)
        {
            if (!actual.TryGetValue(peer.PublicKey, out var there) || there.PresharedKey != peer.PresharedKey || !SameAddresses(there.AllowedIps, peer.AllowedIps)) add.Add(peer);
        }

        return new PeerDiff(add, [.. actual.Keys.Where(key => !wanted.ContainsKey(key))], wanted.Count == 0);
    }

    /// <summary>
    /// Whether so much would go that an operator should look first. An empty desired set removes nobody, unless
    /// something else than the desired rows says that the server has no device.
    /// </summary>
    /// <param name="there">How many peers the server has.</param>
    /// <param name="knownEmpty">It has no device by its own count.</param>
    public bool IsSuspicious(int there, bool knownEmpty = false) =>
        (NothingWanted && !knownEmpty && Remove.Count > 0) || (Remove.Count > SafeRemovals && Remove.Count > there / 20);

    /// <summary>WireGuard lists a peer's addresses in an order of its own.</summary>
    private static bool SameAddresses(string a, string b) =>
        a == b || a.Split(',').Order(StringComparer.Ordinal).SequenceEqual(b.Split(',').Order(StringComparer.Ordinal));
}
