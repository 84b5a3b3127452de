using System.Globalization;
using CVault.Billing;
using Marten;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>
/// Computes a closed month's invoice anew, from events alone, says where each line comes from, and whether it is what was
/// billed. For <c>ops/billing replay</c>.
/// </summary>
public static class Replay
{
    /// <param name="other">Another plan that had held on all days on which one did; null: compare with what was billed.</param>
    /// <returns>0: equal, or what another plan would have cost is said; 1: it differs; 2: there is nothing to replay.</returns>
    public static async Task<int> RunAsync(NpgsqlDataSource database, IDocumentStore store, Guid tenantId, Month month, (Guid Plan, int? Version)? other, TextWriter output, CancellationToken cancellation)
    {
        await using var session = store.QuerySession(tenantId.ToString());
        if (await session.Events.AggregateStreamAsync<Invoice>(Invoice.IdOf(tenantId, month), token: cancellation) is not { } invoice)
        {
            await output.WriteLineAsync($"Tenant {tenantId} has no invoice for {month}.");
            return 2;
        }

        var account = (await session.Events.AggregateStreamAsync<BillingAccount>(BillingAccount.IdOf(tenantId), invoice.AccountVersion, token: cancellation))!;
        var usage = await ReplayedUsage.ReadAsync(database, store, tenantId, invoice.Through, invoice.IssuedAt, cancellation);
        await output.WriteLineAsync($"Invoice {invoice.Number} of {invoice.TenantName} for {month}: events up to {invoice.Through}, account at version {invoice.AccountVersion}");
        if (other is { } asked) return await OtherAsync(session, usage, tenantId, account, month, invoice, asked, output, cancellation);

        var before = new List<Invoice>();
        for (var earlier = account.FirstMonth!.Value; earlier < month; earlier = earlier.Next)
        {
            if (await session.Events.AggregateStreamAsync<Invoice>(Invoice.IdOf(tenantId, earlier), token: cancellation) is { } one) before.Add(one);
        }

        var closed = await Draft.OfAsync(usage, before, new TenantMonth(tenantId, account, month), cancellation);
        var billed = invoice.Lines.ToList();
        var equal = true;
        foreach (var line in closed.Lines)
        {
            var same = billed.Remove(line);
            equal &= same;
            await SayAsync(output, same ? "=" : "+", line, invoice.Currency, account, usage);
        }

        foreach (var line in billed)
        {
            equal = false;
            await SayAsync(output, "-", line, invoice.Currency, account, usage);
        }

        await output.WriteLineAsync(equal
            ? $"equal: {closed.Lines.Count} lines, {Currencies.Format(invoice.Total, invoice.Currency)} {invoice.Currency}"
            : $"DIFFERENT: billed {Currencies.Format(invoice.Total, invoice.Currency)}, replayed {Currencies.Format(closed.Total, invoice.Currency)} {invoice.Currency}; - is only on the invoice, + only in the replay");
        return equal ? 0 : 1;
    }

    private static async Task<int> OtherAsync(
        IQuerySession session, ReplayedUsage usage, Guid tenantId, BillingAccount account, Month month, Invoice invoice, (Guid Plan, int? Version) asked, TextWriter output, CancellationToken cancellation)
    {
        var plan = await session.ForTenant(JasperFx.StorageConstants.DefaultTenantId).LoadAsync<Plan>(asked.Plan, cancellation);
        if (plan?.TermsOf(asked.Version ?? plan.Version) is not { } terms)
        {
            await output.WriteLineAsync("There is no such plan, or no such version of it.");
            return 2;
        }

        var on = account.On(plan.Id, asked.Version ?? plan.Version, plan.Name, terms);
        var lines = await usage.ChargesAsync(new TenantMonth(tenantId, on, month), cancellation);
        foreach (var line in lines) await SayAsync(output, " ", line, terms.Currency, on, usage);
        var was = await usage.ChargesAsync(new TenantMonth(tenantId, account, month), cancellation);
        await output.WriteLineAsync($"{plan.Name}, version {asked.Version ?? plan.Version}: {Currencies.Format(lines.Sum(l => l.Amount), terms.Currency)} {terms.Currency}; charged was {Currencies.Format(was.Sum(l => l.Amount), invoice.Currency)} {invoice.Currency}");
        return 0;
    }

    private static async Task SayAsync(TextWriter output, string sign, Line line, string currency, BillingAccount account, ReplayedUsage usage)
    {
        var terms = account.Spans(line.Month).FirstOrDefault(s => s.From == line.From)?.Terms;
        var price = terms?.Prices.FirstOrDefault(p => p.Metric == line.Metric && p.Region == line.Region);
        var from = usage.Provenance(line, region => terms is not null && line.Metric is { } metric && terms.PriceOf(metric, region) == price);
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{sign} {Currencies.Format(line.Amount, currency),14}  {line.Describe()}{(line.PlanVersion is { } version ? $" (plan {line.PlanId}, version {version})" : "")}{(from.Length > 0 ? $"; {from}" : "")}"));
    }
}
