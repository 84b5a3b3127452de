using System.Collections.Immutable;
using CVault.Billing;
using Marten;

namespace CVault.Projections.Billing;

/// <summary>What months cost, by an account and what was used.</summary>
internal static class Draft
{
    /// <summary>The month's charges.</summary>
    public static async Task<ImmutableList<Line>> ChargesAsync(this IBillableUsage usage, Guid tenantId, BillingAccount account, Month month, CancellationToken cancellation)
    {
        var spans = new List<(TermSpan, IReadOnlyList<Use>)>();
        foreach (var span in account.Spans(month)) spans.Add((span, await usage.OfAsync(tenantId, span.From, span.Until, cancellation)));
        return Rating.Charges(month, spans, account.Discounts);
    }

    /// <summary>What corrections of earlier months are made against. Read before usage is taken, which holds a connection.</summary>
    public static async Task<IReadOnlyList<Invoice>> InvoicesBeforeAsync(IQuerySession session, BillingAccount account, Month month, CancellationToken cancellation) =>
        account.ClosedThrough is null ? [] : [.. (await session.Query<Invoice>().ToListAsync(cancellation)).Where(i => i.Month < month)];

    /// <summary>The lines that a month would be closed with, corrections of earlier months among them.</summary>
    /// <param name="before">The invoices of earlier months.</param>
    public static async Task<Closed> OfAsync(IBillableUsage usage, IReadOnlyList<Invoice> before, Guid tenantId, BillingAccount account, Month month, CancellationToken cancellation)
    {
        var charges = await usage.ChargesAsync(tenantId, account, month, cancellation);
        var late = account.ClosedThrough is { } last ? (await usage.ChangedAsync(tenantId, last, account.Through, cancellation)).Where(m => m >= account.FirstMonth).ToArray() : [];
        var earlier = new List<Rerated>();
        if (late.Length > 0)
        {
            var charged = before.SelectMany(i => i.Lines).ToLookup(l => l.Month);
            foreach (var one in late) earlier.Add(new Rerated(one, await usage.ChargesAsync(tenantId, account, one, cancellation), [.. charged[one]]));
        }

        return Closing.Close(month, charges, earlier, account.Credit, account.Taxes);
    }
}
