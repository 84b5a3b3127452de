using Marten;
using JasperFx.Events;
using CVault.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Tenants;

/// <summary>An API key as its tenant's members see it; never its secret.</summary>
public record ApiKeyView
{
    /// <summary>What callers send in <c>X-API-Key</c>.</summary>
    public required string ApiKey { get; init; }

    /// <summary><c>secret</c> or <c>publishable</c>.</summary>
    public required string Kind { get; init; }
    public required string? Name { get; init; }

    /// <summary><c>live</c>, <c>expired</c> or <c>revoked</c>.</summary>
    public required string Status { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>From when on it works no more; null: never.</summary>
    public required DateTimeOffset? ExpiresAt { get; init; }
    public required DateTimeOffset? RevokedAt { get; init; }

    /// <summary>The web origins whose pages may use it; for publishable keys.</summary>
    public required IReadOnlyList<string> AllowedOrigins { get; init; }

    public static ApiKeyView Of(ApiKey key, DateTimeOffset now) => new()
    {
        ApiKey = key.Id, Kind = Names.Of(key.Kind), Name = key.Name, Status = StatusOf(key, now), CreatedAt = key.CreatedAt, ExpiresAt = key.ExpiresAt, RevokedAt = key.RevokedAt,
        AllowedOrigins = key.AllowedOrigins ?? [],
    };

    protected static string StatusOf(ApiKey key, DateTimeOffset now) => key.RevokedAt is not null ? "revoked" : key.IsLive(now) ? "live" : "expired";
}

/// <summary>A new API key with, this once, its secret.</summary>
[NeverLogged]
public sealed record NewApiKeyView : ApiKeyView
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(NewApiKeyView);

    /// <summary>For <c>X-API-Secret</c>; null for a publishable key. It is not stored and cannot be shown again.</summary>
    public required string? ApiSecret { get; init; }

    public static NewApiKeyView Of(ApiKey key, string? secret, DateTimeOffset now) => new()
    {
        ApiKey = key.Id, Kind = Names.Of(key.Kind), Name = key.Name, Status = StatusOf(key, now), CreatedAt = key.CreatedAt, ExpiresAt = key.ExpiresAt, RevokedAt = key.RevokedAt,
        AllowedOrigins = key.AllowedOrigins ?? [], ApiSecret = secret,
    };
}

/// <summary>One of a tenant's keys in a list, with how it was used.</summary>
public sealed record ListedApiKeyView : ApiKeyView
{
    /// <summary>When it was last used, to within some seconds; null: never.</summary>
    public required DateTimeOffset? LastUsedAt { get; init; }
    public required long CallsThisMonth { get; init; }

    public static ListedApiKeyView Of(ApiKey key, (DateTimeOffset Last, long Calls)? use, DateTimeOffset now) => new()
    {
        ApiKey = key.Id, Kind = Names.Of(key.Kind), Name = key.Name, Status = StatusOf(key, now), CreatedAt = key.CreatedAt, ExpiresAt = key.ExpiresAt, RevokedAt = key.RevokedAt,
        AllowedOrigins = key.AllowedOrigins ?? [], LastUsedAt = use?.Last, CallsThisMonth = use?.Calls ?? 0,
    };
}

/// <summary>Finding keys: documents of the platform, read only by the tenant whose they are.</summary>
internal static class ApiKeys
{
    /// <summary>The stream of the request's tenant: what is appended to it fails where another request did so meanwhile.</summary>
    public static Task<IEventStream<Tenant>> OwnTenantAsync(this IDocumentSession session, CancellationToken cancellation) =>
        session.Events.FetchForWriting<Tenant>(Guid.Parse(session.TenantId), cancellation);

    /// <summary>Why the member may not change keys, by the tenant as the stream has it: not the one that the request was let in by. Null where they may.</summary>
    public static ProblemDetails? WhyNot(IEventStream<Tenant> stream, HttpContext http) =>
        !stream.Aggregate!.Members.TryGetValue(http.User.MemberId(), out var member) ? Problems.Unauthenticated() : member.Role.Has(Permission.ManageKeys) ? null : Problems.Forbidden();

    /// <summary>The tenant's key; null for another's, an unknown one and one that is revoked.</summary>
    /// <remarks>To be read after <see cref="OwnTenantAsync"/>: only then does the stream's version tell that the key was changed since.</remarks>
    public static async Task<ApiKey?> LoadApiKeyAsync(this IQuerySession session, string keyId, CancellationToken cancellation) =>
        keyId.Length <= 64 && await session.LoadAsync<ApiKey>(keyId, cancellation) is { RevokedAt: null } key && key.TenantId.ToString() == session.TenantId ? key : null;
}
