using System.Runtime.CompilerServices;
using System.Text.Json;

namespace CVault.Sdk;

/// <summary>What the tenant pays, for its server and for members who may read billing.</summary>
public sealed class BillingClient
{
    private readonly Api api;
    private readonly bool asMember;

    internal BillingClient(Api api, bool asMember) => (this.api, this.asMember) = (api, asMember);

    /// <summary><c>GET /api/v1/billing/account</c>: subscriptions, discounts, taxes and credit.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<BillingAccount> AccountAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get("account"), Json.Default.BillingAccount, options, cancellationToken);

    /// <summary><c>GET /api/v1/billing/statement</c>: what this month will cost, by what is known now.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<Statement> StatementAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get("statement"), Json.Default.Statement, options, cancellationToken);

    /// <summary><c>GET /api/v1/billing/what-if</c>: what a month would cost, or would have cost, on another plan.</summary>
    /// <param name="plan">The plan's id.</param>
    /// <param name="version">Which of its versions; absent: the latest.</param>
    /// <param name="month">As in <c>2026-11</c>; absent: this one.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<Statement> WhatIfAsync(Guid plan, int? version = null, string? month = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get("what-if").With("plan", plan.ToString()).With("version", version).With("month", month), Json.Default.Statement, options, cancellationToken);

    /// <summary><c>GET /api/v1/billing/invoices</c>: a page, the latest first.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<InvoicePage> InvoicesAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get("invoices").With("limit", limit).With("cursor", cursor), Json.Default.InvoicePage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<InvoiceSummary> AllInvoicesAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => InvoicesAsync(pageSize, cursor, options, cancellation), p => p.Invoices, p => p.NextCursor, cancellationToken);

    /// <summary><c>GET /api/v1/billing/invoices/{id}</c>.</summary>
    /// <param name="id">The invoice's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<Invoice> InvoiceAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get($"invoices/{id}"), Json.Default.Invoice, options, cancellationToken);

    /// <summary>The same as a PDF's bytes.</summary>
    /// <param name="id">The invoice's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>PDF_UNAVAILABLE</c>.</exception>
    public Task<byte[]> InvoicePdfAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Get($"invoices/{id}").Accepting("application/pdf"), options, cancellationToken);

    /// <summary><c>GET /api/v1/billing/export</c>: every line from a place on to what there is now, batch by batch.</summary>
    /// <param name="cursor">Of the last line that was stored; absent: from the beginning.</param>
    /// <param name="batchSize">Lines a call; 1000.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async IAsyncEnumerable<ExportLine> ExportAsync(
        string? cursor = null, int? batchSize = null, RequestOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var batch = await api.SendAsync(
                Get("export").With("cursor", cursor).With("limit", batchSize).Accepting("application/x-ndjson"), Lines, options, cancellationToken).ConfigureAwait(false);
            foreach (var line in batch) yield return line;
            if (batch.Count == 0) yield break;
            var last = batch[batch.Count - 1].Cursor;
            // It would be read for ever; without a cursor, from the beginning.
            if (string.IsNullOrEmpty(last) || last == cursor) throw Pages.Circle();
            cursor = last;
        }
    }

    private static List<ExportLine> Lines(byte[] body)
    {
        var lines = new List<ExportLine>();
        for (var rest = body.AsSpan(); rest.Length > 0;)
        {
            var end = rest.IndexOf((byte)'\n');
            var line = end < 0 ? rest : rest.Slice(0, end);
            if (line.Length > 0) lines.Add(JsonSerializer.Deserialize(line, Json.Default.ExportLine) ?? throw new JsonException("null"));
            rest = end < 0 ? default : rest.Slice(end + 1);
        }

        return lines;
    }

    private Call Get(string what) => Call.Get("/api/v1/billing/" + what) is var call && asMember ? call.AsUser() : call;
}
