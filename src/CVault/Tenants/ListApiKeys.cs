using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Tenants;

/// <summary>A tenant's keys, the newest first: those that work, and of the others the last hundred.</summary>
public sealed record ApiKeysView(IReadOnlyList<ListedApiKeyView> ApiKeys, string? NextCursor);

/// <summary><c>GET /api/v1/tenant/api-keys</c>.</summary>
public static class ListApiKeys
{
    [WolverineGet("/api/v1/tenant/api-keys", OperationId = "listApiKeys"), Authorize(Roles.May + nameof(Permission.ReadKeys))]
    [ProducesResponseType<ApiKeysView>(200)]
    public static async Task<Reply> Get(IQuerySession session, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var tenantId = Guid.Parse(session.TenantId);
        var keys = await session.Query<ApiKey>().Where(k => k.TenantId == tenantId).OrderByDescending(k => k.CreatedAt).Take(ApiKey.Most + 100).ToListAsync(cancellation);
        var uses = await ApiCalls.OfKeysAsync(session, now, cancellation);
        return Reply.Ok(new ApiKeysView([.. keys.Select(k => ListedApiKeyView.Of(k, uses.TryGetValue(k.Id, out var use) ? use : null, now))], null));
    }
}
