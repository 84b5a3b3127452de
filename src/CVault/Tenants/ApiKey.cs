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
/// <param name="RevokedAt">Null while nobody revoked it.</param>
/// <param name="Name">What the tenant calls it.</param>
/// <param name="ExpiresAt">From when on it works no more; null: never. A key that was rotated has the end of its overlap here.</param>
/// <param name="AllowedOrigins">The web origins (RFC 6454) whose pages may use a publishable key; apps that send no Origin need none.</param>
[SingleTenanted]
[NeverLogged]
public sealed record ApiKey(
    string Id, Guid TenantId, ApiKeyKind Kind, string? SecretHash, DateTimeOffset CreatedAt, DateTimeOffset? RevokedAt,
    string? Name = null, DateTimeOffset? ExpiresAt = null, string[]? AllowedOrigins = null)
{
    /// <summary>How many a tenant may have that work.</summary>
    public const int Most = 20;

    private const string HashPurpose = "api-secret";

    /// <summary>A new secret key and its secret: 256 random bits, shown once and never again.</summary>
    public static (ApiKey Key, string Secret) NewSecret(Guid tenantId, LookupKey lookup, DateTimeOffset now, string name = "First secret key")
    {
        var secret = "cvs_" + Random(32);
        return (new ApiKey("cvk_" + Random(15), tenantId, ApiKeyKind.Secret, lookup.Hash(HashPurpose, secret), now, null, name), secret);
    }

    public static ApiKey NewPublishable(Guid tenantId, DateTimeOffset now, string name = "First publishable key", params string[] origins) =>
        new("cvp_" + Random(15), tenantId, ApiKeyKind.Publishable, null, now, null, name, null, origins.Length > 0 ? origins : null);

    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(ApiKey);

    public bool IsLive(DateTimeOffset now) => RevokedAt is null && (ExpiresAt is null || now < ExpiresAt);

    /// <summary>Whether a page of that origin may use it.</summary>
    public bool Allows(string origin) => AllowedOrigins?.Contains(origin, StringComparer.Ordinal) == true;

    /// <summary>The fact of its issue.</summary>
    public ApiKeyIssued Issued() => new(Id, Kind, Name, ExpiresAt, AllowedOrigins);

    public bool SecretMatches(string secret, LookupKey lookup) => SecretHash is not null && lookup.Matches(SecretHash, HashPurpose, secret);

    private static string Random(int bytes) => System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(bytes));
}
