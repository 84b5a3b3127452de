using System.Security.Claims;
using CVault.Billing;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Projections.Billing;

/// <summary>What a month will cost, by what is known now.</summary>
public sealed record StatementView
{
    /// <summary>As in <c>2026-11</c> (UTC).</summary>
    public required Month Month { get; init; }

    /// <summary>ISO 4217; null before the first subscription, and then there are no lines.</summary>
    public required string? Currency { get; init; }

    /// <summary>Up to when usage is counted; open sessions count up to then.</summary>
    public required DateTimeOffset AsOf { get; init; }

    /// <summary>Usage was counted up to this place in the sequence of events.</summary>
    public required long Through { get; init; }
    public required IReadOnlyList<LineView> Lines { get; init; }

    /// <summary>Minor units: the sum of the lines.</summary>
    public required long Total { get; init; }

    internal static StatementView Of(Month month, string? currency, DateTimeOffset asOf, long through, Closed closed) => new()
    {
        Month = month, Currency = currency, AsOf = asOf, Through = through, Lines = [.. closed.Lines.Select(LineView.Of)], Total = closed.Total,
    };
}

/// <summary><c>GET /api/v1/billing/account</c>: what a tenant pays by.</summary>
public static class GetBillingAccount
{
    [WolverineGet("/api/v1/billing/account", OperationId = "getBillingAccount"), Authorize(Policies.Billing)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static async Task<IResult> Get(ClaimsPrincipal principal, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        var id = BillingAccount.IdOf(principal.TenantId());
        return Reply.Ok(BillingAccountView.Of(await session.LoadAsync<BillingAccount>(id, cancellation) ?? new BillingAccount(id), await DataKeys.LoadAsync(session, master, principal.TenantId(), cancellation)));
    }
}

/// <summary><c>GET /api/v1/billing/statement</c>: the draft of the invoice that is to come, always current: of the first month that is not closed.</summary>
public static class GetStatement
{
    [WolverineGet("/api/v1/billing/statement", OperationId = "getStatement"), Authorize(Policies.Billing)]
    [ProducesResponseType<StatementView>(200)]
    public static async Task<IResult> Get(ClaimsPrincipal principal, IQuerySession session, NpgsqlDataSource database, TimeProvider time, CancellationToken cancellation)
    {
        var (tenantId, now) = (principal.TenantId(), time.GetUtcNow());
        var account = await session.LoadAsync<BillingAccount>(BillingAccount.IdOf(tenantId), cancellation) ?? new BillingAccount(BillingAccount.IdOf(tenantId));
        var current = Month.Of(now);
        var month = account.NextToClose is { } next && (next < current || account.ClosedThrough >= current) ? next : current;
        var asked = new TenantMonth(tenantId, account, month);
        // Before usage is taken, which holds a connection.
        var before = await Draft.InvoicesBeforeAsync(session, asked, cancellation);
        await using var usage = await BillableUsage.TakeAsync(database, tenantId, now, account.Through, cancellation);
        return Reply.Ok(StatementView.Of(month, account.Currency, now, usage.Through, await Draft.OfAsync(usage, before, asked, cancellation)));
    }
}

/// <summary>
/// <c>GET /api/v1/billing/what-if?plan=&amp;version=&amp;month=</c>: what a month's charges would be, had another plan held on all
/// days on which one did. Discounts count; corrections of other months, credit and taxes do not.
/// </summary>
public static class WhatIf
{
    [WolverineGet("/api/v1/billing/what-if", OperationId = "getWhatIf"), Authorize(Policies.Billing)]
    [ProducesResponseType<StatementView>(200)]
    public static async Task<IResult> Get(Guid? plan, int? version, string? month, ClaimsPrincipal principal, IQuerySession session, NpgsqlDataSource database, TimeProvider time, CancellationToken cancellation)
    {
        var (tenantId, now) = (principal.TenantId(), time.GetUtcNow());
        var errors = new List<(string, string)>();
        var of = Month.Of(now);
        if (plan is null || plan == Guid.Empty) errors.Add(("plan", "A plan's id is required."));
        if (month is not null && (!Month.TryParse(month, out of) || of > Month.Of(now))) errors.Add(("month", "A month, as in 2026-11, not one to come."));
        if (errors.Count > 0) return new ProblemResult(Problems.Validation(errors));
        var account = await session.LoadAsync<BillingAccount>(BillingAccount.IdOf(tenantId), cancellation);
        var other = await session.ForTenant(JasperFx.StorageConstants.DefaultTenantId).LoadAsync<Plan>(plan!.Value, cancellation);
        if (account is null || other is null || other.Retired || other.TermsOf(version ?? other.Version) is not { } terms) return new ProblemResult(Problems.NotFound());

        var charges = await ChargesAsync(database, tenantId, account.On(other.Id, version ?? other.Version, other.Name, terms), of, now, cancellation);
        return Reply.Ok(StatementView.Of(of, terms.Currency, now, charges.Through, new Closed(charges.Lines, 0)));
    }

    internal static async Task<(System.Collections.Immutable.ImmutableList<Line> Lines, long Through)> ChargesAsync(NpgsqlDataSource database, Guid tenantId, BillingAccount account, Month month, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var usage = await BillableUsage.TakeAsync(database, tenantId, now, account.Through, cancellation);
        return (await usage.ChargesAsync(new TenantMonth(tenantId, account, month), cancellation), usage.Through);
    }
}
