using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Fuzz;

/// <summary>Sealed and wrapped values, hashes, and secrets that are compared.</summary>
public static class SecretTargets
{
    private const string Purpose = "email";
    private static readonly Guid Owner = Guid.Parse("0190a6e0-0000-7000-8000-000000000001");

    /// <summary>No secrets: made of a text that stands here.</summary>
    private static readonly DataKey Data = new(Owner, Made("data"));
    private static readonly MasterKey Master = new(Made("master"), Made("an earlier master"));
    private static readonly LookupKey Lookup = new(Made("lookup"));

    public static IEnumerable<Target> All =>
    [
        new("sealed", Open, () =>
        [
            .. new[] { Data.Seal(Purpose, "ada@example.com").Text, Data.Seal("other", "x").Text, "s1.", "s1.AAAA", "" }.Select(text => Encoding.UTF8.GetBytes("s" + text)),
            [(byte)'w', .. Master.Wrap("secret"u8, Purpose)], [(byte)'w', .. Aead.Encrypt(Made("an earlier master"), "secret"u8, Encoding.UTF8.GetBytes(Purpose))], [(byte)'w', .. Master.Header],
            "j\"s1.AAAA\""u8.ToArray(), "jnull"u8.ToArray(), "j7"u8.ToArray(),
        ], "s1.", "null", "\"", "=="),
        Target.OfText("password-hash", AHash,
            [new PasswordHash(19456, 2, Made("salt")[..16], Made("hash")).Text(), "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "$2b$12$x", ""], "$argon2id$v=19$", "$m=", ",t=", ",p=1", "$"),
        Target.OfText("secrets", Compare,
            [Lookup.Hash("api-secret", "cvs_secret") + "\ncvs_secret", "\n", "Bearer\ncvk_AAAA", new string('x', 32) + "\n" + new string('x', 32)], "cvs_", "cvk_", "cvp_", "\n"),
    ];

    internal static byte[] Made(string of) => SHA256.HashData(Encoding.UTF8.GetBytes("CVault.Fuzz: " + of));

    private static void Open(byte[] input)
    {
        if (input.Length == 0) return;
        var text = Encoding.UTF8.GetString(input.AsSpan(1));
        try
        {
            switch ((char)input[0])
            {
                case 'w': _ = Master.Unwrap(input.AsSpan(1), Purpose); break;
                case 'j' when JsonSerializer.Deserialize<Sealed>(text, Reply.Json) is var read: _ = Data.Open(Purpose, read); break;
                default: _ = Data.Open(Purpose, new Sealed(text)); break;
            }
        }
        catch (Exception e) when (e is CryptographicException or JsonException)
        {
            // What is altered is refused so.
        }
    }

    private static void AHash(string text)
    {
        try
        {
            var hash = PasswordHash.Parse(text);
            Target.Must(PasswordHash.Parse(hash.Text()).Text() == hash.Text(), "A hash that is written and read again is the same.");
            Target.Must(hash is { MemoryKiB: <= 1_048_576, Passes: <= 64 }, "A login has bounds.");
        }
        catch (FormatException)
        {
            // Documented.
        }
    }

    private static void Compare(string text)
    {
        var cut = text.IndexOf('\n', StringComparison.Ordinal);
        var (first, second) = cut < 0 ? (text, "") : (text[..cut], text[(cut + 1)..]);
        Target.Must(Lookup.Matches(Lookup.Hash("api-secret", second), "api-secret", second), "A secret is its own.");
        _ = Lookup.Matches(first, "api-secret", second);
        _ = new ApiKey(first, Owner, ApiKeyKind.Secret, first, default, null).SecretMatches(second, Lookup);
        _ = Emails.IndexOf(Lookup, first, second);
        try
        {
            Target.Must(new OperatorToken(first).Matches(first) && new OperatorToken(first).Matches(second) == (Encoding.UTF8.GetBytes(first).AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(second))), "An operator's token is its own and no other.");
        }
        catch (ArgumentException)
        {
            Target.Must(first.Length < 32, "What is long enough is a token.");
        }
    }
}
