using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary><c>DELETE /admin/tenants/{id}</c>: suspends; nothing of a tenant is ever deleted this way.</summary>
public static class SuspendTenant
{
    [WolverineDelete("/admin/tenants/{id:guid}", OperationId = "suspendTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<TenantView>(200)]
    public static (Reply, Events, OutgoingMessages) Delete([WriteAggregate("id")] Tenant tenant)
    {
        // The operator's word is another than an unpaid invoice's, which a payment would take back.
        if (tenant is { IsSuspended: true, MaySettle: false }) return (Reply.Ok(TenantView.Of(tenant)), [], []);
        var suspended = new TenantSuspended("operator");
        var after = tenant.Apply(suspended);
        return (Reply.Ok(TenantView.Of(after)) with { ChangesCredentials = true }, [suspended], Announce(tenant, after));
    }

    /// <summary>The message that takes a tenant's peers off the servers, or back, when that is what the change means.</summary>
    public static OutgoingMessages Announce(Tenant before, Tenant after) =>
        before.HasTunnels == after.HasTunnels ? [] : [new TenantAccessChanged(after.Id)];
}
