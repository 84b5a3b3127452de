using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Billing;

/// <summary>What a plan costs, as the API has it.</summary>
public record TermsView
{
    /// <summary>ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>A month, in minor units.</summary>
    public required long BaseFee { get; init; }

    /// <summary>What a month costs at least, in minor units.</summary>
    public required long MonthlyMinimum { get; init; }
    public required int TrialDays { get; init; }
    public required IReadOnlyList<PriceBody> Prices { get; init; }

    internal static TermsView Of(PlanTerms terms) => new()
    {
        Currency = terms.Currency, BaseFee = terms.BaseFee, MonthlyMinimum = terms.MonthlyMinimum, TrialDays = terms.TrialDays, Prices = [.. terms.Prices.Select(PriceBody.Of)],
    };
}

/// <summary>A plan as operators see it, with the terms of its last version.</summary>
public sealed record PlanView : TermsView
{
    public required Guid Id { get; init; }
    public required string Name { get; init; }

    /// <summary>Of the terms: each change of them is another.</summary>
    public required int Version { get; init; }

    /// <summary>Nobody can be subscribed to it any more.</summary>
    public required bool Retired { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    internal static PlanView Of(Plan plan) => new()
    {
        Id = plan.Id, Name = plan.Name, Version = plan.Version, Retired = plan.Retired, CreatedAt = plan.CreatedAt, Currency = plan.Versions[^1].Currency, BaseFee = plan.Versions[^1].BaseFee,
        MonthlyMinimum = plan.Versions[^1].MonthlyMinimum, TrialDays = plan.Versions[^1].TrialDays, Prices = TermsView.Of(plan.Versions[^1]).Prices,
    };
}

/// <summary>One page of plans.</summary>
public sealed record PlansView(IReadOnlyList<PlanView> Plans, string? NextCursor);

/// <summary><c>POST /admin/plans</c>.</summary>
public static class CreatePlan
{
    public static ProblemDetails Validate(PlanBody? command) =>
        command is null ? Body.Missing() : command.Errors(whole: true).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    [WolverinePost("/admin/plans", OperationId = "createPlan"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PlanView>(201)]
    public static (Reply, IMartenOp) Post(PlanBody command, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var created = new PlanCreated(command.Name!.Trim(), command.ApplyTo(null), now);
        return (Reply.Created($"/admin/plans/{id}", PlanView.Of(new Plan(id, created.Name, [created.Terms], false, now))), MartenOps.StartStream<Plan>(id, created));
    }
}

/// <summary><c>PATCH /admin/plans/{planId}</c>: another name, and other terms as another version. Whoever is subscribed keeps what they have.</summary>
public static class UpdatePlan
{
    public static ProblemDetails Validate(PlanBody? command) =>
        command is null ? Body.Missing() : command.Errors(whole: false).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    [WolverinePatch("/admin/plans/{planId}", OperationId = "updatePlan"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PlanView>(200)]
    public static (Reply, Events) Patch(PlanBody command, [WriteAggregate("planId")] Plan plan)
    {
        var events = new Events();
        var after = plan;
        if (command.Name?.Trim() is { } name && name != plan.Name)
        {
            events.Add(new PlanRenamed(name));
            after = after with { Name = name };
        }

        if (command.ChangesTerms)
        {
            var priced = new PlanPriced(plan.Version + 1, command.ApplyTo(plan.Versions[^1]));
            events.Add(priced);
            after = after.Apply(priced);
        }

        return (Reply.Ok(PlanView.Of(after)), events);
    }
}

/// <summary><c>DELETE /admin/plans/{planId}</c>: retires it.</summary>
public static class RetirePlan
{
    [WolverineDelete("/admin/plans/{planId}", OperationId = "retirePlan"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PlanView>(200)]
    public static (Reply, Events) Delete([WriteAggregate("planId")] Plan plan) => (Reply.Ok(PlanView.Of(plan with { Retired = true })), plan.Retired ? [] : [new PlanRetired()]);
}

/// <summary><c>GET /admin/plans</c> and <c>GET /admin/plans/{planId}</c>.</summary>
public static class ReadPlans
{
    [WolverineGet("/admin/plans", OperationId = "listPlans"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PlansView>(200)]
    public static async Task<IResult> List(int? limit, string? cursor, IQuerySession session, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var plans = await session.Query<Plan>().Where(p => p.Id > page.After).OrderBy(p => p.Id).Take(page.Take).ToListAsync(cancellation);
        var (shown, next) = page.Cut(plans, p => p.Id);
        return Reply.Ok(new PlansView([.. shown.Select(PlanView.Of)], next));
    }

    [WolverineGet("/admin/plans/{planId}", OperationId = "getPlan"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<PlanView>(200)]
    public static async Task<IResult> Get(Guid planId, IQuerySession session, CancellationToken cancellation) =>
        await session.LoadAsync<Plan>(planId, cancellation) is { } plan ? Reply.Ok(PlanView.Of(plan)) : new ProblemResult(Problems.NotFound());
}
