using System.Collections.Immutable;
using CVault.Billing;
using Marten;

namespace CVault.Projections.Billing;

/// <summary>A month of a tenant, as its account says that it is paid for.</summary>
internal sealed record TenantMonth(Guid Tenant, BillingAccount Account, Month Month);

/// <summary>What months cost, by accounts and what was used.</summary>
internal static class Draft
{
    /// <summary>A month's charges.</summary>
    public static async Task<ImmutableList<Line>> ChargesAsync(this IBillableUsage usage, TenantMonth month, CancellationToken cancellation) =>
        (await usage.ChargesAsync([month], cancellation))[(month.Tenant, month.Month)];

    private static async Task<Dictionary<(Guid Tenant, Month Month), ImmutableList<Line>>> ChargesAsync(this IBillableUsage usage, IReadOnlyList<TenantMonth> months, CancellationToken cancellation)
    {
        var spans = months.SelectMany(m => m.Account.Spans(m.Month), (m, span) => (m.Tenant, m.Month, Span: span)).ToArray();
        var use = await usage.OfAsync([.. spans.Select(s => new TenantDays(s.Tenant, s.Span.From, s.Span.Until))], cancellation);
        var used = spans.Zip(use).ToLookup(s => (s.First.Tenant, s.First.Month), s => (s.First.Span, s.Second));
        return months.ToDictionary(m => (m.Tenant, m.Month), m => Rating.Charges(m.Month, [.. used[(m.Tenant, m.Month)]], m.Account.Discounts));
    }

    /// <summary>What corrections of earlier months are made against.</summary>
    public static async Task<IReadOnlyList<Invoice>> InvoicesBeforeAsync(IQuerySession session, TenantMonth month, CancellationToken cancellation) =>
        month.Account.ClosedThrough is null ? [] : [.. (await session.Query<Invoice>().ToListAsync(cancellation)).Where(i => i.Month < month.Month)];

    /// <summary>The lines that a month would be closed with, corrections of earlier months among them.</summary>
    /// <param name="before">The invoices of earlier months.</param>
    public static async Task<Closed> OfAsync(IBillableUsage usage, IReadOnlyList<Invoice> before, TenantMonth month, CancellationToken cancellation) =>
        (await OfAsync(usage, _ => Task.FromResult(before), [month], cancellation))[0];

    /// <summary>The same of months of several tenants, in their order.</summary>
    /// <param name="before">The invoices of the months before one: only asked for where there is something to correct.</param>
    public static async Task<IReadOnlyList<Closed>> OfAsync(IBillableUsage usage, Func<TenantMonth, Task<IReadOnlyList<Invoice>>> before, IReadOnlyList<TenantMonth> months, CancellationToken cancellation)
    {
        var changed = await usage.ChangedAsync([.. from m in months where m.Account.ClosedThrough is not null select (m.Tenant, m.Account.ClosedThrough!.Value, m.Account.Through)], cancellation);
        var late = (from m in months from earlier in changed[m.Tenant] where earlier >= m.Account.FirstMonth select m with { Month = earlier }).ToLookup(m => m.Tenant);
        var charges = await usage.ChargesAsync([.. months, .. late.SelectMany(l => l)], cancellation);
        var closed = new List<Closed>();
        foreach (var month in months)
        {
            var earlier = new List<Rerated>();
            if (late.Contains(month.Tenant))
            {
                var charged = (await before(month)).SelectMany(i => i.Lines).ToLookup(l => l.Month);
                foreach (var one in late[month.Tenant]) earlier.Add(new Rerated(one.Month, charges[(one.Tenant, one.Month)], [.. charged[one.Month]]));
            }

            closed.Add(Closing.Close(month.Month, charges[(month.Tenant, month.Month)], earlier, month.Account.Credit, month.Account.Taxes));
        }

        return closed;
    }
}
