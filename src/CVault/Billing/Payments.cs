using CVault.Security;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Billing;

/// <summary>Body of <c>POST /admin/tenants/{id}/invoices/{invoiceId}/payments</c>.</summary>
/// <param name="Amount">Minor units of the invoice's currency; below zero for money that went back.</param>
/// <param name="Reference">Of whoever moved the money, such as a bank's: the same one is booked once.</param>
public sealed record BookPayment(long? Amount, string? Reference);

/// <summary>Body of <c>POST /admin/tenants/{id}/invoices/{invoiceId}/credit-notes</c>.</summary>
/// <param name="Amount">Minor units that are not to be paid: at most what the invoice says.</param>
public sealed record IssueCreditNote(long? Amount, string? Reason);

/// <summary>The number that a credit note gets.</summary>
public sealed record CreditNoteNumber(string Text);

/// <summary>An invoice as a command finds it, to be changed as it was read.</summary>
public sealed record InvoiceFacts(Guid TenantId, IEventStream<Invoice> Stream, DataKey? Key)
{
    public Invoice Invoice => Stream.Aggregate!;

    public static async Task<(InvoiceFacts?, ProblemDetails)> LoadAsync(Guid tenantId, Guid invoiceId, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        if (tenantId == Guid.Empty || invoiceId == Guid.Empty) return (null, Problems.NotFound());
        var stream = await session.Events.FetchForExclusiveWriting<Invoice>(invoiceId, cancellation);
        return stream.Aggregate is null ? (null, Problems.NotFound()) : (new InvoiceFacts(tenantId, stream, await DataKeys.LoadAsync(session, master, tenantId, cancellation)), WolverineContinue.NoProblems);
    }

    public (Reply, Changes) Change(Invoice after, params object[] events)
    {
        var changes = new Changes();
        if (events.Length > 0) changes.Append(Stream, events);
        return (Reply.Ok(InvoiceView.Of(after, TenantId, Key)), changes);
    }
}

/// <summary><c>POST /admin/tenants/{id}/invoices/{invoiceId}/payments</c>: money came in, or went back, by whatever way.</summary>
public static class BookPaymentEndpoint
{
    public static ProblemDetails Validate(BookPayment? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Amount is not (>= -PlanBody.MostMoney and <= PlanBody.MostMoney) or 0) errors.Add(("amount", "Minor units of the currency, not zero, up to 10^12."));
        if (!GrantCreditEndpoint.IsText(command.Reference)) errors.Add(("reference", "1 to 255 characters, no control characters."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(InvoiceFacts?, ProblemDetails)> LoadAsync(Guid id, Guid invoiceId, BookPayment command, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var (facts, problem) = await InvoiceFacts.LoadAsync(id, invoiceId, session, master, cancellation);
        var known = facts?.Invoice.Payments.FirstOrDefault(p => p.Reference == command.Reference!.Trim());
        return (facts, facts is null ? problem
            : known is not null && known.Amount != command.Amount ? Problems.Conflict("Another amount was booked under this reference.")
            : known is null && command.Amount < 0 && facts.Invoice.Payments.Sum(p => p.Amount) + command.Amount < 0 ? Problems.Conflict("That is more than was paid.")
            : problem);
    }

    [WolverinePost("/admin/tenants/{id:guid}/invoices/{invoiceId:guid}/payments", OperationId = "bookPayment"), Authorize(Policies.Operator)]
    [ProducesResponseType<InvoiceView>(200)]
    public static (Reply, Changes) Post(BookPayment command, [NotBody] InvoiceFacts facts, TimeProvider time)
    {
        var (invoice, reference, amount) = (facts.Invoice, command.Reference!.Trim(), command.Amount!.Value);
        if (invoice.Payments.Any(p => p.Reference == reference)) return facts.Change(invoice);
        var now = time.GetUtcNow();
        if (amount < 0)
        {
            var refunded = new PaymentRefunded(reference, -amount, now);
            return facts.Change(invoice.Apply(refunded), refunded);
        }

        var received = new PaymentReceived(reference, amount, now);
        return facts.Change(invoice.Apply(received), received);
    }
}

/// <summary><c>POST /admin/tenants/{id}/invoices/{invoiceId}/credit-notes</c>: the invoice stays as it is, and less of it is to be paid.</summary>
public static class IssueCreditNoteEndpoint
{
    public static ProblemDetails Validate(IssueCreditNote? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Amount is not (>= 1 and <= PlanBody.MostMoney)) errors.Add(("amount", "1 to 10^12 minor units of the currency."));
        if (!GrantCreditEndpoint.IsText(command.Reason)) errors.Add(("reason", "1 to 255 characters, no control characters."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(InvoiceFacts?, CreditNoteNumber?, ProblemDetails)> LoadAsync(Guid id, Guid invoiceId, IssueCreditNote command, IDocumentSession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var (facts, problem) = await InvoiceFacts.LoadAsync(id, invoiceId, session, master, cancellation);
        if (facts is null) return (null, null, problem);
        if (command.Amount > facts.Invoice.Total - facts.Invoice.CreditNotes.Sum(n => n.Amount)) return (facts, null, Problems.Conflict("That is more than the invoice says."));
        return (facts, new CreditNoteNumber((await InvoiceNumbers.TakeAsync(session, InvoiceNumbers.CreditNotes, 1, time.GetUtcNow(), cancellation))[0]), WolverineContinue.NoProblems);
    }

    [WolverinePost("/admin/tenants/{id:guid}/invoices/{invoiceId:guid}/credit-notes", OperationId = "issueCreditNote"), Authorize(Policies.Operator)]
    [ProducesResponseType<InvoiceView>(200)]
    public static (Reply, Changes) Post(IssueCreditNote command, [NotBody] InvoiceFacts facts, [NotBody] CreditNoteNumber number, TimeProvider time)
    {
        var issued = new CreditNoteIssued(number.Text, command.Amount!.Value, command.Reason!.Trim(), time.GetUtcNow());
        return facts.Change(facts.Invoice.Apply(issued), issued);
    }
}
