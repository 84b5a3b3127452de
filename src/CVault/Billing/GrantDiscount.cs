using System.Globalization;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>Body of <c>POST /admin/tenants/{id}/discounts</c>.</summary>
/// <param name="Percent">0.0001 to 100, as a text.</param>
/// <param name="From">The first month, as in <c>2026-11</c>; null: this one.</param>
/// <param name="Until">The last month; null for all to come.</param>
public sealed record GrantDiscount(string? Name, string? Percent, string? From, string? Until);

/// <summary><c>POST /admin/tenants/{id}/discounts</c>: a share of the charges of some months is not to be paid.</summary>
public static class GrantDiscountEndpoint
{
    private const int Most = 20;

    public static ProblemDetails Validate(GrantDiscount? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (!GrantCreditEndpoint.IsText(command.Name)) errors.Add(("name", "1 to 255 characters, no control characters."));
        if (!BillingChanges.IsPercent(command.Percent) || decimal.Parse(command.Percent!, CultureInfo.InvariantCulture) == 0) errors.Add(("percent", "Above 0, up to 100, as a text, with at most four decimals."));
        var from = default(Month);
        if (command.From is not null && !Month.TryParse(command.From, out from)) errors.Add(("from", "A month, as in 2026-11."));
        if (command.Until is not null && (!Month.TryParse(command.Until, out var until) || (command.From is not null && until < from))) errors.Add(("until", "A month, as in 2026-11, not before from."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid id, GrantDiscount command, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var (facts, problem) = await AccountFacts.LoadAsync(id, session, master, cancellation);
        return (facts, facts is null ? problem
            : From(command, time).First < facts.FirstOpenDay ? Problems.Conflict("That month is closed: its invoice stays as it is.")
            : Month.TryParse(command.Until, out var until) && until < From(command, time) ? Problems.Validation(("until", "Not before from."))
            : facts.Account.Discounts.Count(d => d.Until is not { } last || last.End > facts.FirstOpenDay) >= Most ? Problems.Conflict($"The account has {Most} discounts.")
            : WolverineContinue.NoProblems);
    }

    private static Month From(GrantDiscount command, TimeProvider time) => Month.TryParse(command.From, out var month) ? month : Month.Of(time.GetUtcNow());

    [WolverinePost("/admin/tenants/{id:guid}/discounts", OperationId = "grantDiscount"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Post(GrantDiscount command, [NotBody] AccountFacts facts, TimeProvider time)
    {
        var granted = new DiscountGranted(new Discount(
            Guid.CreateVersion7(time.GetUtcNow()), command.Name!.Trim(), decimal.Parse(command.Percent!, CultureInfo.InvariantCulture), From(command, time), Month.TryParse(command.Until, out var until) ? until : null));
        return facts.Change(a => a.Apply(granted), granted);
    }
}

/// <summary><c>DELETE /admin/tenants/{id}/discounts/{discountId}</c>: it holds for no month that is not closed.</summary>
public static class EndDiscount
{
    public static async Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid id, Guid discountId, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var (facts, problem) = await AccountFacts.LoadAsync(id, session, master, cancellation);
        return (facts, facts is not null && facts.Account.Discounts.All(d => d.Id != discountId) ? Problems.NotFound() : problem);
    }

    [WolverineDelete("/admin/tenants/{id:guid}/discounts/{discountId:guid}", OperationId = "endDiscount"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Delete(Guid discountId, [NotBody] AccountFacts facts)
    {
        var discount = facts.Account.Discounts.Single(d => d.Id == discountId);
        // Before the account's first month is closed nothing of it holds any more.
        var last = facts.Account.ClosedThrough ?? Month.Of(discount.From.First.AddDays(-1));
        if (discount.Until <= last) return facts.Change(a => a);
        var ended = new DiscountEnded(discountId, last < discount.From ? Month.Of(discount.From.First.AddDays(-1)) : last);
        return facts.Change(a => a.Apply(ended), ended);
    }
}
