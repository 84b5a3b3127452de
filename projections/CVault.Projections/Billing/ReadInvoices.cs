using System.Globalization;
using System.Security.Claims;
using System.Text;
using CVault.Billing;
using CVault.Pdf;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Projections.Billing;

/// <summary><c>GET /api/v1/billing/invoices</c> and <c>/{invoiceId}</c>: a tenant's own.</summary>
public static class ReadInvoices
{
    [WolverineGet("/api/v1/billing/invoices", OperationId = "listInvoices"), Authorize(Policies.Billing)]
    [ProducesResponseType<InvoicesView>(200)]
    public static Task<IResult> List(int? limit, string? cursor, ClaimsPrincipal principal, IQuerySession session, CancellationToken cancellation) =>
        ListAsync(principal.TenantId(), limit, cursor, session, cancellation);

    /// <summary>As JSON, as a table with <c>Accept: text/csv</c>, for people with <c>Accept: application/pdf</c>.</summary>
    [WolverineGet("/api/v1/billing/invoices/{invoiceId}", OperationId = "getInvoice"), Authorize(Policies.Billing)]
    [ProducesResponseType<InvoiceView>(200, "application/json", "text/csv", "application/pdf")]
    public static Task<IResult> Get(Guid invoiceId, HttpRequest request, ClaimsPrincipal principal, IQuerySession session, MasterKey master, Seller seller, CancellationToken cancellation) =>
        GetAsync(principal.TenantId(), invoiceId, request, session, master, seller, cancellation);

    /// <summary>The latest first; a tenant has one a month.</summary>
    internal static async Task<IResult> ListAsync(Guid tenantId, int? limit, string? cursor, IQuerySession session, CancellationToken cancellation)
    {
        var before = default(Month);
        if (Page.Of(limit, null) is not { } page || (!string.IsNullOrEmpty(cursor) && !Month.TryParse(cursor, out before))) return new ProblemResult(Page.Problem());
        var invoices = (await session.Query<Invoice>().ToListAsync(cancellation)).Where(i => string.IsNullOrEmpty(cursor) || i.Month < before).OrderByDescending(i => i.Month).ToArray();
        return Reply.Ok(new InvoicesView(
            [.. invoices.Take(page.Limit).Select(i => InvoiceSummaryView.Of(i, tenantId))], invoices.Length > page.Limit ? invoices[page.Limit - 1].Month.ToString() : null));
    }

    internal static async Task<IResult> GetAsync(Guid tenantId, Guid invoiceId, HttpRequest request, IQuerySession session, MasterKey master, Seller seller, CancellationToken cancellation)
    {
        if (invoiceId == Guid.Empty || await session.LoadAsync<Invoice>(invoiceId, cancellation) is not { } invoice) return new ProblemResult(Problems.NotFound());
        if (request.Prefers("text/csv")) return Results.Text(Csv(invoice), "text/csv", Encoding.UTF8);
        var view = InvoiceView.Of(invoice, tenantId, invoice.BillTo is null ? null : await DataKeys.LoadAsync(session, master, tenantId, cancellation));
        return request.Prefers("application/pdf") ? Pdf(invoice, view.BillTo, seller) : Reply.Ok(view);
    }

    private static IResult Pdf(Invoice invoice, string? billTo, Seller seller)
    {
        try
        {
            return Results.File(InvoicePdf.Render(invoice, billTo, invoice.Seller ?? seller), "application/pdf", $"invoice-{invoice.Number}.pdf");
        }
        catch (NotInstalledException e)
        {
            return new ProblemResult(Problems.PdfUnavailable(e.Message));
        }
    }

    /// <summary>RFC 4180, a line a line. No cell is a formula to whoever opens it in a spreadsheet.</summary>
    public static string Csv(Invoice invoice)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        using (var csv = Cells.Of(text))
        {
            foreach (var name in new[] { "invoice", "kind", "month", "from", "until", "description", "metric", "region", "quantity", "amount", "currency" }) csv.WriteField(name);
            csv.NextRecord();
            foreach (var line in invoice.Lines)
            {
                csv.WriteField(invoice.Number);
                csv.WriteField(Names.Of(line.Kind));
                csv.WriteField(line.Month.ToString());
                csv.WriteField(line.From.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
                csv.WriteField(line.Until.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
                csv.WriteText(line.Describe());
                csv.WriteField(line.Metric is { } metric ? Names.Of(metric) : null);
                csv.WriteText(line.Region);
                csv.WriteField(line.Quantity);
                csv.WriteField(Currencies.Format(line.Amount, invoice.Currency));
                csv.WriteField(invoice.Currency);
                csv.NextRecord();
            }
        }

        return text.ToString();
    }
}

/// <summary><c>GET /admin/tenants/{id}/invoices</c> and <c>/{invoiceId}</c>: the operator's way.</summary>
public static class InvoicesOfTenant
{
    [WolverineGet("/admin/tenants/{id:guid}/invoices", OperationId = "listInvoicesOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<InvoicesView>(200)]
    public static async Task<IResult> List(Guid id, int? limit, string? cursor, IQuerySession session, CancellationToken cancellation) =>
        await session.LoadAsync<Tenants.Tenant>(id, cancellation) is null ? new ProblemResult(Problems.NotFound()) : await ReadInvoices.ListAsync(id, limit, cursor, session, cancellation);

    [WolverineGet("/admin/tenants/{id:guid}/invoices/{invoiceId}", OperationId = "getInvoiceOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<InvoiceView>(200, "application/json", "text/csv", "application/pdf")]
    public static Task<IResult> Get(Guid id, Guid invoiceId, HttpRequest request, IQuerySession session, MasterKey master, Seller seller, CancellationToken cancellation) =>
        ReadInvoices.GetAsync(id, invoiceId, request, session, master, seller, cancellation);
}
