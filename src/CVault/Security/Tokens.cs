using System.Buffers.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Security;

/// <summary>Whom an access token is for. One of another audience proves nothing.</summary>
public enum Audience { User, Member }

/// <summary>What a valid access token says.</summary>
/// <param name="Subject">The user's or member's id.</param>
/// <param name="Session">The login that it comes from: its refresh tokens' family.</param>
public sealed record AccessToken(Guid Subject, Guid TenantId, Guid Session);

/// <summary>
/// Access tokens for users and members: JWT (RFC 7519) signed by ES256, 15 minutes. Whoever verifies them needs only the
/// public key, which <c>/.well-known/jwks.json</c> publishes under its <c>kid</c>.
/// </summary>
/// <param name="keys">The keys that sign and verify.</param>
/// <param name="issuer">The API's public URL.</param>
/// <param name="time">The clock.</param>
public sealed class Tokens(SigningKeys keys, string issuer, TimeProvider time)
{
    public static readonly TimeSpan AccessLifetime = TimeSpan.FromMinutes(15);

    /// <summary>Ours have some 600 characters.</summary>
    private const int Longest = 2048;
    private readonly JsonWebTokenHandler handler = new() { SetDefaultTimesOnTokenCreation = false };

    public string Issue(Audience audience, Guid subject, Guid tenantId, Guid session)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = Name(audience),
            IssuedAt = now,
            NotBefore = now,
            Expires = now + AccessLifetime,
            Claims = new Dictionary<string, object>
            {
                [Actor.UserClaim] = subject.ToString(),
                [Actor.TenantClaim] = tenantId.ToString(),
                [Actor.SessionClaim] = session.ToString(),
                ["jti"] = Guid.NewGuid().ToString(),
            },
            SigningCredentials = new SigningCredentials(keys.Current().Key, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <summary>What a valid token says; null for anything else. Whether its session was ended since is <see cref="SecurityFeed.IsEnded"/>'s to say.</summary>
    public async Task<AccessToken?> VerifyAsync(string token, Audience audience)
    {
        if (!IsPlain(token)) return null;
        var result = await handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = issuer,
            ValidAudience = Name(audience),
            ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
            ValidTypes = ["JWT"],
            IssuerSigningKeyResolver = (_, _, kid, _) => keys.Find(kid) is { } known ? [known.Key] : [],
            TryAllIssuerSigningKeys = false,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            LifetimeValidator = (notBefore, expires, _, _) =>
                time.GetUtcNow().UtcDateTime is var now && notBefore <= now + Leeway && expires > now - Leeway,
        });
        return result.IsValid && IdOf(Actor.UserClaim) is { } subject && IdOf(Actor.TenantClaim) is { } tenant && IdOf(Actor.SessionClaim) is { } session
            ? new AccessToken(subject, tenant, session)
            : null;

        Guid? IdOf(string claim) => result.Claims.TryGetValue(claim, out var value) && Guid.TryParse(value as string, out var id) ? id : null;
    }

    /// <summary>The public halves, as a JWK set (RFC 7517).</summary>
    public object KeySet() => new
    {
        keys = keys.Published.Select(k =>
        {
            var p = k.Key.ECDsa.ExportParameters(includePrivateParameters: false);
            return new { kty = "EC", crv = "P-256", alg = "ES256", use = "sig", kid = k.Kid, x = Base64UrlEncoder.Encode(p.Q.X!), y = Base64UrlEncoder.Encode(p.Q.Y!) };
        }).ToArray(),
    };

    /// <summary>
    /// Three parts of base64url (RFC 7515), each as an encoder writes it: the handler also takes other spellings of the
    /// same bytes, and a token should have one.
    /// </summary>
    private static bool IsPlain(string token) =>
        token.Length <= Longest && token.Split('.') is [_, _, _] parts
        && parts.All(part => Base64Url.IsValid(part) && Base64Url.EncodeToString(Base64Url.DecodeFromChars(part)) == part);

    private static string Name(Audience audience) => audience == Audience.User ? "cvault:user" : "cvault:member";

    /// <summary>How far two clocks may differ.</summary>
    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(30);
}
