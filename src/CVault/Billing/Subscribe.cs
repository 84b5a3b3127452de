using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>Body of <c>PUT /admin/tenants/{id}/subscription</c>.</summary>
/// <param name="PlanVersion">Null: the last one.</param>
/// <param name="From">The first day, UTC, in a month that is not closed; null: today. What was to hold from then on does not.</param>
public sealed record Subscribe(Guid? PlanId, int? PlanVersion, DateOnly? From);

/// <summary><c>PUT /admin/tenants/{id}/subscription</c>: from a day on a tenant pays by a plan.</summary>
public static class SubscribeTenant
{
    /// <summary>No subscription is ordered for longer ahead or back: a bill is always a finite number of months.</summary>
    internal const int MostDays = 400;

    public static ProblemDetails Validate(Subscribe? command, TimeProvider time)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.PlanId is null) errors.Add(("plan_id", "A plan's id is required."));
        if (command.PlanVersion < 1) errors.Add(("plan_version", "1 or more."));
        if (!IsNear(command.From, time)) errors.Add(("from", $"A day within {MostDays} days of today."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    internal static bool IsNear(DateOnly? day, TimeProvider time) => day is not { } d || Math.Abs(d.DayNumber - Today(time).DayNumber) <= MostDays;

    internal static DateOnly Today(TimeProvider time) => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);

    public static async Task<(AccountFacts?, Plan?, ProblemDetails)> LoadAsync(Guid id, Subscribe command, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var (facts, problem) = await AccountFacts.LoadAsync(id, session, master, cancellation);
        if (facts is null) return (null, null, problem);
        var plan = command.PlanId == Guid.Empty ? null : await session.ForTenant(JasperFx.StorageConstants.DefaultTenantId).LoadAsync<Plan>(command.PlanId!.Value, cancellation);
        return (facts, plan, plan?.TermsOf(command.PlanVersion ?? plan.Version) is not { } terms ? Problems.Validation(("plan_id", "There is no such plan, or no such version of it."))
            : plan.Retired ? Problems.Conflict("The plan is retired.")
            : (command.From ?? Today(time)) < facts.FirstOpenDay ? Problems.Conflict("The month of that day is closed: its invoice stays as it is.")
            : facts.Account.CurrencyFrom(command.From ?? Today(time)) is { } currency && currency != terms.Currency ? Problems.Conflict($"The account is in {currency}.")
            : WolverineContinue.NoProblems);
    }

    [WolverinePut("/admin/tenants/{id:guid}/subscription", OperationId = "subscribeTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Put(Subscribe command, [NotBody] AccountFacts facts, [NotBody] Plan plan, TimeProvider time)
    {
        var version = command.PlanVersion ?? plan.Version;
        var subscribed = new PlanSubscribed(plan.Id, version, plan.Name, plan.TermsOf(version)!, command.From ?? Today(time));
        return facts.Change(a => a.Apply(subscribed), subscribed);
    }
}

/// <summary><c>DELETE /admin/tenants/{id}/subscription?from=</c>: from a day on nothing is charged.</summary>
public static class EndSubscription
{
    public static ProblemDetails Validate(DateOnly? from, TimeProvider time) =>
        SubscribeTenant.IsNear(from, time) ? WolverineContinue.NoProblems : Problems.Validation(("from", $"A day within {SubscribeTenant.MostDays} days of today."));

    public static async Task<(AccountFacts?, ProblemDetails)> LoadAsync(Guid id, DateOnly? from, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var (facts, problem) = await AccountFacts.LoadAsync(id, session, master, cancellation);
        return (facts, facts is null ? problem
            : (from ?? SubscribeTenant.Today(time)) < facts.FirstOpenDay ? Problems.Conflict("The month of that day is closed: its invoice stays as it is.")
            : WolverineContinue.NoProblems);
    }

    [WolverineDelete("/admin/tenants/{id:guid}/subscription", OperationId = "endSubscription"), Authorize(Policies.Operator)]
    [ProducesResponseType<BillingAccountView>(200)]
    public static (Reply, Changes) Delete(DateOnly? from, [NotBody] AccountFacts facts, TimeProvider time)
    {
        var ended = new SubscriptionEnded(from ?? SubscribeTenant.Today(time));
        // Ending what has not begun, or has ended, is no error.
        return facts.Account.Subscriptions.LastOrDefault(s => s.From < ended.From)?.Terms is null && !facts.Account.Subscriptions.Any(s => s.From >= ended.From && s.Terms is not null)
            ? facts.Change(a => a)
            : facts.Change(a => a.Apply(ended), ended);
    }
}
