using System.Globalization;
using System.Net;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Stripe;
using Stripe.Billing;

namespace CVault.Billing;

/// <summary>
/// Says to Stripe what waits for it (<see cref="StripeOutbox"/>), on every node, each thing by one node at a time. What was
/// not answered is said again under the same identifier for as long as Stripe remembers identifiers, and never after.
/// </summary>
public sealed class SendToStripe : BackgroundService
{
    /// <summary>Taken no sooner than they are sent, so that no claim runs out in a queue. Stripe allows a hundred a second.</summary>
    private const int AtOnce = 32;
    private const string InvoiceMark = "cvault_invoice", NoteMark = "cvault_credit_note";
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1), LookAside = TimeSpan.FromSeconds(10);

    private readonly StripeSettings settings;
    private readonly StripeOutbox outbox;
    private readonly IDocumentStore store;
    private readonly TimeProvider time;
    private readonly ILogger<SendToStripe> logger;
    private readonly HttpClient http;
    private readonly StripeClient stripe;

    public SendToStripe(StripeSettings settings, StripeOutbox outbox, IDocumentStore store, TimeProvider time, ILogger<SendToStripe> logger)
    {
        (this.settings, this.outbox, this.store, this.time, this.logger) = (settings, outbox, store, time, logger);
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) }) { Timeout = settings.Timeout };
        // Repeating is the outbox's: it knows for how long that is safe, over restarts too.
        stripe = new StripeClient(settings.SecretKey, httpClient: new SystemNetHttpClient(http, maxNetworkRetries: 0, enableTelemetry: false), apiBase: settings.ApiBase?.ToString().TrimEnd('/'));
    }

    public override void Dispose()
    {
        http.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        long? aside = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            var more = false;
            try
            {
                if (aside is null || time.GetElapsedTime(aside.Value) > LookAside)
                {
                    await outbox.SetOutdatedAsideAsync(stoppingToken);
                    aside = time.GetTimestamp();
                }

                var due = await outbox.TakeAsync(AtOnce, stoppingToken);
                more = due.Count == AtOnce;
                await Task.WhenAll(due.Select(one => SendAsync(one, stoppingToken)));
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Stripe's turn waits: {Reason}", e.Message);
            }

            if (!more) await Task.Delay(Look, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task SendAsync(StripeDue due, CancellationToken cancellation)
    {
        using var claimed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        claimed.CancelAfter(StripeOutbox.Claim - TimeSpan.FromSeconds(30));
        try
        {
            await (due.Kind switch
            {
                StripeKind.Usage => SendUsageAsync(due, claimed.Token),
                StripeKind.Invoice => SendInvoiceAsync(due, claimed.Token),
                StripeKind.CreditNote => SendCreditNoteAsync(due, claimed.Token),
                _ => SendPaymentAsync(due, claimed.Token),
            });
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            var status = (e as StripeException)?.HttpStatusCode ?? 0;
            var problem = e is StripeException { StripeError: { } error } ? $"{(int)status} {error.Code ?? error.Type}: {error.Message}" : e is InvalidOperationException ? e.Message : e.GetType().Name;
            if (problem.Length > 500) problem = problem[..500];
            logger.LogWarning("Stripe has not taken {Kind} {Event} of tenant {Tenant} (attempt {Attempt}): {Problem}", due.Kind, due.Id, due.TenantId, due.Attempt, problem);
            // 409: the same key is being answered right now. From 500 on, and without an answer, anything may have happened;
            // but what found no way to Stripe has not left this machine.
            var unsent = e is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError };
            if (unsent || (int)status is >= 400 and < 500 and not (int)HttpStatusCode.Conflict) await outbox.RefusedAsync(due, problem, cancellation);
            else await outbox.UnsureAsync(due, problem, answered: (int)status >= 500, cancellation);
        }
    }

    private async Task SendUsageAsync(StripeDue due, CancellationToken cancellation)
    {
        try
        {
            await new MeterEventService(stripe).CreateAsync(
                new MeterEventCreateOptions
                {
                    EventName = settings.MeterEvent,
                    Identifier = due.Id.ToString(),
                    Timestamp = due.At.UtcDateTime,
                    Payload = new Dictionary<string, string> { ["stripe_customer_id"] = due.Customer, ["value"] = due.Amount.ToString(CultureInfo.InvariantCulture) },
                },
                // One of each attempt's own: Stripe answers a key again even where its answer was that it broke.
                new RequestOptions { IdempotencyKey = $"{due.Id}-{due.Attempt}" }, cancellation);
        }
        catch (StripeException e) when (e.HttpStatusCode == HttpStatusCode.BadRequest && e.StripeError?.Message?.Contains("already exists with identifier", StringComparison.OrdinalIgnoreCase) == true)
        {
            // So Stripe says that an earlier attempt was counted. It has no code for it.
        }

        await outbox.DoneAsync(due, cancellation);
    }

    /// <summary>A draft, its one line and then finalized: each step looks first what an attempt before it has left.</summary>
    private async Task SendInvoiceAsync(StripeDue due, CancellationToken cancellation)
    {
        var invoice = await LoadAsync(due, cancellation);
        if (StripeMoney.ToStripe(due.Amount, invoice.Currency) is not { } amount)
        {
            await outbox.SetAsideAsync(due, StripeState.Unpayable, $"Stripe takes no amount of {Currencies.Format(due.Amount, invoice.Currency)} {invoice.Currency}.", cancellation);
            logger.LogError("ALARM invoice {Invoice} cannot be paid by Stripe, which has no such amount", invoice.Number);
            return;
        }

        var invoices = new InvoiceService(stripe);
        var known = await outbox.StripeIdOfAsync(due.InvoiceId!.Value, cancellation);
        var made = known is not null ? await GetAsync(invoices, known, cancellation) : due.Attempt > 1 ? await FindAsync(due, cancellation) : null;
        if (known is not null && made is null)
        {
            // Somebody has deleted the draft there. As a refusal, so that the next one is made under keys of its own.
            await outbox.UnlinkAsync(known, cancellation);
            await outbox.RefusedAsync(due, $"The draft {known} is not there any more: another is made.", cancellation);
            return;
        }

        made ??= await invoices.CreateAsync(
            new InvoiceCreateOptions
            {
                Customer = due.Customer,
                Currency = invoice.Currency.ToLowerInvariant(),
                CollectionMethod = "send_invoice",
                DueDate = Later(invoice.DueOn.ToDateTime(TimeOnly.MinValue, DateTimeKind.Utc), time.GetUtcNow().UtcDateTime.Date.AddDays(2)),
                PendingInvoiceItemsBehavior = "exclude",
                AutoAdvance = false,
                Discounts = [], // Not the customer's: ours are in the amount.
                Description = $"Invoice {invoice.Number}, {invoice.Month}",
                Metadata = new() { [InvoiceMark] = due.InvoiceId.Value.ToString() },
            },
            Key(due, "invoice"), cancellation);
        await outbox.LinkAsync(made.Id, due.InvoiceId.Value, due.TenantId, cancellation);
        if (await outbox.StripeIdOfAsync(due.InvoiceId.Value, cancellation) != made.Id) throw new InvalidOperationException($"Another draft of it is there already; {made.Id} is to be deleted.");

        if (made.Status == "draft")
        {
            if (due.Attempt == 1 || (await new InvoiceLineItemService(stripe).ListAsync(made.Id, cancellationToken: cancellation)).Data.Count == 0)
            {
                await new InvoiceItemService(stripe).CreateAsync(
                    new InvoiceItemCreateOptions { Customer = due.Customer, Invoice = made.Id, Amount = amount, Currency = invoice.Currency.ToLowerInvariant(), Description = $"Invoice {invoice.Number}, {invoice.Month}" },
                    Key(due, "line"), cancellation);
            }

            var asked = (await invoices.GetAsync(made.Id, cancellationToken: cancellation)).Total;
            if (asked != amount) throw new InvalidOperationException($"The draft {made.Id} asks for {asked} and not for {amount}: it stays a draft.");
            await invoices.FinalizeInvoiceAsync(made.Id, new InvoiceFinalizeOptions { AutoAdvance = true }, Key(due, "finalize"), cancellation);
        }

        await outbox.DoneAsync(due, cancellation);
    }

    /// <summary>Null: it is not there any more.</summary>
    private static async Task<Stripe.Invoice?> GetAsync(InvoiceService invoices, string id, CancellationToken cancellation)
    {
        try
        {
            return await invoices.GetAsync(id, cancellationToken: cancellation) is { Deleted: not true } invoice ? invoice : null;
        }
        catch (StripeException e) when (e.HttpStatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private async Task SendCreditNoteAsync(StripeDue due, CancellationToken cancellation)
    {
        if (await StripeIdAsync(due, cancellation) is not { } id) return;
        var invoice = await LoadAsync(due, cancellation);
        var notes = new CreditNoteService(stripe);
        if (StripeMoney.ToStripe(due.Amount, invoice.Currency) is not { } amount)
        {
            await outbox.SetAsideAsync(due, StripeState.Unpayable, $"Stripe takes no amount of {Currencies.Format(due.Amount, invoice.Currency)} {invoice.Currency}.", cancellation);
            return;
        }

        var mark = due.Id.ToString();
        var made = due.Attempt > 1 && await notes.ListAutoPagingAsync(new CreditNoteListOptions { Invoice = id, Limit = 100 }, cancellationToken: cancellation).AnyAsync(n => n.Metadata?.GetValueOrDefault(NoteMark) == mark, cancellation);
        if (!made)
        {
            // What is not owed there any more can only have gone back by another way.
            var beyond = amount - (await new InvoiceService(stripe).GetAsync(id, cancellationToken: cancellation)).AmountRemaining;
            await notes.CreateAsync(new CreditNoteCreateOptions { Invoice = id, Amount = amount, OutOfBandAmount = beyond > 0 ? beyond : null, Metadata = new() { [NoteMark] = mark } }, Key(due, "note"), cancellation);
        }

        await EndAsync(due, id, invoice, cancellation);
        await outbox.DoneAsync(due, cancellation);
    }

    /// <summary>Stripe stops asking for what was paid by another way.</summary>
    private async Task SendPaymentAsync(StripeDue due, CancellationToken cancellation)
    {
        if (await StripeIdAsync(due, cancellation) is not { } id) return;
        // A paid invoice takes credit notes only as money that went back.
        if (await outbox.WaitsAsync(StripeKind.CreditNote, due.InvoiceId!.Value, cancellation))
        {
            await outbox.PostponeAsync(due, cancellation);
            return;
        }

        await EndAsync(due, id, await LoadAsync(due, cancellation), cancellation);
        await outbox.DoneAsync(due, cancellation);
    }

    private async Task EndAsync(StripeDue due, string id, Invoice invoice, CancellationToken cancellation)
    {
        var invoices = new InvoiceService(stripe);
        if (invoice.Due <= 0 && (await invoices.GetAsync(id, cancellationToken: cancellation)).Status == "open") await invoices.PayAsync(id, new InvoicePayOptions { PaidOutOfBand = true }, Key(due, "paid"), cancellation);
    }

    /// <summary>Stripe's id of an invoice that must be there first; null: there is nothing to do, or not yet.</summary>
    private async Task<string?> StripeIdAsync(StripeDue due, CancellationToken cancellation)
    {
        // In this order: whoever sends the invoice links it before it no longer waits.
        var waits = await outbox.WaitsAsync(StripeKind.Invoice, due.InvoiceId!.Value, cancellation);
        var id = await outbox.StripeIdOfAsync(due.InvoiceId.Value, cancellation);
        if (waits) await outbox.PostponeAsync(due, cancellation);
        else if (id is null) await outbox.DoneAsync(due, cancellation); // Stripe never had the invoice.
        return waits ? null : id;
    }

    private async Task<Stripe.Invoice?> FindAsync(StripeDue due, CancellationToken cancellation)
    {
        var mark = due.InvoiceId!.Value.ToString();
        return await new InvoiceService(stripe).ListAutoPagingAsync(new InvoiceListOptions { Customer = due.Customer, Limit = 100 }, cancellationToken: cancellation)
            .FirstOrDefaultAsync(i => i.Metadata?.GetValueOrDefault(InvoiceMark) == mark, cancellation);
    }

    private async Task<Invoice> LoadAsync(StripeDue due, CancellationToken cancellation)
    {
        await using var session = store.QuerySession(due.TenantId.ToString());
        return (await session.LoadAsync<Invoice>(due.InvoiceId!.Value, cancellation))!;
    }

    /// <summary>The same for attempts of which nobody knows what became; another one after an answer, which Stripe would only repeat.</summary>
    private static RequestOptions Key(StripeDue due, string step) => new() { IdempotencyKey = $"{due.Id}-{step}-{due.Refusals}" };

    private static DateTime Later(DateTime one, DateTime other) => one > other ? one : other;
}
