using System.Text;
using CVault.Security;
using JasperFx.Events;
using Marten;
using Marten.Exceptions;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Logging;
using Npgsql;
using Stripe;
using Wolverine.Http;
using Event = Stripe.Event;

namespace CVault.Billing;

/// <summary>
/// <c>POST /webhooks/stripe</c>: what became of payments, in whatever order and however often Stripe says it. The caller is
/// whoever signs with the webhook's secret (https://docs.stripe.com/webhooks#verify-manually), not longer than five minutes
/// ago. A payment, a refund and a failure is applied once, by its own id, with the invoice locked.
/// </summary>
public static class TakeStripeEvent
{
    private const long Tolerance = 300;

    [WolverinePost("/webhooks/stripe", OperationId = "takeStripeEvent"), NotTenanted, AllowAnonymous]
    [ProducesResponseType(200)]
    public static async Task<IResult> Post(HttpContext http, StripeGate gate, CancellationToken cancellation)
    {
        if (gate.Settings is not { } settings) return new ProblemResult(Problems.NotFound());
        using var body = new StreamReader(http.Request.Body, Encoding.UTF8); // Kestrel ends one that is too long.
        var text = await body.ReadToEndAsync(cancellation);

        Event said;
        try
        {
            said = EventUtility.ConstructEvent(
                text, http.Request.Headers["Stripe-Signature"].ToString(), settings.WebhookSecret, Tolerance, gate.Time.GetUtcNow().ToUnixTimeSeconds(), throwOnApiVersionMismatch: false);
        }
        catch (Exception e) when (e is StripeException or Newtonsoft.Json.JsonException or FormatException or OverflowException or ArgumentException or KeyNotFoundException or InvalidOperationException or NullReferenceException or IndexOutOfRangeException)
        {
            // Whatever it is: it is not signed, or not what Stripe sends.
            gate.Logger.LogWarning("A webhook of Stripe's was refused: {Kind}", e.GetType().Name);
            return new ProblemResult(Problems.InvalidSignature());
        }

        await gate.ApplyAsync(said, cancellation);
        return Results.Ok();
    }
}

/// <summary>Where webhooks of Stripe's become events of ours.</summary>
/// <param name="Settings">Null: Stripe is not configured.</param>
public sealed record StripeGate(StripeSettings? Settings, IDocumentStore Store, TimeProvider Time, ILogger<StripeGate> Logger)
{
    /// <summary>What the references of payments by Stripe begin with.</summary>
    public const string Prefix = "stripe:";
    private const string Platform = "stripe", Failed = "failed";

    /// <summary>Applies an event that Stripe has signed; one that was applied, or that is none of ours, changes nothing.</summary>
    public Task ApplyAsync(Event said, CancellationToken cancellation) => said.Data?.Object switch
    {
        InvoicePayment paid when said.Type == EventTypes.InvoicePaymentPaid => PaidAsync(said, paid, cancellation),
        Stripe.Invoice invoice when said.Type == EventTypes.InvoicePaymentFailed => FailedAsync(said, invoice, cancellation),
        Refund refund when said.Type is EventTypes.RefundCreated or EventTypes.RefundUpdated or EventTypes.RefundFailed => RefundedAsync(said, refund, cancellation),
        _ => Task.CompletedTask,
    };

    private async Task PaidAsync(Event said, InvoicePayment paid, CancellationToken cancellation)
    {
        if (paid.AmountPaid is not > 0 || await OwnerAsync(StripeTables.Invoices, "stripe_id", paid.InvoiceId, cancellation) is not { } whose) return;
        // Without either it is no money of Stripe's, but what was paid elsewhere and said to it.
        if ((paid.Payment?.PaymentIntentId ?? paid.Payment?.ChargeId) is not { } payment) return;
        await using var session = await OpenAsync(said, whose.Tenant, payment, cancellation);
        var stream = await session.Events.FetchForExclusiveWriting<Invoice>(whose.Invoice, cancellation);
        Book(stream.Aggregate!, Prefix + paid.Id, paid.AmountPaid.Value, stream.AppendOne);
        // Of a payment for several invoices the first one has the refunds.
        if (await IsFirstAsync(session, payment, whose, cancellation)) await BookRefundsAsync(session, stream, payment, cancellation);
        await SaveAsync(session, said, cancellation);
    }

    private async Task FailedAsync(Event said, Stripe.Invoice invoice, CancellationToken cancellation)
    {
        if (await OwnerAsync(StripeTables.Invoices, "stripe_id", invoice.Id, cancellation) is not { } whose) return;
        await using var session = await OpenAsync(said, whose.Tenant, null, cancellation);
        var stream = await session.Events.FetchForExclusiveWriting<Invoice>(whose.Invoice, cancellation);
        stream.AppendOne(new PaymentFailed(Prefix + said.Id, $"Stripe's attempt {invoice.AttemptCount} failed.", Time.GetUtcNow()));
        await SaveAsync(session, said, cancellation);
    }

    /// <summary>Money that went back, and money that should have and came home again: a refund that failed has failed for good, whichever is told first.</summary>
    private async Task RefundedAsync(Event said, Refund refund, CancellationToken cancellation)
    {
        if (refund.Status is not ("succeeded" or Failed or "canceled") || (refund.PaymentIntentId ?? refund.ChargeId) is not { } payment) return;
        while (true)
        {
            var whose = await OwnerAsync(StripeTables.Payments, "payment", payment, cancellation);
            await using var session = await OpenAsync(said, whose?.Tenant, payment, cancellation);
            // Of a payment that Stripe has yet to tell of, or of one that is none of ours; unless it has just been told.
            if (whose is null && await OwnerAsync(session, StripeTables.Payments, "payment", payment, cancellation) is not null) continue;
            await using (var command = new NpgsqlCommand($"""
                insert into {StripeTables.Refunds} as r (reference, payment, amount, state) values ($1, $2, $3, $4)
                on conflict (reference) do update set state = excluded.state where excluded.state <> 'succeeded'
                """))
            {
                foreach (var value in new object[] { Prefix + refund.Id, payment, refund.Amount, refund.Status }) command.Parameters.Add(new() { Value = value });
                await using var reader = await session.ExecuteReaderAsync(command, cancellation);
            }

            if (whose is { } known) await BookRefundsAsync(session, await session.Events.FetchForExclusiveWriting<Invoice>(known.Invoice, cancellation), payment, cancellation);
            await SaveAsync(session, said, cancellation);
            return;
        }
    }

    /// <summary>Makes of an invoice's bookings what is known of its payment's refunds.</summary>
    private async Task BookRefundsAsync(IDocumentSession session, IEventStream<Invoice> stream, string payment, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select reference, amount, state from {StripeTables.Refunds} where payment = $1 order by reference");
        command.Parameters.Add(new() { Value = payment });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var (reference, amount, went) = (reader.GetString(0), reader.GetInt64(1), reader.GetString(2) == "succeeded");
            if (went) Book(stream.Aggregate!, reference, -amount, stream.AppendOne);
            else if (stream.Aggregate!.Payments.Any(p => p.Reference == reference)) Book(stream.Aggregate, reference + " failed", amount, stream.AppendOne);
        }
    }

    /// <summary>A payment, or below zero a refund, in Stripe's units; booked once by its reference.</summary>
    private void Book(Invoice invoice, string reference, long amount, Action<object> append)
    {
        if (invoice.Payments.Any(p => p.Reference == reference)) return;
        if (StripeMoney.FromStripe(amount, invoice.Currency) is not { } minor)
        {
            Logger.LogError("ALARM {Reference} of invoice {Invoice} is no whole amount of its currency and was not booked", reference, invoice.Number);
            return;
        }

        var now = Time.GetUtcNow();
        append(minor < 0 ? new PaymentRefunded(reference, -minor, now) : new PaymentReceived(reference, minor, now));
    }

    /// <summary>A session whose commit says that the event was taken, and which has a payment for itself until then.</summary>
    private async Task<IDocumentSession> OpenAsync(Event said, Guid? tenant, string? payment, CancellationToken cancellation)
    {
        var session = tenant is { } id ? Store.LightweightSession(id.ToString()) : Store.LightweightSession();
        session.LastModifiedBy = Platform;
        Remember(session, said);
        if (payment is not null)
        {
            await session.BeginTransactionAsync(cancellation);
            await using var command = new NpgsqlCommand("select pg_advisory_xact_lock(hashtextextended($1, 0))");
            command.Parameters.Add(new() { Value = "stripe " + payment });
            await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        }

        return session;
    }

    private void Remember(IDocumentSession session, Event said) => session.QueueSqlCommand($"insert into {StripeTables.Events} (id, at) values (?, ?)", said.Id, Time.GetUtcNow());

    private async Task SaveAsync(IDocumentSession session, Event said, CancellationToken cancellation)
    {
        try
        {
            await session.SaveChangesAsync(cancellation);
        }
        catch (MartenCommandException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "stripe_events" })
        {
            Logger.LogInformation("Stripe's event {Event} came again", said.Id);
        }
    }

    private async Task<(Guid Tenant, Guid Invoice)?> OwnerAsync(string table, string column, string? id, CancellationToken cancellation)
    {
        await using var session = Store.QuerySession();
        return await OwnerAsync(session, table, column, id, cancellation);
    }

    /// <summary>Whether the payment is this invoice's, from now on or since before; another tenant's row is not seen here, but stands in the way.</summary>
    private static async Task<bool> IsFirstAsync(IDocumentSession session, string payment, (Guid Tenant, Guid Invoice) whose, CancellationToken cancellation)
    {
        await using (var insert = new NpgsqlCommand($"insert into {StripeTables.Payments} (payment, invoice_id, tenant_id) values ($1, $2, $3) on conflict do nothing returning 1"))
        {
            foreach (var value in new object[] { payment, whose.Invoice, whose.Tenant.ToString() }) insert.Parameters.Add(new() { Value = value });
            await using var reader = await session.ExecuteReaderAsync(insert, cancellation);
            if (await reader.ReadAsync(cancellation)) return true;
        }

        return await OwnerAsync(session, StripeTables.Payments, "payment", payment, cancellation) is { } first && first.Invoice == whose.Invoice;
    }

    /// <summary>Within a transaction over its own connection: many events at once would else each wait for one more.</summary>
    private static async Task<(Guid Tenant, Guid Invoice)?> OwnerAsync(IQuerySession session, string table, string column, string? id, CancellationToken cancellation)
    {
        if (id is null) return null;
        await using var command = new NpgsqlCommand($"select tenant_id, invoice_id from {table} where {column} = $1");
        command.Parameters.Add(new() { Value = id });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) ? (Guid.Parse(reader.GetString(0)), reader.GetGuid(1)) : null;
    }
}
