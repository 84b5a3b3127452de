using System.Security.Cryptography;
using System.Text;

namespace CVault.Security;

/// <summary>
/// The key that wraps every other key at rest, and those that did before it. They come from the environment or files,
/// never from the database: 32 random bytes in base64 each. Whatever is wrapped names its key; the current one wraps,
/// all of them unwrap, and <see cref="MasterKeyRotation"/> wraps anew what an older one wrapped.
/// </summary>
[NeverLogged]
public sealed class MasterKey
{
    // "mk", version 1, then four bytes of the key's id, then nonce, ciphertext and tag.
    private const int HeaderSize = 7;
    private readonly (byte[] Header, byte[] Key)[] ring;

    /// <param name="key">The current key.</param>
    /// <param name="others">Keys that only unwrap: earlier ones, or the next one, which other nodes may wrap with already.</param>
    public MasterKey(byte[] key, params byte[][] others)
    {
        foreach (var one in others.Prepend(key))
        {
            if (one.Length != 32) throw new ArgumentException("The master key is 32 bytes in base64.", nameof(key));
            if (one.Distinct().Count() < 8) throw new ArgumentException("The master key is not random. Make one with: openssl rand -base64 32", nameof(key));
        }

        ring = [.. others.Prepend(key).Select(one => (HeaderOf(one), one))];
        Id = Convert.ToHexStringLower(Header[3..]);
    }

    /// <summary>Eight hex digits that name the current key and tell nothing of it.</summary>
    public string Id { get; }

    /// <summary>The ids of all keys, the current one first.</summary>
    public IEnumerable<string> Ids => ring.Select(k => Convert.ToHexStringLower(k.Header[3..]));

    /// <summary>What stands in front of everything that the current key wrapped.</summary>
    public byte[] Header => ring[0].Header;

    /// <param name="secret">What is to be kept.</param>
    /// <param name="subject">What it is and whose; the same is needed to unwrap it.</param>
    public byte[] Wrap(ReadOnlySpan<byte> secret, string subject) => [.. Header, .. Aead.Encrypt(ring[0].Key, secret, Encoding.UTF8.GetBytes(subject))];

    /// <exception cref="CryptographicException">Wrapped by a master key that is not here or for another subject, or altered.</exception>
    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, string subject)
    {
        var context = Encoding.UTF8.GetBytes(subject);
        foreach (var (header, key) in ring)
        {
            if (wrapped.StartsWith(header)) return Aead.Decrypt(key, wrapped[HeaderSize..], context);
        }

        // Values of the first version name no key: which it was, their tag tells.
        foreach (var (_, key) in ring)
        {
            try
            {
                return Aead.Decrypt(key, wrapped, context);
            }
            catch (AuthenticationTagMismatchException)
            {
                // Perhaps the next one.
            }
        }

        throw new CryptographicException("Wrapped by a master key that is not here, or altered.");
    }

    private static byte[] HeaderOf(byte[] key) => [(byte)'m', (byte)'k', 1, .. SHA256.HashData(key).AsSpan(0, 4)];
}
