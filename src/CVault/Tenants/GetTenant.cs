using System.Diagnostics.CodeAnalysis;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Tenants;

/// <summary>A tenant and what it used.</summary>
public sealed record TenantDetailView : TenantView
{
    [SetsRequiredMembers]
    public TenantDetailView(TenantView tenant, long apiCallsThisMonth, long bandwidthUsedBytes) : base(tenant) => (ApiCallsThisMonth, BandwidthUsedBytes) = (apiCallsThisMonth, bandwidthUsedBytes);

    /// <summary>Calls that were let through in this calendar month (UTC); the last five seconds may be missing.</summary>
    public long ApiCallsThisMonth { get; }

    /// <summary>Bytes received and sent in this calendar month (UTC), as far as the servers were read.</summary>
    public long BandwidthUsedBytes { get; }
}

/// <summary><c>GET /admin/tenants/{id}</c>.</summary>
public static class GetTenant
{
    [WolverineGet("/admin/tenants/{id:guid}", OperationId = "getTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<TenantDetailView>(200)]
    public static async Task<IResult> Get(Guid id, IQuerySession session, TimeProvider time, CancellationToken cancellation) =>
        await session.LoadAsync<Tenant>(id, cancellation) is { } tenant
            ? Reply.Ok(new TenantDetailView(TenantView.Of(tenant), await ApiCalls.OfMonthAsync(session, time.GetUtcNow(), cancellation), await Bandwidth.UsedAsync(session, time.GetUtcNow(), cancellation)))
            : new ProblemResult(Problems.NotFound());
}
