using System.Text.Json.Serialization;

namespace CVault.Sdk;

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
public sealed class InvoicePage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<InvoiceSummary> Invoices { get; set; } = [];

    object? IPage.Items => Invoices;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}
