using CVault.Security;
using Marten;
using JasperFx.Events;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>
/// <c>POST /api/v1/tenant/api-keys/regenerate</c>: for a secret that got out. The newest secret key is replaced, and
/// the old one works no more, unless the caller asks for an overlap; a tenant that has none gets one.
/// </summary>
public static class RegenerateApiKey
{
    public static async Task<(KeyToReplace?, IEventStream<Tenant>?, ProblemDetails)> LoadAsync(HttpRequest request, IDocumentSession session, TimeProvider time, CancellationToken cancellation)
    {
        var (overlap, wrong) = await RotateApiKey.OverlapOfAsync(request, cancellation);
        if (wrong is not null) return (null, null, wrong);
        var now = time.GetUtcNow();
        var stream = await session.OwnTenantAsync(cancellation);
        if (ApiKeys.WhyNot(stream, request.HttpContext) is { } refused) return (null, null, refused);
        var keys = await session.Query<ApiKey>().Where(k => k.TenantId == stream.Id && k.Kind == ApiKeyKind.Secret && k.RevokedAt == null).OrderByDescending(k => k.CreatedAt).ToListAsync(cancellation);
        var old = keys.FirstOrDefault(k => k.IsLive(now));
        // One that ends now makes room for the next.
        var problem = old is not null && overlap is null or 0 ? WolverineContinue.NoProblems : CreateApiKeyEndpoint.TooMany(stream.Aggregate!, now);
        return (new KeyToReplace(old, TimeSpan.FromSeconds(overlap ?? 0)), stream, problem);
    }

    [WolverinePost("/api/v1/tenant/api-keys/regenerate", OperationId = "regenerateApiKey"), Authorize(Roles.May + nameof(Permission.ManageKeys)), OptionalBody(typeof(RotateApiKey))]
    [ProducesResponseType<NewApiKeyView>(201)]
    public static (Reply, Changes) Post([NotBody] KeyToReplace replace, IEventStream<Tenant> stream, LookupKey lookup, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var (next, secret) = replace.Key is { } key ? RotateApiKeyEndpoint.Replacement(key, lookup, now) : ApiKey.NewSecret(stream.Id, lookup, now);
        var changes = new Changes();
        changes.Add(MartenOps.Insert(next));
        stream.AppendOne(next.Issued());
        if (replace.Key is { } old)
        {
            old = replace.Overlap > TimeSpan.Zero ? old with { ExpiresAt = now + replace.Overlap } : old with { RevokedAt = now };
            stream.AppendOne(old.RevokedAt is null ? new ApiKeyRotated(old.Id, next.Id, old.ExpiresAt!.Value) : new ApiKeyRevoked(old.Id));
            changes.Add(MartenOps.Store(old));
        }

        log.Write(SecurityEvent.KeyIssued, http, ("key", next.Id), ("instead_of", replace.Key?.Id));
        return (Reply.Created("/api/v1/tenant/api-keys", NewApiKeyView.Of(next, secret, now)) with { ChangesCredentials = true }, changes);
    }
}
