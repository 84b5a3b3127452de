using System.Security.Cryptography;
using CVault.Security;
using Marten.Schema;

namespace CVault.Tenants;

/// <summary>Secret keys are for a tenant's servers; publishable ones stand in apps and may only sign users in and act for them.</summary>
public enum ApiKeyKind { Secret, Publishable }

/// <summary>
/// One API key, found by the id that callers send in <c>X-API-Key</c> before their tenant is known; therefore of the
/// platform, not of a tenant.
/// </summary>
/// <param name="Id">What is sent: <c>cvk_…</c> (secret) or <c>cvp_…</c> (publishable).</param>
/// <param name="TenantId">Whose it is.</param>
/// <param name="Kind">What it may do.</param>
/// <param name="SecretHash">Keyed hash of the secret; null for a publishable key.</param>
/// <param name="RevokedAt">Null while it works.</param>
[SingleTenanted]
[NeverLogged]
public sealed record ApiKey(string Id, Guid TenantId, ApiKeyKind Kind, string? SecretHash, DateTimeOffset CreatedAt, DateTimeOffset? RevokedAt)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(ApiKey);

    private const string HashPurpose = "api-secret";

    /// <summary>A new secret key and its secret: 256 random bits, shown once and never again.</summary>
    public static (ApiKey Key, string Secret) NewSecret(Guid tenantId, LookupKey lookup, DateTimeOffset now)
    {
        var secret = "cvs_" + Random(32);
        return (new ApiKey("cvk_" + Random(15), tenantId, ApiKeyKind.Secret, lookup.Hash(HashPurpose, secret), now, null), secret);
    }

    public static ApiKey NewPublishable(Guid tenantId, DateTimeOffset now) =>
        new("cvp_" + Random(15), tenantId, ApiKeyKind.Publishable, null, now, null);

    public bool SecretMatches(string secret, LookupKey lookup) => SecretHash is not null && lookup.Matches(SecretHash, HashPurpose, secret);

    private static string Random(int bytes) => System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(bytes));
}
