using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Tenants;

/// <summary><c>GET /admin/tenants/{id}</c>.</summary>
public static class GetTenant
{
    [WolverineGet("/admin/tenants/{id:guid}", OperationId = "getTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<TenantView>(200)]
    public static async Task<IResult> Get(Guid id, IQuerySession session, CancellationToken cancellation) =>
        await session.LoadAsync<Tenant>(id, cancellation) is { } tenant
            ? Reply.Ok(TenantView.Of(tenant))
            : new ProblemResult(Problems.NotFound());
}
