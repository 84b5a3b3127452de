using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>Body of <c>PATCH /admin/tenants/{id}/billing</c>; what is absent stays.</summary>
/// <param name="Taxes">All of them, in the order of their lines; at most five.</param>
/// <param name="PaymentDays">0 to 365.</param>
/// <param name="BillTo">A text of up to ten lines; null for none.</param>
/// <param name="StripeCustomer">Stripe's id, <c>cus_…</c>; null for none.</param>
public sealed partial record BillingChanges(TaxBody[]? Taxes, int? PaymentDays, JsonElement BillTo, JsonElement StripeCustomer)
{
    /// <summary>What is wrong with the shape; empty when nothing is.</summary>
    public IEnumerable<(string Field, string Message)> Errors()
    {
        if (Taxes is { Length: > 5 } || Taxes?.Any(t => t is null || string.IsNullOrWhiteSpace(t.Name) || t.Name.Length > 100 || t.Name.Any(char.IsControl) || !IsPercent(t.Percent)) == true)
        {
            yield return ("taxes", "At most five, each with a name of 1 to 100 characters and a percent from 0 to 100 as a text, with at most four decimals.");
        }

        if (PaymentDays is < 0 or > 365) yield return ("payment_days", "0 to 365.");
        if (StripeCustomer.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null) && (StripeCustomer.ValueKind != JsonValueKind.String || !Customer().IsMatch(StripeCustomer.GetString()!)))
        {
            yield return ("stripe_customer", "Stripe's id of a customer, cus_..., or null.");
        }

        if (BillTo.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null) yield break;
        if (BillTo.ValueKind != JsonValueKind.String || !Texts.IsStorable(BillTo) || BillTo.GetString() is not { Length: >= 1 and <= 1000 } text || text.Split('\n').Length > 10 || text.Any(c => char.IsControl(c) && c != '\n'))
        {
            yield return ("bill_to", "A text of up to ten lines and 1000 characters, or null.");
        }
    }

    internal static bool IsPercent(string? text) => text is not null && Percent().IsMatch(text) && decimal.Parse(text, CultureInfo.InvariantCulture) <= 100;

    [GeneratedRegex(@"^[0-9]{1,3}(\.[0-9]{1,4})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Percent();

    [GeneratedRegex(@"^cus_[A-Za-z0-9]{1,100}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Customer();
}

/// <summary><c>PATCH /admin/tenants/{id}/billing</c> and <c>GET</c> of the same.</summary>
public static class ChangeBilling
{
    public static ProblemDetails Validate(BillingChanges? command) =>
        command is null ? Body.Missing() : command.Errors().ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    public static Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid id, IDocumentSession session, MasterKey master, CancellationToken cancellation) => AccountFacts.LoadAsync(id, session, master, cancellation);

    [WolverinePatch("/admin/tenants/{id:guid}/billing", OperationId = "changeBilling"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Patch(BillingChanges command, [NotBody] AccountFacts facts, MasterKey master)
    {
        var key = facts.Key ?? DataKey.Create(facts.Tenant.Id);
        var account = facts.Account;
        var changed = new BillingDetailsChanged(
            command.Taxes is null ? [.. account.Taxes] : [.. command.Taxes.Select(t => new Tax(t.Name!.Trim(), decimal.Parse(t.Percent!, CultureInfo.InvariantCulture)))],
            command.PaymentDays ?? account.PaymentDays,
            command.BillTo.ValueKind switch
            {
                JsonValueKind.Undefined => account.BillTo,
                JsonValueKind.String => key.Seal(BillingAccount.BillToPurpose, command.BillTo.GetString()!),
                _ => null,
            });
        var events = new List<object>();
        if (command.Taxes is not null || command.PaymentDays is not null || command.BillTo.ValueKind != JsonValueKind.Undefined) events.Add(changed);
        if (command.StripeCustomer.ValueKind != JsonValueKind.Undefined) events.Add(new StripeCustomerLinked(command.StripeCustomer.GetString()));
        var (reply, changes) = (facts with { Key = key }).Change(a => events.Aggregate(a, (so, e) => e is StripeCustomerLinked linked ? so.Apply(linked) : so.Apply(changed)), [.. events]);
        if (facts.Key is null && changed.BillTo is not null) changes.Add(DataKeys.Store(key, facts.Tenant.Id.ToString(), master));
        return (reply, changes);
    }
}

/// <summary><c>GET /admin/tenants/{id}/billing</c>.</summary>
public static class GetBillingOfTenant
{
    [WolverineGet("/admin/tenants/{id:guid}/billing", OperationId = "getBillingOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static async Task<IResult> Get(Guid id, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        if (await session.LoadAsync<Tenants.Tenant>(id, cancellation) is null) return new ProblemResult(Problems.NotFound());
        var account = await session.LoadAsync<BillingAccount>(BillingAccount.IdOf(id), cancellation) ?? new BillingAccount(BillingAccount.IdOf(id));
        return Reply.Ok(BillingAccountView.Of(account, await DataKeys.LoadAsync(session, master, id, cancellation)));
    }
}
