using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using CVault.Servers;

namespace CVault.Peers;

/// <summary>A WireGuard public key as the 32 bytes that it is: what fifty thousand of are compared by.</summary>
public readonly record struct PeerKey(ulong A, ulong B, ulong C, ulong D)
{
    public static PeerKey Parse(ReadOnlySpan<byte> base64) => TryParse(base64, out var key) ? key : throw new InvalidDataException("No public key.");

    public static bool TryParse(ReadOnlySpan<byte> base64, out PeerKey parsed)
    {
        Span<byte> key = stackalloc byte[33];
        var whole = Base64.DecodeFromUtf8(base64, key, out _, out var length) == System.Buffers.OperationStatus.Done && length == 32;
        parsed = whole ? new PeerKey(Part(key, 0), Part(key, 8), Part(key, 16), Part(key, 24)) : default;
        return whole;
    }

    public static PeerKey Parse(string base64)
    {
        Span<byte> ascii = stackalloc byte[64];
        return base64.Length == 44 ? Parse(ascii[..Encoding.ASCII.GetBytes(base64, ascii)]) : throw new InvalidDataException("No public key.");
    }

    /// <summary>Base64, as WireGuard writes it.</summary>
    public override string ToString()
    {
        Span<byte> key = stackalloc byte[32];
        BinaryPrimitives.WriteUInt64BigEndian(key, A);
        BinaryPrimitives.WriteUInt64BigEndian(key[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(key[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(key[24..], D);
        return Convert.ToBase64String(key);
    }

    /// <summary>A public key is as good as random.</summary>
    public override int GetHashCode() => A.GetHashCode();

    private static ulong Part(ReadOnlySpan<byte> key, int at) => BinaryPrimitives.ReadUInt64BigEndian(key[at..]);
}

/// <summary>
/// Eight bytes that say how a peer is: its preshared key and its addresses. Kept with the row when the server has
/// confirmed it, so that a full pass compares what the server shows without opening one sealed key.
/// </summary>
/// <remarks>Of SHA-256 over a key of 256 random bits, so it gives nothing of the key away.</remarks>
public static class PeerFingerprint
{
    public static long Of(WantedPeer peer) => Of(Encoding.ASCII.GetBytes(peer.PresharedKey ?? "-"), Encoding.ASCII.GetBytes(peer.AllowedIps));

    public static long Of(in DumpedPeer peer) => Of(peer.PresharedKey, peer.AllowedIps);

    /// <summary>WireGuard lists a peer's addresses in an order of its own, so their order counts for nothing.</summary>
    private static long Of(ReadOnlySpan<byte> presharedKey, ReadOnlySpan<byte> allowedIps)
    {
        Span<Range> addresses = stackalloc Range[8];
        var count = 0;
        foreach (var address in allowedIps.Split((byte)','))
        {
            if (count == addresses.Length) return 0; // No row wants so many, and no fingerprint is 0 but by this.
            var at = count++;
            for (; at > 0 && allowedIps[addresses[at - 1]].SequenceCompareTo(allowedIps[address]) > 0; at--) addresses[at] = addresses[at - 1];
            addresses[at] = address;
        }

        Span<byte> text = stackalloc byte[512];
        if (presharedKey.Length + allowedIps.Length + count > text.Length) return 0;
        presharedKey.CopyTo(text);
        var length = presharedKey.Length;
        foreach (var address in addresses[..count])
        {
            text[length++] = (byte)' ';
            allowedIps[address].CopyTo(text[length..]);
            length += allowedIps[address].Length;
        }

        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(text[..length], hash);
        return BinaryPrimitives.ReadInt64BigEndian(hash) | 1;
    }
}
