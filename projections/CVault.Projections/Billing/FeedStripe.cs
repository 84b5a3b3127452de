using CVault.Billing;
using CVault.Metering;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>
/// Looks through the events for what is to be said to Stripe, and writes it down with the place up to which it has looked:
/// each event once, by one node at a time. Starts with what comes after Stripe was first configured.
/// </summary>
public sealed class FeedStripe(NpgsqlDataSource database, IDocumentStore store, StripeGate gate, TimeProvider time, ILogger<FeedStripe> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);
    private const int Chunk = 500;

    private readonly EventRows rows = new(store, typeof(UsageMetered), typeof(InvoiceIssued), typeof(CreditNoteIssued), typeof(PaymentReceived));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (gate.Settings is null) return;
        while (!stoppingToken.IsCancellationRequested)
        {
            var more = false;
            try
            {
                more = await FeedAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("What is to be said to Stripe could not be looked for: {Reason}", e.Message);
            }

            if (!more) await Task.Delay(Look, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <returns>Whether there is more.</returns>
    private async Task<bool> FeedAsync(CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        // What the usage model has read, nothing can come before any more.
        await using var place = new NpgsqlCommand($"""
            insert into {Position} (name, position) select 'feed', coalesce(max(seq_id), 0) from {Database.Schema}.mt_events having not exists (select from {Position}) on conflict do nothing;
            select p.position, (select position from {ReadModelRow.Models} where name = 'usage') from {Position} p where p.name = 'feed' for update skip locked
            """, connection, transaction);
        long after, settled;
        await using (var reader = await place.ExecuteReaderAsync(cancellation))
        {
            if (!await reader.ReadAsync(cancellation)) return false;
            (after, settled) = (reader.GetInt64(0), reader.GetInt64(1));
        }

        // A model that is made anew begins at 0. What was told is not told again: the place never goes back.
        if (settled <= after)
        {
            await transaction.CommitAsync(cancellation);
            return false;
        }

        var events = await EventsAsync(connection, after, settled, cancellation);
        var customers = await CustomersAsync(connection, [.. events.Select(e => e.TenantId).Distinct()], cancellation);
        foreach (var e in events)
        {
            if (SaidOf(e) is not { } said) continue;
            // An invoice that Stripe has is credited and paid there whether or not the tenant is still linked.
            var ofAnInvoice = said.Kind is StripeKind.CreditNote or StripeKind.Payment;
            if (customers.GetValueOrDefault(e.TenantId) is { } customer || (customer = ofAnInvoice ? "" : null) is not null) await WriteAsync(connection, e, customer, said, cancellation);
        }

        var end = events.Count < Chunk ? settled : events[^1].Sequence;
        await using var move = new NpgsqlCommand($"update {Position} set position = $1 where name = 'feed' and position < $1", connection);
        move.Parameters.Add(new() { Value = end });
        await move.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
        return events.Count == Chunk;
    }

    private async Task<List<StoredEvent>> EventsAsync(NpgsqlConnection connection, long after, long settled, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select {EventRows.Columns} from {Database.Schema}.mt_events where type = any($1) and seq_id > $2 and seq_id <= $3 order by seq_id limit {Chunk}", connection);
        foreach (var value in new object[] { rows.Names, after, settled }) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<StoredEvent>();
        while (await reader.ReadAsync(cancellation)) events.Add(rows.Read(reader));
        return events;
    }

    private static async Task<Dictionary<string, string>> CustomersAsync(NpgsqlConnection connection, string[] tenants, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select tenant_id, data ->> 'stripeCustomer' from {Database.Schema}.mt_doc_billingaccount where tenant_id = any($1) and data ->> 'stripeCustomer' is not null", connection);
        command.Parameters.Add(new() { Value = tenants });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var customers = new Dictionary<string, string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellation)) customers[reader.GetString(0)] = reader.GetString(1);
        return customers;
    }

    private static (StripeKind Kind, Guid? Invoice, long Amount, DateTimeOffset At)? SaidOf(StoredEvent e) => e.Data switch
    {
        UsageMetered metered when metered.Samples.All.Sum(s => s.RxBytes + s.TxBytes) is > 0 and var bytes => (StripeKind.Usage, null, bytes, metered.To),
        InvoiceIssued invoice when invoice.Lines.Sum(l => l.Amount) is > 0 and var total => (StripeKind.Invoice, e.StreamId, total, invoice.At),
        CreditNoteIssued note => (StripeKind.CreditNote, e.StreamId, note.Amount, note.At),
        PaymentReceived paid when !paid.Reference.StartsWith(StripeGate.Prefix, StringComparison.Ordinal) => (StripeKind.Payment, e.StreamId, paid.Amount, paid.At),
        _ => null,
    };

    private async Task WriteAsync(NpgsqlConnection connection, StoredEvent e, string customer, (StripeKind Kind, Guid? Invoice, long Amount, DateTimeOffset At) said, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            insert into {Outbox} (id, sequence, tenant_id, kind, customer, invoice_id, amount, at, state, next_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            """, connection);
        foreach (var value in new[] { e.Id, e.Sequence, e.TenantId, said.Kind.ToString(), customer, (object?)said.Invoice ?? DBNull.Value, said.Amount, said.At, nameof(StripeState.Waiting), time.GetUtcNow() })
        {
            command.Parameters.Add(new() { Value = value });
        }

        await command.ExecuteNonQueryAsync(cancellation);
    }

    private const string Position = StripeTables.Position, Outbox = StripeTables.Outbox;
}
