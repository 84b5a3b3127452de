using CVault.Billing;
using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Projections.Billing;

/// <summary>Body of <c>POST /admin/billing/close</c>.</summary>
/// <param name="Month">The last month to be closed, as in <c>2026-10</c>: one that is over.</param>
public sealed record CloseNow(string? Month);

/// <param name="Closed">Months of tenants that are closed now and were not before.</param>
/// <param name="Failed">Tenants of whom one could not be; the log says why. Asking again tries again.</param>
public sealed record ClosedView(int Closed, int Failed);

/// <summary><c>POST /admin/billing/close</c>: closes what is due up to a month, without waiting for its last readings any longer.</summary>
public static class CloseNowEndpoint
{
    public static ProblemDetails Validate(CloseNow? command, TimeProvider time)
    {
        if (command is null) return Body.Missing();
        return Month.TryParse(command.Month, out var month) && month < Month.Of(time.GetUtcNow())
            ? WolverineContinue.NoProblems
            : Problems.Validation(("month", "A month that is over, as in 2026-10."));
    }

    [WolverinePost("/admin/billing/close", OperationId = "closeMonths"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ClosedView>(200)]
    public static async Task<Reply> Post(CloseNow command, CloseMonths months, CancellationToken cancellation)
    {
        _ = Month.TryParse(command.Month, out var month);
        var (closed, failed) = await months.CloseDueAsync(month.Next, cancellation);
        return Reply.Ok(new ClosedView(closed, failed));
    }
}
