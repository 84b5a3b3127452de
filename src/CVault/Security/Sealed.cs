using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CVault.Security;

/// <summary>
/// A text encrypted under a user's data key: all that an event or a document ever holds of personal data or of a
/// device's keys. AES-256-GCM; stored as <c>s1.</c> and base64url of nonce (12 bytes), ciphertext and tag (16 bytes).
/// The associated data is the user's id and the purpose, so that one sealed value cannot stand in for another.
/// </summary>
[JsonConverter(typeof(SealedJson))]
[NeverLogged]
public readonly record struct Sealed(string Text)
{
    public override string ToString() => "(sealed)";
}

/// <summary>A user's data key, unwrapped in memory. Erasing its row erases the person; every total still replays.</summary>
[NeverLogged]
public sealed class DataKey(Guid userId, byte[] key)
{
    public Guid UserId { get; } = userId;

    public static DataKey Create(Guid userId) => new(userId, RandomNumberGenerator.GetBytes(32));

    /// <param name="purpose">What the text is, such as <c>email</c>; the same is needed to open it.</param>
    /// <param name="text">The plaintext.</param>
    public Sealed Seal(string purpose, string text) =>
        new("s1." + Base64Url(Aead.Encrypt(key, Encoding.UTF8.GetBytes(text), Context(purpose))));

    /// <exception cref="CryptographicException">Sealed under another key or for another purpose, or altered.</exception>
    public string Open(string purpose, Sealed value) =>
        Encoding.UTF8.GetString(Aead.Decrypt(key, BytesOf(value), Context(purpose)));

    /// <summary>The key for storage, wrapped by the master key.</summary>
    public byte[] Wrap(MasterKey master) => master.Wrap(key, Subject(UserId));

    public static DataKey Unwrap(MasterKey master, Guid userId, byte[] wrapped) => new(userId, master.Unwrap(wrapped, Subject(userId)));

    internal static string Subject(Guid userId) => "data-key:" + userId;
    private byte[] Context(string purpose) => Encoding.UTF8.GetBytes(purpose + ":" + UserId);
    private static string Base64Url(byte[] bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);

    private static byte[] BytesOf(Sealed value) => value.Text is ['s', '1', '.', .. var text] && System.Buffers.Text.Base64Url.IsValid(text)
        ? System.Buffers.Text.Base64Url.DecodeFromChars(text)
        : throw new CryptographicException("No sealed value.");
}

/// <summary>AES-256-GCM with a random nonce in front and the tag behind.</summary>
public static class Aead
{
    private const int NonceSize = 12, TagSize = 16;

    public static byte[] Encrypt(byte[] key, ReadOnlySpan<byte> plaintext, byte[] context)
    {
        var result = new byte[NonceSize + plaintext.Length + TagSize];
        var nonce = result.AsSpan(0, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagSize);
        aes.Encrypt(nonce, plaintext, result.AsSpan(NonceSize, plaintext.Length), result.AsSpan(NonceSize + plaintext.Length), context);
        return result;
    }

    public static byte[] Decrypt(byte[] key, ReadOnlySpan<byte> sealedBytes, byte[] context)
    {
        if (sealedBytes.Length < NonceSize + TagSize) throw new CryptographicException("Too short to be sealed.");
        var plaintext = new byte[sealedBytes.Length - NonceSize - TagSize];
        using var aes = new AesGcm(key, TagSize);
        aes.Decrypt(sealedBytes[..NonceSize], sealedBytes[NonceSize..^TagSize], sealedBytes[^TagSize..], plaintext, context);
        return plaintext;
    }
}

/// <summary>Stores a <see cref="Sealed"/> as a JSON string.</summary>
public sealed class SealedJson : JsonConverter<Sealed>
{
    public override Sealed Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetString()!);
    public override void Write(Utf8JsonWriter writer, Sealed value, JsonSerializerOptions options) => writer.WriteStringValue(value.Text);
}
