using CVault.Security;
using Marten;
using JasperFx.Events;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>Body of <c>.../rotate</c> and <c>.../regenerate</c>; may be absent.</summary>
/// <param name="OverlapSeconds">How long the old key goes on working beside the new one: 0 to 2592000 (30 days).</param>
public sealed record RotateApiKey(int? OverlapSeconds)
{
    /// <summary>The overlap that the body asks for, null where it says nothing; or what is wrong with it.</summary>
    internal static async Task<(int? Seconds, ProblemDetails? Problem)> OverlapOfAsync(HttpRequest request, CancellationToken cancellation) =>
        (await request.BodyOrDefaultAsync<RotateApiKey>(cancellation))?.OverlapSeconds is not { } seconds ? (null, null)
        : seconds is < 0 or > 2_592_000 ? (null, Problems.Validation(("overlap_seconds", "0 to 2592000.")))
        : (seconds, null);
}

/// <summary>A key that another takes the place of.</summary>
/// <param name="Key">Null where there is none to replace.</param>
/// <param name="Overlap">How long it goes on working; null: as long as the command thinks right.</param>
public sealed record KeyToReplace(ApiKey? Key, TimeSpan? Overlap);

/// <summary>
/// <c>POST /api/v1/tenant/api-keys/{keyId}/rotate</c>: a new key in the place of one, of the same kind, name, origins
/// and remaining life. Both work for a day, or for the overlap that the caller chooses.
/// </summary>
public static class RotateApiKeyEndpoint
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    public static async Task<(KeyToReplace?, IEventStream<Tenant>?, ProblemDetails)> LoadAsync(string keyId, HttpRequest request, IDocumentSession session, TimeProvider time, CancellationToken cancellation)
    {
        var (overlap, wrong) = await RotateApiKey.OverlapOfAsync(request, cancellation);
        if (wrong is not null) return (null, null, wrong);
        var stream = await session.OwnTenantAsync(cancellation);
        if (ApiKeys.WhyNot(stream, request.HttpContext) is { } refused) return (null, null, refused);
        if (await session.LoadApiKeyAsync(keyId, cancellation) is not { } key) return (null, null, Problems.NotFound());
        if (!key.IsLive(time.GetUtcNow())) return (null, null, Problems.Conflict("The key has expired. Make a new one."));
        return (new KeyToReplace(key, overlap is { } seconds ? TimeSpan.FromSeconds(seconds) : null), stream, CreateApiKeyEndpoint.TooMany(stream.Aggregate!, time.GetUtcNow()));
    }

    [WolverinePost("/api/v1/tenant/api-keys/{keyId}/rotate", OperationId = "rotateApiKey"), Authorize(Roles.May + nameof(Permission.ManageKeys)), OptionalBody(typeof(RotateApiKey))]
    [ProducesResponseType<NewApiKeyView>(201)]
    public static (Reply, Changes) Post([NotBody] KeyToReplace replace, IEventStream<Tenant> stream, LookupKey lookup, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var key = replace.Key!;
        var overlapEnds = now + (replace.Overlap ?? Day);
        var (next, secret) = Replacement(key, lookup, now);
        var old = key with { ExpiresAt = key.ExpiresAt < overlapEnds ? key.ExpiresAt : overlapEnds };
        stream.AppendMany(next.Issued(), new ApiKeyRotated(old.Id, next.Id, old.ExpiresAt!.Value));
        log.Write(SecurityEvent.KeyIssued, http, ("key", next.Id), ("instead_of", old.Id), ("until", old.ExpiresAt));
        var changes = new Changes();
        changes.Add(MartenOps.Insert(next));
        changes.Add(MartenOps.Store(old));
        return (Reply.Created("/api/v1/tenant/api-keys", NewApiKeyView.Of(next, secret, now)) with { ChangesCredentials = true }, changes);
    }

    internal static (ApiKey Next, string? Secret) Replacement(ApiKey key, LookupKey lookup, DateTimeOffset now)
    {
        var name = key.Name ?? Names.Of(key.Kind);
        var (next, secret) = key.Kind == ApiKeyKind.Secret ? ApiKey.NewSecret(key.TenantId, lookup, now, name) : (ApiKey.NewPublishable(key.TenantId, now, name, key.AllowedOrigins ?? []), null);
        return (next with { ExpiresAt = key.ExpiresAt }, secret);
    }
}
