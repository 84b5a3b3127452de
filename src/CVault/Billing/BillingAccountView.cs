using CVault.Security;

namespace CVault.Billing;

/// <summary>What a tenant is subscribed to from a day on.</summary>
/// <param name="PlanId">Null, and all else with it, where nothing is charged from that day on.</param>
public sealed record SubscriptionView(DateOnly From, Guid? PlanId, int? PlanVersion, string? PlanName, TermsView? Terms);

/// <param name="Percent">Of what earlier discounts have left.</param>
/// <param name="From">The first month.</param>
/// <param name="Until">The last month; null for all to come.</param>
public sealed record DiscountView(Guid Id, string Name, string Percent, Month From, Month? Until);

/// <param name="Percent">Of what is left to pay after the credit.</param>
public sealed record TaxBody(string? Name, string? Percent);

/// <summary>How a tenant is billed.</summary>
public sealed record BillingAccountView
{
    /// <summary>ISO 4217; null before there was a subscription.</summary>
    public required string? Currency { get; init; }

    /// <summary>In the order of their days; those of closed months too.</summary>
    public required IReadOnlyList<SubscriptionView> Subscriptions { get; init; }

    /// <summary>The first day after the trial; null before there was a subscription.</summary>
    public required DateOnly? TrialEnds { get; init; }
    public required IReadOnlyList<DiscountView> Discounts { get; init; }

    /// <summary>Minor units that invoices to come use up.</summary>
    public required long Credit { get; init; }
    public required IReadOnlyList<TaxBody> Taxes { get; init; }
    public required int PaymentDays { get; init; }

    /// <summary>Name and address for invoices; null: the tenant's name alone.</summary>
    public required string? BillTo { get; init; }

    /// <summary>As whose usage and invoices are told to Stripe; null: nobody's.</summary>
    public required string? StripeCustomer { get; init; }

    /// <summary>The last month whose invoice is issued.</summary>
    public required Month? ClosedThrough { get; init; }

    /// <param name="key">The tenant's data key; null where it has none, and so nothing sealed.</param>
    public static BillingAccountView Of(BillingAccount account, DataKey? key) => new()
    {
        Currency = account.Currency,
        Subscriptions = [.. account.Subscriptions.Select(s => s.Terms is { } terms ? new SubscriptionView(s.From, s.PlanId, s.PlanVersion, s.PlanName, TermsView.Of(terms)) : new SubscriptionView(s.From, null, null, null, null))],
        TrialEnds = account.TrialEnds,
        Discounts = [.. account.Discounts.Select(d => new DiscountView(d.Id, d.Name, PriceBody.Text(d.Percent), d.From, d.Until))],
        Credit = account.Credit,
        Taxes = [.. account.Taxes.Select(t => new TaxBody(t.Name, PriceBody.Text(t.Percent)))],
        PaymentDays = account.PaymentDays,
        BillTo = account.BillTo is { } sealedTo && key is not null ? key.Open(BillingAccount.BillToPurpose, sealedTo) : null,
        StripeCustomer = account.StripeCustomer,
        ClosedThrough = account.ClosedThrough,
    };
}
