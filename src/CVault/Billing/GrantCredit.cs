using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>Body of <c>POST /admin/tenants/{id}/credits</c>.</summary>
/// <param name="Amount">Minor units of the account's currency; below zero to take credit back, at most what there is.</param>
public sealed record GrantCredit(long? Amount, string? Reason);

/// <summary><c>POST /admin/tenants/{id}/credits</c>: so much of the invoices to come is paid already.</summary>
public static class GrantCreditEndpoint
{
    public static ProblemDetails Validate(GrantCredit? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Amount is not (>= -PlanBody.MostMoney and <= PlanBody.MostMoney) or 0) errors.Add(("amount", "Minor units of the currency, not zero, up to 10^12."));
        if (!IsText(command.Reason)) errors.Add(("reason", "1 to 255 characters, no control characters."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    internal static bool IsText(string? text) => !string.IsNullOrWhiteSpace(text) && text.Length <= 255 && !text.Any(char.IsControl);

    public static async Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid id, GrantCredit command, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var (facts, problem) = await AccountFacts.LoadAsync(id, session, master, cancellation);
        return (facts, facts is null ? problem
            : facts.Account.Currency is null ? Problems.Conflict("The account has no currency before its first subscription.")
            : facts.Account.Credit + command.Amount < 0 ? Problems.Conflict("The account has not so much credit.")
            : problem);
    }

    [WolverinePost("/admin/tenants/{id:guid}/credits", OperationId = "grantCredit"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Post(GrantCredit command, [NotBody] AccountFacts facts, TimeProvider time)
    {
        var granted = new CreditGranted(Guid.CreateVersion7(time.GetUtcNow()), command.Amount!.Value, command.Reason!.Trim());
        return facts.Change(a => a.Apply(granted), granted);
    }
}
