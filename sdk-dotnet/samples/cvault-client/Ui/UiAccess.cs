using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace CVault.Client.Ui;

/// <summary>
/// Who may use the interface: the page that was opened by the link printed in the terminal. A link's token is good once and
/// for ten minutes; it is traded for a cookie and a page key, and both are needed from then on, since cookies of 127.0.0.1
/// go to every port of it. A new trade ends the page before.
/// </summary>
public sealed class UiAccess(TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private byte[]? link;
    private DateTimeOffset linkEnds;
    private (byte[] Cookie, byte[] PageKey)? page;

    /// <summary>A new one-time token; the one before is no longer good.</summary>
    public string NewToken()
    {
        var token = NewSecret();
        lock (gate) (link, linkEnds) = (Hash(token), time.GetUtcNow() + Patience);
        return token;
    }

    /// <summary>The cookie and the page key for a token; null when it is not the one, was used, or is too old.</summary>
    public (string Cookie, string PageKey)? Trade(string? token)
    {
        lock (gate)
        {
            if (link is null || time.GetUtcNow() > linkEnds || !Same(token, link)) return null;
            link = null;
            var (cookie, key) = (NewSecret(), NewSecret());
            page = (Hash(cookie), Hash(key));
            return (cookie, key);
        }
    }

    public bool Allows(string? cookie, string? pageKey)
    {
        lock (gate) return page is { } p && Same(cookie, p.Cookie) & Same(pageKey, p.PageKey);
    }

    private static bool Same(string? value, byte[] hash) => CryptographicOperations.FixedTimeEquals(Hash(value ?? ""), hash);

    private static byte[] Hash(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    private static string NewSecret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
