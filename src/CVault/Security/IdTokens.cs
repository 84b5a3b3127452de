using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Security;

/// <summary>What a valid ID token says.</summary>
/// <param name="Subject">The issuer's <c>sub</c>.</param>
/// <param name="Email">Null where it names none.</param>
public sealed record IdToken(string Subject, string? Email)
{
    public override string ToString() => nameof(IdToken);
}

/// <summary>The issuer's discovery document or keys cannot be had, and none are remembered.</summary>
public sealed class IssuerUnavailableException(Exception inner) : Exception("The issuer cannot be reached.", inner);

/// <summary>
/// Verifies ID tokens of OpenID providers (OpenID Connect Core 1.0, 3.1.3.7) by their discovery document and JWKS. These
/// are kept for an hour, or a day while the issuer cannot be reached; a token with an unknown <c>kid</c> has them read
/// anew, once in 30 seconds for each issuer, so that a rollover of keys needs nobody.
/// </summary>
/// <remarks>
/// The library's own ConfigurationManager reads anew in the background: the first tokens of a new key would be refused.
/// </remarks>
public sealed class IdTokens(OutboundHttp outbound, TimeProvider time, ILogger<IdTokens> logger)
{
    public const int MostCharacters = 16_384;

    private const int MostIssuers = 1_000, MostKeys = 64;
    private static readonly TimeSpan Fresh = TimeSpan.FromHours(1), Kept = TimeSpan.FromDays(1), Pause = TimeSpan.FromSeconds(30), Leeway = TimeSpan.FromSeconds(60);

    /// <summary>Public keys only: with a shared secret the client, too, could sign.</summary>
    private static readonly string[] Algorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
    ];

    private readonly JsonWebTokenHandler handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = MostCharacters };
    private readonly ConcurrentDictionary<string, Issuer> issuers = new(StringComparer.Ordinal);

    /// <summary>What a valid token of this issuer for this client says; null for anything else.</summary>
    /// <exception cref="IssuerUnavailableException">Whether it is valid cannot be told now.</exception>
    public async Task<IdToken?> VerifyAsync(string issuer, string clientId, string text, CancellationToken cancellation)
    {
        if (!handler.CanReadToken(text) || Read(text) is not { } unverified || !Algorithms.Contains(unverified.Alg)) return null;
        if (issuers.Count > MostIssuers) issuers.Clear();
        var known = issuers.GetOrAdd(issuer, _ => new Issuer());
        var keys = await KeysAsync(known, issuer, unverified.Kid, cancellation);
        var result = await handler.ValidateTokenAsync(text, new TokenValidationParameters
        {
            ValidIssuer = issuer,
            ValidAudience = clientId,
            ValidAlgorithms = Algorithms,
            IssuerSigningKeyResolver = (_, _, kid, _) => KeysOf(keys, kid),
            TryAllIssuerSigningKeys = false,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            LifetimeValidator = (notBefore, expires, _, _) =>
                time.GetUtcNow().UtcDateTime is var now && (notBefore is null || notBefore <= now + Leeway) && expires > now - Leeway,
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken token) return null;
        return IsForUs(token, clientId) && token.Subject is { Length: > 0 and <= 255 } subject
            ? new IdToken(subject, token.TryGetPayloadValue<string>("email", out var email) ? email : null)
            : null;
    }

    /// <summary>Not from the future, and meant for this client even where it names others too.</summary>
    private bool IsForUs(JsonWebToken token, string clientId)
    {
        var issued = token.TryGetPayloadValue<long>("iat", out var seconds) && seconds <= (time.GetUtcNow() + Leeway).ToUnixTimeSeconds();
        var kind = string.IsNullOrEmpty(token.Typ) || token.Typ.Equals("JWT", StringComparison.OrdinalIgnoreCase); // An access token says at+jwt.
        return issued && kind && (token.TryGetPayloadValue<string>("azp", out var party) ? party == clientId : token.Audiences.Count() == 1);
    }

    private static JsonWebToken? Read(string text)
    {
        try
        {
            return new JsonWebToken(text);
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenMalformedException)
        {
            return null;
        }
    }

    /// <summary>The key that the token names; without a name, the only one that there is.</summary>
    private static IEnumerable<SecurityKey> KeysOf(ICollection<SecurityKey> keys, string? kid) =>
        string.IsNullOrEmpty(kid) ? keys.Count == 1 ? keys : [] : keys.Where(k => k.KeyId == kid);

    private async Task<ICollection<SecurityKey>> KeysAsync(Issuer issuer, string url, string? kid, CancellationToken cancellation)
    {
        if (issuer.Keys is { } keys && time.GetElapsedTime(issuer.ReadAt) < Fresh && KeysOf(keys, kid).Any()) return keys;
        await issuer.Turn.WaitAsync(cancellation);
        try
        {
            var age = issuer.Keys is null ? TimeSpan.MaxValue : time.GetElapsedTime(issuer.ReadAt);
            var due = issuer.Keys is null || age >= Fresh || !KeysOf(issuer.Keys, kid).Any();
            if (due && (issuer.TriedAt is not { } tried || time.GetElapsedTime(tried) >= Pause))
            {
                issuer.TriedAt = time.GetTimestamp();
                issuer.Keys = await ReadAsync(url);
                issuer.ReadAt = time.GetTimestamp();
                issuer.Failure = null;
            }
        }
        catch (Exception e)
        {
            issuer.Failure = e;
            logger.LogInformation("Identity provider {Issuer} cannot be read: {Reason}", url, e is OutboundException ? e.Message : e.GetBaseException() is OutboundException o ? o.Message : e.GetType().Name);
            if (issuer.Keys is not null && time.GetElapsedTime(issuer.ReadAt) >= Kept) issuer.Keys = null;
        }
        finally
        {
            issuer.Turn.Release();
        }

        // A key that is unknown because the issuer could not be asked may be good: that is not the token's fault.
        return issuer.Keys is { } read && (issuer.Failure is null || KeysOf(read, kid).Any()) ? read : throw new IssuerUnavailableException(issuer.Failure!);
    }

    /// <summary>Not ended with the request that began it: others wait for it too, and it is bounded.</summary>
    private async Task<ICollection<SecurityKey>> ReadAsync(string issuer)
    {
        var found = await OpenIdConnectConfigurationRetriever.GetAsync(issuer.TrimEnd('/') + "/.well-known/openid-configuration", new Documents(outbound), CancellationToken.None);
        if (!string.Equals(found.Issuer, issuer, StringComparison.Ordinal)) throw new OutboundException("its discovery document names another issuer");
        var keys = found.JsonWebKeySet?.GetSigningKeys() ?? [];
        // They are kept in memory, and whoever has a tenant can name as many issuers as they like.
        if (keys.Count > MostKeys) throw new OutboundException("it publishes too many keys");
        return keys.Count > 0 ? keys : throw new OutboundException("it publishes no key");
    }

    /// <summary>What is remembered of one issuer.</summary>
    private sealed class Issuer
    {
        public SemaphoreSlim Turn { get; } = new(1);
        public ICollection<SecurityKey>? Keys { get; set; }
        public long ReadAt { get; set; }
        public long? TriedAt { get; set; }
        public Exception? Failure { get; set; }
    }

    private sealed class Documents(OutboundHttp outbound) : IDocumentRetriever
    {
        public Task<string> GetDocumentAsync(string address, CancellationToken cancel) =>
            Uri.TryCreate(address, UriKind.Absolute, out var url) ? outbound.GetAsync(url, cancel) : throw new OutboundException("it names an address that is none");
    }
}
