using System.Security.Cryptography;
using System.Text;

namespace CVault.Security;

/// <summary>
/// The key that wraps every other key at rest. It comes from the environment or a file, never from the database:
/// 32 random bytes in base64. Rows say by its id which key wrapped them; there is no second key yet, and the process
/// does not start with another than the one that the database was made with.
/// </summary>
public sealed class MasterKey
{
    private readonly byte[] key;

    public MasterKey(byte[] key)
    {
        if (key.Length != 32) throw new ArgumentException("The master key is 32 bytes in base64.", nameof(key));
        if (key.Distinct().Count() < 8) throw new ArgumentException("The master key is not random. Make one with: openssl rand -base64 32", nameof(key));
        this.key = key;
        Id = Convert.ToHexStringLower(SHA256.HashData(key).AsSpan(0, 4));
    }

    /// <summary>Eight hex digits that name the key and tell nothing of it.</summary>
    public string Id { get; }

    /// <param name="secret">What is to be kept.</param>
    /// <param name="subject">What it is and whose; the same is needed to unwrap it.</param>
    public byte[] Wrap(ReadOnlySpan<byte> secret, string subject) => Aead.Encrypt(key, secret, Encoding.UTF8.GetBytes(subject));

    /// <exception cref="CryptographicException">Wrapped by another master key or for another subject, or altered.</exception>
    public byte[] Unwrap(ReadOnlySpan<byte> wrapped, string subject) => Aead.Decrypt(key, wrapped, Encoding.UTF8.GetBytes(subject));
}
