using System.Collections.Immutable;
using System.Text.Json.Serialization;
using CVault.Security;
using JasperFx.Events;

namespace CVault.Billing;

/// <summary>A month's invoice: all of it, so that nothing that is changed later changes it.</summary>
/// <param name="Number">Of the platform's invoices of a year, without a gap: <c>2026-000123</c>.</param>
/// <param name="TenantName">As it was.</param>
/// <param name="BillTo">See <see cref="BillingDetailsChanged"/>.</param>
/// <param name="Lines">Their sum is the total.</param>
/// <param name="Through">The place in the sequence of events up to which usage was counted.</param>
/// <param name="AccountVersion">Of the account's stream, as it was billed by.</param>
/// <param name="Seller">As it was; null on invoices of before it was kept.</param>
public sealed record InvoiceIssued(
    string Number, Month Month, string Currency, string TenantName, Sealed? BillTo, Line[] Lines, long Through, long AccountVersion, DateTimeOffset At, DateOnly DueOn, Seller? Seller = null);

/// <summary>Money came in for the invoice.</summary>
/// <param name="Reference">Of whoever moved the money; the same one is never booked twice.</param>
public sealed record PaymentReceived(string Reference, long Amount, DateTimeOffset At);

/// <summary>Money went back.</summary>
public sealed record PaymentRefunded(string Reference, long Amount, DateTimeOffset At);

/// <summary>An attempt to collect the money failed.</summary>
public sealed record PaymentFailed(string Reference, string Reason, DateTimeOffset At);

/// <summary>Less is to be paid than the invoice says.</summary>
/// <param name="Number">Of the platform's credit notes of a year, without a gap: <c>CN-2026-000001</c>.</param>
/// <param name="Amount">Minor units, above zero.</param>
public sealed record CreditNoteIssued(string Number, long Amount, string Reason, DateTimeOffset At);

public enum InvoiceStatus { Open, Paid }

/// <param name="Number">See <see cref="CreditNoteIssued"/>.</param>
public sealed record CreditNote(string Number, long Amount, string Reason, DateTimeOffset At);

/// <param name="Amount">Below zero for a refund.</param>
public sealed record Payment(string Reference, long Amount, DateTimeOffset At);

/// <summary>What a tenant was billed for a month. Its lines never change; what is paid of it does.</summary>
public sealed record Invoice(
    Guid Id, string Number, Month Month, string Currency, string TenantName, Sealed? BillTo, ImmutableList<Line> Lines, long Through, long AccountVersion, DateTimeOffset IssuedAt, DateOnly DueOn)
{
    public ImmutableList<Payment> Payments { get; init; } = [];
    public ImmutableList<CreditNote> CreditNotes { get; init; } = [];

    /// <summary>Whoever issued it, as it was then; null on invoices of before it was kept.</summary>
    public Seller? Seller { get; init; }

    /// <summary>Attempts to collect the money that failed.</summary>
    public ImmutableList<PaymentFailed> PaymentFailures { get; init; } = [];

    /// <summary>The stream of a tenant's invoice for a month: one a month, so its id follows from both.</summary>
    public static Guid IdOf(Guid tenantId, Month month) => BillingAccount.Derived(tenantId, "invoice " + month);

    [JsonIgnore]
    public long Total => Lines.Sum(l => l.Amount);

    /// <summary>What is still to be paid; below zero where too much was.</summary>
    [JsonIgnore]
    public long Due => Total - CreditNotes.Sum(n => n.Amount) - Payments.Sum(p => p.Amount);

    /// <summary>How often the tenant was reminded of it.</summary>
    public int Reminders { get; init; }

    /// <summary>The last day on which nothing is done about it if it stays unpaid.</summary>
    public DateOnly QuietUntil { get; init; }

    /// <summary>See <see cref="Billing.GraceEnded"/>.</summary>
    public bool GraceEnded { get; init; }

    /// <summary>For the queries that look for what is unpaid.</summary>
    public bool IsOpen => Due > 0;

    /// <summary>After which day there is something to do about it, as text for an index; null for nothing.</summary>
    public string? DunnedOn => IsOpen && !GraceEnded ? QuietUntil.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) : null;

    [JsonIgnore]
    public InvoiceStatus Status => Due > 0 ? InvoiceStatus.Open : InvoiceStatus.Paid;

    public static Invoice Create(IEvent<InvoiceIssued> e) => new(
        e.StreamId, e.Data.Number, e.Data.Month, e.Data.Currency, e.Data.TenantName, e.Data.BillTo, [.. e.Data.Lines], e.Data.Through, e.Data.AccountVersion, e.Data.At, e.Data.DueOn) { QuietUntil = e.Data.DueOn, Seller = e.Data.Seller };

    public Invoice Apply(PaymentReceived e) => this with { Payments = Payments.Add(new Payment(e.Reference, e.Amount, e.At)) };

    /// <summary>Where nothing was due any more, what is due again is late from the refund on, and nobody was reminded of it yet.</summary>
    public Invoice Apply(PaymentRefunded e)
    {
        var (day, after) = (DateOnly.FromDateTime(e.At.UtcDateTime), this with { Payments = Payments.Add(new Payment(e.Reference, -e.Amount, e.At)) });
        return Due > 0 || after.Due <= 0 ? after : after with { QuietUntil = day > DueOn ? day : DueOn, Reminders = 0, GraceEnded = false };
    }

    public Invoice Apply(PaymentFailed e) => this with { PaymentFailures = PaymentFailures.Add(e) };

    public Invoice Apply(PaymentReminded e) => this with { Reminders = e.Step, QuietUntil = e.NextAfter };

    public Invoice Apply(GraceEnded _) => this with { GraceEnded = true };

    public Invoice Apply(CreditNoteIssued e) => this with { CreditNotes = CreditNotes.Add(new CreditNote(e.Number, e.Amount, e.Reason, e.At)) };
}
