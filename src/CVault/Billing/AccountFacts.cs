using CVault.Security;
using CVault.Tenants;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>A tenant's account as a command finds it, to be changed as it was read.</summary>
/// <param name="Stream">Without an aggregate before the first command.</param>
public sealed record AccountFacts(Tenant Tenant, IEventStream<BillingAccount> Stream, DataKey? Key)
{
    public BillingAccount Account => Stream.Aggregate ?? new BillingAccount(BillingAccount.IdOf(Tenant.Id));

    public static async Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid tenantId, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        if (tenantId == Guid.Empty || await session.LoadAsync<Tenant>(tenantId, cancellation) is not { } tenant) return (null, Problems.NotFound());
        var stream = await session.Events.FetchForWriting<BillingAccount>(BillingAccount.IdOf(tenantId), cancellation);
        return (new AccountFacts(tenant, stream, await DataKeys.LoadAsync(session, master, tenantId, cancellation)), WolverineContinue.NoProblems);
    }

    /// <summary>The first day that is not in a month that is closed.</summary>
    public DateOnly FirstOpenDay => Account.ClosedThrough?.End ?? DateOnly.MinValue;

    /// <summary>Appends, and answers with the account as it then is.</summary>
    public (Reply, Changes) Change(Func<BillingAccount, BillingAccount> apply, params object[] events)
    {
        var changes = new Changes();
        if (events.Length > 0) changes.Append(Stream, events);
        return (Reply.Ok(BillingAccountView.Of(apply(Account), Key)), changes);
    }
}
