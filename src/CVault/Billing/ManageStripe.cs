using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>How what is said to Stripe stands.</summary>
/// <param name="Configured">Whether this node speaks to Stripe.</param>
/// <param name="Waiting">How much is still to be said.</param>
/// <param name="Troubled">What Stripe has refused at least once or what was set aside, the oldest first; at most 100.</param>
public sealed record StripeView(bool Configured, long Waiting, IReadOnlyList<StripeStanding> Troubled);

/// <param name="State"><c>waiting</c> or <c>forgotten</c>.</param>
public sealed record StripeDecisionView(Guid Id, string State);

/// <summary>
/// <c>GET /admin/billing/stripe</c>. Operators decide on what was set aside (<c>doubtful</c>, <c>expired</c>, <c>unpayable</c>) after a
/// look into Stripe's dashboard: see <see cref="ResendToStripe"/> and <see cref="ForgetForStripe"/>.
/// </summary>
public static class ManageStripe
{
    [WolverineGet("/admin/billing/stripe", OperationId = "getStripe"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<StripeView>(200)]
    public static async Task<IResult> Get(StripeOutbox outbox, StripeGate gate, CancellationToken cancellation)
    {
        var (waiting, troubled) = await outbox.ListAsync(100, cancellation);
        return Reply.Ok(new StripeView(gate.Settings is not null, waiting, troubled));
    }
}

/// <summary><c>POST /admin/billing/stripe/{id}/resend</c>: what was set aside is said again, as if it never had been.</summary>
public static class ResendToStripe
{
    public static async Task<ProblemDetails> LoadAsync(Guid id, StripeOutbox outbox, CancellationToken cancellation) => await outbox.DecideAsync(id, again: true, cancellation) ? WolverineContinue.NoProblems : Problems.NotFound();

    [WolverinePost("/admin/billing/stripe/{id:guid}/resend", OperationId = "resendToStripe"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<StripeDecisionView>(200)]
    public static Reply Post(Guid id) => Reply.Ok(new StripeDecisionView(id, "waiting"));
}

/// <summary><c>DELETE /admin/billing/stripe/{id}</c>: what was set aside is never said.</summary>
public static class ForgetForStripe
{
    public static async Task<ProblemDetails> LoadAsync(Guid id, StripeOutbox outbox, CancellationToken cancellation) => await outbox.DecideAsync(id, again: false, cancellation) ? WolverineContinue.NoProblems : Problems.NotFound();

    [WolverineDelete("/admin/billing/stripe/{id:guid}", OperationId = "forgetForStripe"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<StripeDecisionView>(200)]
    public static Reply Delete(Guid id) => Reply.Ok(new StripeDecisionView(id, "forgotten"));
}
