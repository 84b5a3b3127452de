namespace CVault.Sdk;

/// <summary>How a tenant is billed.</summary>
public sealed class BillingAccount
{
    /// <summary>ISO 4217; null before there was a subscription.</summary>
    public string? Currency { get; set; }

    /// <summary>In the order of their days; those of closed months too.</summary>
    public IReadOnlyList<Subscription> Subscriptions { get; set; } = [];

    /// <summary>The first day after the trial, as in <c>2026-11-30</c>; null where there is none.</summary>
    public string? TrialEnds { get; set; }

    /// <summary>In the order in which they apply.</summary>
    public IReadOnlyList<Discount> Discounts { get; set; } = [];

    /// <summary>Minor units that invoices to come use up.</summary>
    public long Credit { get; set; }

    /// <summary>Added to invoices.</summary>
    public IReadOnlyList<Tax> Taxes { get; set; } = [];

    /// <summary>How many days an invoice may be paid in.</summary>
    public int PaymentDays { get; set; }

    /// <summary>Name and address for invoices; null: the tenant's name alone.</summary>
    public string? BillTo { get; set; }

    /// <summary>As whose usage and invoices are told to Stripe; null: nobody's.</summary>
    public string? StripeCustomer { get; set; }

    /// <summary>The last month that was invoiced, as in <c>2026-11</c>; null: none.</summary>
    public string? ClosedThrough { get; set; }
}

/// <summary>What a tenant is subscribed to from a day on.</summary>
public sealed class Subscription
{
    /// <summary>The first day, as in <c>2026-11-30</c>.</summary>
    public string From { get; set; } = "";

    /// <summary>Null, and all else with it, where nothing is charged from that day on.</summary>
    public Guid? PlanId { get; set; }

    /// <summary>Which of the plan's versions.</summary>
    public int? PlanVersion { get; set; }

    /// <summary>What the plan is called.</summary>
    public string? PlanName { get; set; }

    /// <summary>What it costs.</summary>
    public PlanTerms? Terms { get; set; }
}

/// <summary>What a plan costs.</summary>
public sealed class PlanTerms
{
    /// <summary>ISO 4217.</summary>
    public string Currency { get; set; } = "";

    /// <summary>A month, in minor units.</summary>
    public long BaseFee { get; set; }

    /// <summary>What a month costs at least, in minor units.</summary>
    public long MonthlyMinimum { get; set; }

    /// <summary>How many days cost nothing.</summary>
    public int TrialDays { get; set; }

    /// <summary>Of what is used.</summary>
    public IReadOnlyList<Price> Prices { get; set; } = [];
}

/// <summary>The price of what is used.</summary>
public sealed class Price
{
    /// <summary><c>traffic</c> (by the decimal gigabyte), <c>connection_time</c> (by the hour), <c>active_users</c> or <c>active_devices</c> (by the month).</summary>
    public string? Metric { get; set; }

    /// <summary>Null for all regions without a price of their own.</summary>
    public string? Region { get; set; }

    /// <summary>Units a month that cost nothing: a decimal number.</summary>
    public string? Included { get; set; }

    /// <summary><c>graduated</c> or <c>volume</c>.</summary>
    public string? Mode { get; set; }

    /// <summary>From the lowest up.</summary>
    public IReadOnlyList<PriceTier>? Tiers { get; set; }
}

/// <summary>A step of a price.</summary>
public sealed class PriceTier
{
    /// <summary>Units, a decimal number; null for all above.</summary>
    public string? UpTo { get; set; }

    /// <summary>Minor units of the currency for a unit: a decimal number.</summary>
    public string? UnitPrice { get; set; }
}

/// <summary>A discount.</summary>
public sealed class Discount
{
    /// <summary>CVault's id.</summary>
    public Guid Id { get; set; }

    /// <summary>In words.</summary>
    public string Name { get; set; } = "";

    /// <summary>Of what earlier discounts have left: a decimal number.</summary>
    public string Percent { get; set; } = "";

    /// <summary>The first month, as in <c>2026-11</c>.</summary>
    public string From { get; set; } = "";

    /// <summary>The last month; null: no last one.</summary>
    public string? Until { get; set; }
}

/// <summary>A tax.</summary>
public sealed class Tax
{
    /// <summary>In words.</summary>
    public string? Name { get; set; }

    /// <summary>Of what is left to pay after the credit: a decimal number.</summary>
    public string? Percent { get; set; }
}
