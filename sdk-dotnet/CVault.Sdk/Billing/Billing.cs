namespace CVault.Sdk;

/// <summary>How a tenant is billed.</summary>
public sealed class BillingAccount
{
    /// <summary>ISO 4217; null before there was a subscription.</summary>
    public string? Currency { get; set; }

    /// <summary>In the order of their days; those of closed months too.</summary>
    public IReadOnlyList<Subscription> Subscriptions { get; set; } = [];

    /// <summary>The first day after the trial, as in <c>2026-11-30</c>; null before there was a subscription.</summary>
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

/// <summary>What a month will cost, by what is known now.</summary>
public sealed class Statement
{
    /// <summary>As in <c>2026-11</c> (UTC).</summary>
    public string Month { get; set; } = "";

    /// <summary>ISO 4217; null before the first subscription, and then there are no lines.</summary>
    public string? Currency { get; set; }

    /// <summary>Up to when usage is counted; open sessions count up to then.</summary>
    public DateTimeOffset AsOf { get; set; }

    /// <summary>Usage was counted up to this place in the sequence of events.</summary>
    public long Through { get; set; }

    /// <summary>What the sum is made of.</summary>
    public IReadOnlyList<BillingLine> Lines { get; set; } = [];

    /// <summary>Minor units: the sum of the lines.</summary>
    public long Total { get; set; }
}

/// <summary>A line of a statement or an invoice.</summary>
public sealed class BillingLine
{
    /// <summary><c>base_fee</c>, <c>usage</c>, <c>trial</c>, <c>discount</c>, <c>minimum</c>, <c>adjustment</c>, <c>carried_over</c>, <c>credit</c> or <c>tax</c>.</summary>
    public string Kind { get; set; } = "";

    /// <summary>Whose charge it is: for an adjustment an earlier month than the invoice's.</summary>
    public string Month { get; set; } = "";

    /// <summary>The first day (UTC), as in <c>2026-11-30</c>.</summary>
    public string From { get; set; } = "";

    /// <summary>The first day that is not among them.</summary>
    public string Until { get; set; } = "";

    /// <summary>In words.</summary>
    public string Description { get; set; } = "";

    /// <summary>As in <see cref="Price.Metric"/>; null where nothing was counted.</summary>
    public string? Metric { get; set; }

    /// <summary>Where, if it matters.</summary>
    public string? Region { get; set; }

    /// <summary>Bytes, seconds, users or devices; null where nothing was counted.</summary>
    public long? Quantity { get; set; }

    /// <summary>By which plan.</summary>
    public Guid? PlanId { get; set; }

    /// <summary>Which of its versions.</summary>
    public int? PlanVersion { get; set; }

    /// <summary>Minor units of the currency.</summary>
    public long Amount { get; set; }
}

/// <summary>An invoice, without its lines.</summary>
public class InvoiceSummary
{
    /// <summary>CVault's id.</summary>
    public Guid Id { get; set; }

    /// <summary>Whose invoice it is.</summary>
    public Guid TenantId { get; set; }

    /// <summary>As it is printed.</summary>
    public string Number { get; set; } = "";

    /// <summary>Which month it is for, as in <c>2026-11</c> (UTC).</summary>
    public string Month { get; set; } = "";

    /// <summary><c>open</c> or <c>paid</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary>ISO 4217.</summary>
    public string Currency { get; set; } = "";

    /// <summary>Minor units: the sum of the lines.</summary>
    public long Total { get; set; }

    /// <summary>Minor units that are still to be paid, after credit notes and payments.</summary>
    public long Due { get; set; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset IssuedAt { get; set; }

    /// <summary>The day by which it is to be paid, as in <c>2026-11-30</c>.</summary>
    public string DueOn { get; set; } = "";
}

/// <summary>An invoice.</summary>
public sealed class Invoice : InvoiceSummary
{
    /// <summary>As it was then.</summary>
    public string TenantName { get; set; } = "";

    /// <summary>Name and address as they were; null: the tenant's name alone.</summary>
    public string? BillTo { get; set; }

    /// <summary>What the sum is made of.</summary>
    public IReadOnlyList<BillingLine> Lines { get; set; } = [];

    /// <summary>What was paid.</summary>
    public IReadOnlyList<Payment> Payments { get; set; } = [];

    /// <summary>Attempts to collect the money that failed.</summary>
    public IReadOnlyList<PaymentFailure> PaymentFailures { get; set; } = [];

    /// <summary>What was taken back.</summary>
    public IReadOnlyList<CreditNote> CreditNotes { get; set; } = [];

    /// <summary>Usage was counted up to this place in the sequence of events.</summary>
    public long Through { get; set; }
}

/// <summary>A payment.</summary>
public sealed class Payment
{
    /// <summary>Of whoever moved the money.</summary>
    public string Reference { get; set; } = "";

    /// <summary>Minor units; below zero for a refund.</summary>
    public long Amount { get; set; }

    /// <summary>When.</summary>
    public DateTimeOffset At { get; set; }
}

/// <summary>An attempt to collect the money that failed.</summary>
public sealed class PaymentFailure
{
    /// <summary>Of whoever tried.</summary>
    public string Reference { get; set; } = "";

    /// <summary>Why.</summary>
    public string Reason { get; set; } = "";

    /// <summary>When.</summary>
    public DateTimeOffset At { get; set; }
}

/// <summary>A credit note.</summary>
public sealed class CreditNote
{
    /// <summary>As it is printed.</summary>
    public string Number { get; set; } = "";

    /// <summary>Minor units that are not to be paid.</summary>
    public long Amount { get; set; }

    /// <summary>Why.</summary>
    public string Reason { get; set; } = "";

    /// <summary>When.</summary>
    public DateTimeOffset At { get; set; }
}

/// <summary>A page of invoices, the latest first.</summary>
public sealed class InvoicePage
{
    /// <summary>Of this page.</summary>
    public IReadOnlyList<InvoiceSummary> Invoices { get; set; } = [];

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>A line of the export. Members that do not apply are null.</summary>
public sealed class ExportLine
{
    /// <summary>For ever the same.</summary>
    public string Id { get; set; } = "";

    /// <summary>Whoever has stored it asks with it for what comes after this line.</summary>
    public string Cursor { get; set; } = "";

    /// <summary><c>usage</c>, <c>invoice_line</c>, <c>credit_note</c> or <c>payment</c>.</summary>
    public string Type { get; set; } = "";

    /// <summary>Whose line it is.</summary>
    public Guid TenantId { get; set; }

    /// <summary>The beginning.</summary>
    public DateTimeOffset? From { get; set; }

    /// <summary>The end.</summary>
    public DateTimeOffset? To { get; set; }

    /// <summary>On which server.</summary>
    public Guid? ServerId { get; set; }

    /// <summary>Where that is.</summary>
    public string? Region { get; set; }

    /// <summary>In which session.</summary>
    public Guid? SessionId { get; set; }

    /// <summary>Whose session.</summary>
    public Guid? UserId { get; set; }

    /// <summary>Of which device.</summary>
    public Guid? DeviceId { get; set; }

    /// <summary>Received from the device.</summary>
    public long? RxBytes { get; set; }

    /// <summary>Sent to the device.</summary>
    public long? TxBytes { get; set; }

    /// <summary>Of the invoice or credit note.</summary>
    public string? Number { get; set; }

    /// <summary>As in <see cref="BillingLine.Kind"/>.</summary>
    public string? Kind { get; set; }

    /// <summary>As in <c>2026-11</c>.</summary>
    public string? Month { get; set; }

    /// <summary>In words.</summary>
    public string? Description { get; set; }

    /// <summary>As in <see cref="Price.Metric"/>.</summary>
    public string? Metric { get; set; }

    /// <summary>Bytes, seconds, users or devices.</summary>
    public long? Quantity { get; set; }

    /// <summary>Minor units.</summary>
    public long? Amount { get; set; }

    /// <summary>ISO 4217.</summary>
    public string? Currency { get; set; }
}
