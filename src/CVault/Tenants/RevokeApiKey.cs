using CVault.Security;
using Marten;
using JasperFx.Events;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary><c>DELETE /api/v1/tenant/api-keys/{keyId}</c>: refused on this node from the answer on, on every other within seconds.</summary>
public static class RevokeApiKey
{
    public static async Task<(ApiKey?, IEventStream<Tenant>?, ProblemDetails)> LoadAsync(string keyId, HttpContext http, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await session.OwnTenantAsync(cancellation);
        if (ApiKeys.WhyNot(stream, http) is { } problem) return (null, null, problem);
        return await session.LoadApiKeyAsync(keyId, cancellation) is { } key ? (key, stream, WolverineContinue.NoProblems) : (null, null, Problems.NotFound());
    }

    [WolverineDelete("/api/v1/tenant/api-keys/{keyId}", OperationId = "revokeApiKey"), Authorize(Roles.May + nameof(Permission.ManageKeys))]
    [ProducesResponseType<ApiKeyView>(200)]
    public static (Reply, IMartenOp) Delete([NotBody] ApiKey key, IEventStream<Tenant> stream, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var revoked = key with { RevokedAt = now };
        stream.AppendOne(new ApiKeyRevoked(key.Id));
        log.Write(SecurityEvent.KeyRevoked, http, ("key", key.Id));
        return (Reply.Ok(ApiKeyView.Of(revoked, now)) with { ChangesCredentials = true }, MartenOps.Store(revoked));
    }
}
