using CVault.Security;

namespace CVault.Billing;

/// <summary>One line of a statement or an invoice.</summary>
public sealed record LineView
{
    /// <summary><c>base_fee</c>, <c>usage</c>, <c>trial</c>, <c>discount</c>, <c>minimum</c>, <c>adjustment</c>, <c>carried_over</c>, <c>credit</c> or <c>tax</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Whose charge it is: for an adjustment an earlier month than the invoice's.</summary>
    public required Month Month { get; init; }

    /// <summary>The first day (UTC).</summary>
    public required DateOnly From { get; init; }

    /// <summary>The first day that is not among them.</summary>
    public required DateOnly Until { get; init; }

    /// <summary>In words.</summary>
    public required string Description { get; init; }
    public required string? Metric { get; init; }
    public required string? Region { get; init; }

    /// <summary>Bytes, seconds, users or devices; null where nothing was counted.</summary>
    public required long? Quantity { get; init; }
    public required Guid? PlanId { get; init; }
    public required int? PlanVersion { get; init; }

    /// <summary>Minor units of the currency.</summary>
    public required long Amount { get; init; }

    public static LineView Of(Line line) => new()
    {
        Kind = Names.Of(line.Kind), Month = line.Month, From = line.From, Until = line.Until, Description = line.Describe(), Metric = line.Metric is { } metric ? Names.Of(metric) : null,
        Region = line.Region, Quantity = line.Quantity, PlanId = line.PlanId, PlanVersion = line.PlanVersion, Amount = line.Amount,
    };
}

/// <param name="Reference">Of whoever moved the money.</param>
/// <param name="Amount">Minor units; below zero for a refund.</param>
public sealed record PaymentView(string Reference, long Amount, DateTimeOffset At);

/// <summary>An attempt to collect the money that failed.</summary>
public sealed record PaymentFailureView(string Reference, string Reason, DateTimeOffset At);

/// <param name="Amount">Minor units that are not to be paid.</param>
public sealed record CreditNoteView(string Number, long Amount, string Reason, DateTimeOffset At);

/// <summary>An invoice, without its lines.</summary>
public record InvoiceSummaryView
{
    public required Guid Id { get; init; }
    public required Guid TenantId { get; init; }
    public required string Number { get; init; }

    /// <summary>Which month it is for, as in <c>2026-11</c> (UTC).</summary>
    public required Month Month { get; init; }

    /// <summary><c>open</c> or <c>paid</c>.</summary>
    public required string Status { get; init; }
    public required string Currency { get; init; }

    /// <summary>Minor units: the sum of the lines.</summary>
    public required long Total { get; init; }

    /// <summary>Minor units that are still to be paid, after credit notes and payments.</summary>
    public required long Due { get; init; }
    public required DateTimeOffset IssuedAt { get; init; }
    public required DateOnly DueOn { get; init; }

    public static InvoiceSummaryView Of(Invoice invoice, Guid tenantId) => new()
    {
        Id = invoice.Id, TenantId = tenantId, Number = invoice.Number, Month = invoice.Month, Status = Names.Of(invoice.Status), Currency = invoice.Currency, Total = invoice.Total, Due = invoice.Due,
        IssuedAt = invoice.IssuedAt, DueOn = invoice.DueOn,
    };
}

/// <summary>An invoice.</summary>
public sealed record InvoiceView : InvoiceSummaryView
{
    public required string TenantName { get; init; }

    /// <summary>Name and address as they were; null: the tenant's name alone.</summary>
    public required string? BillTo { get; init; }
    public required IReadOnlyList<LineView> Lines { get; init; }
    public required IReadOnlyList<PaymentView> Payments { get; init; }
    public required IReadOnlyList<PaymentFailureView> PaymentFailures { get; init; }
    public required IReadOnlyList<CreditNoteView> CreditNotes { get; init; }

    /// <summary>Usage was counted up to this place in the sequence of events: <c>ops/billing replay</c> does the same.</summary>
    public required long Through { get; init; }

    public static InvoiceView Of(Invoice invoice, Guid tenantId, DataKey? key)
    {
        var of = InvoiceSummaryView.Of(invoice, tenantId);
        return new InvoiceView
        {
            Id = of.Id, TenantId = of.TenantId, Number = of.Number, Month = of.Month, Status = of.Status, Currency = of.Currency, Total = of.Total, Due = of.Due, IssuedAt = of.IssuedAt, DueOn = of.DueOn,
            TenantName = invoice.TenantName, BillTo = invoice.BillTo is { } to && key is not null ? key.Open(BillingAccount.BillToPurpose, to) : null, Lines = [.. invoice.Lines.Select(LineView.Of)],
            Payments = [.. invoice.Payments.Select(p => new PaymentView(p.Reference, p.Amount, p.At))],
            PaymentFailures = [.. invoice.PaymentFailures.Select(f => new PaymentFailureView(f.Reference, f.Reason, f.At))], CreditNotes = [.. invoice.CreditNotes.Select(n => new CreditNoteView(n.Number, n.Amount, n.Reason, n.At))],
            Through = invoice.Through,
        };
    }
}

/// <summary>One page of invoices, the latest first.</summary>
public sealed record InvoicesView(IReadOnlyList<InvoiceSummaryView> Invoices, string? NextCursor);
