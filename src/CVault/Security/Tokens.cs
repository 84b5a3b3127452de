using System.Security.Cryptography;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Security;

/// <summary>
/// Access tokens for end users: JWT (RFC 7519) signed by ES256, 15 minutes. Whoever verifies them needs only the
/// public key, which <c>/.well-known/jwks.json</c> publishes under its <c>kid</c> (RFC 7638 thumbprint).
/// </summary>
public sealed class Tokens
{
    public static readonly TimeSpan AccessLifetime = TimeSpan.FromMinutes(15);
    private const string UserAudience = "cvault:user";
    private readonly JsonWebTokenHandler handler = new() { SetDefaultTimesOnTokenCreation = false };
    private readonly ECDsaSecurityKey key;
    private readonly string issuer;
    private readonly TimeProvider time;

    /// <param name="signingKey">A P-256 private key.</param>
    /// <param name="issuer">The API's public URL.</param>
    /// <param name="time">The clock.</param>
    public Tokens(ECDsa signingKey, string issuer, TimeProvider time)
    {
        if (signingKey.KeySize != 256) throw new ArgumentException("The signing key is an EC key on P-256.", nameof(signingKey));
        key = new ECDsaSecurityKey(signingKey);
        key.KeyId = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint());
        this.issuer = issuer;
        this.time = time;
    }

    public string Issue(Guid userId, Guid tenantId)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer,
            Audience = UserAudience,
            IssuedAt = now,
            NotBefore = now,
            Expires = now + AccessLifetime,
            Claims = new Dictionary<string, object>
            {
                [Actor.UserClaim] = userId.ToString(),
                [Actor.TenantClaim] = tenantId.ToString(),
                ["jti"] = Guid.NewGuid().ToString(),
            },
            SigningCredentials = new SigningCredentials(key, SecurityAlgorithms.EcdsaSha256),
        });
    }

    /// <summary>The user and tenant of a valid token; null for anything else.</summary>
    public async Task<(Guid UserId, Guid TenantId)?> VerifyAsync(string token)
    {
        var result = await handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = issuer,
            ValidAudience = UserAudience,
            ValidAlgorithms = [SecurityAlgorithms.EcdsaSha256],
            ValidTypes = ["JWT"],
            IssuerSigningKey = key,
            TryAllIssuerSigningKeys = false,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            LifetimeValidator = (notBefore, expires, _, _) =>
                time.GetUtcNow().UtcDateTime is var now && notBefore <= now + Leeway && expires > now - Leeway,
        });
        return result.IsValid
            && result.Claims.TryGetValue(Actor.UserClaim, out var sub) && Guid.TryParse(sub as string, out var user)
            && result.Claims.TryGetValue(Actor.TenantClaim, out var tid) && Guid.TryParse(tid as string, out var tenant)
            ? (user, tenant)
            : null;
    }

    /// <summary>The public half, as a JWK set (RFC 7517).</summary>
    public object KeySet()
    {
        var p = key.ECDsa.ExportParameters(includePrivateParameters: false);
        return new
        {
            keys = new[]
            {
                new { kty = "EC", crv = "P-256", alg = "ES256", use = "sig", kid = key.KeyId, x = Base64UrlEncoder.Encode(p.Q.X!), y = Base64UrlEncoder.Encode(p.Q.Y!) },
            },
        };
    }

    /// <summary>How far two clocks may differ.</summary>
    private static readonly TimeSpan Leeway = TimeSpan.FromSeconds(30);
}
