using CVault.Mail;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine;
using Wolverine.Marten;
using Wolverine.Runtime;

namespace CVault.Billing;

/// <summary>An invoice is past its due date, and the tenant was told.</summary>
/// <param name="Step">1 on the day after, 2 halfway through the grace.</param>
/// <param name="NextAfter">The last day on which nothing more is done about it.</param>
public sealed record PaymentReminded(int Step, DateTimeOffset At, DateOnly NextAfter);

/// <summary>The grace of an unpaid invoice is over: once an invoice, so that who is let in again in spite of it stays in.</summary>
public sealed record GraceEnded(DateTimeOffset At);

/// <summary>What follows from an invoice that is not paid: reminders, then suspension, which its payment takes back.</summary>
public static class Dunning
{
    /// <summary>
    /// The next step that is due, if any: each a time after the one before it, so that nobody is suspended who was not reminded
    /// twice in time, however long no node was up to do it.
    /// </summary>
    /// <param name="graceDays">From the due date, or from the refund that made something due again, to the suspension.</param>
    public static object? Next(Invoice invoice, DateOnly today, int graceDays, DateTimeOffset now)
    {
        if (invoice.Due <= 0 || invoice.GraceEnded || today <= invoice.QuietUntil) return null;
        var half = graceDays / 2;
        return graceDays == 0 || invoice.Reminders >= 2 ? new GraceEnded(now)
            : invoice.Reminders == 0 ? new PaymentReminded(1, now, today.AddDays(half - 1))
            : new PaymentReminded(2, now, today.AddDays(graceDays - half - 1));
    }
}

/// <summary>
/// Reminds tenants of unpaid invoices, suspends those whose grace is over and lets in again those who have paid. Level-triggered:
/// every node looks at the rows, and decides again with the invoice and the tenant locked.
/// </summary>
public sealed class DunUnpaid(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, MasterKey master, BillingRules rules, TimeProvider time, ILogger<DunUnpaid> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(10);
    private const int Chunk = 200;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var today = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
                foreach (var (tenant, invoice) in await OverdueAsync(today, stoppingToken)) await TryAsync(tenant, () => StepAsync(tenant, invoice, today, stoppingToken), stoppingToken);
                foreach (var tenant in await PaidAsync(stoppingToken)) await TryAsync(tenant, () => ReinstateAsync(tenant, stoppingToken), stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Unpaid invoices could not be looked at: {Reason}", e.Message);
            }

            await Task.Delay(Look, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Takes the next step of an invoice, if it is still due.</summary>
    /// <returns>Whether there was one.</returns>
    public async Task<bool> StepAsync(Guid tenantId, Guid invoiceId, DateOnly today, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId.ToString());
        session.LastModifiedBy = "platform";
        var invoice = await session.Events.FetchForExclusiveWriting<Invoice>(invoiceId, cancellation);
        var now = time.GetUtcNow();
        if (invoice.Aggregate is null || Dunning.Next(invoice.Aggregate, today, rules.GraceDays, now) is not { } step) return false;
        var stream = await session.Events.FetchForExclusiveWriting<Tenant>(tenantId, cancellation);
        var tenant = stream.Aggregate!;
        // Suspended for something else: its money can wait until that is over.
        if (tenant is { IsSuspended: true, MaySettle: false }) return false;
        invoice.AppendOne(step);
        var outbox = new MartenOutbox(wolverine, session);
        var suspends = step is GraceEnded && !tenant.IsSuspended;
        if (suspends)
        {
            stream.AppendOne(new TenantSuspended(Tenant.Unpaid));
            await outbox.PublishAsync(new TenantAccessChanged(tenantId), new DeliveryOptions { TenantId = tenantId.ToString() });
        }

        foreach (var address in await AddressesAsync(session, tenant, cancellation))
        {
            var (row, due) = Mails.Send(BillingMails.Unpaid(address, tenant.Name, invoice.Aggregate, step), master, now);
            row.Execute(session);
            await outbox.PublishAsync(due);
        }

        await session.SaveChangesAsync(cancellation);
        logger.LogInformation("Invoice {Invoice} of tenant {Tenant} is unpaid: {Step}", invoice.Aggregate.Number, tenantId, step.GetType().Name);
        return true;
    }

    /// <summary>Lets a tenant in again that was suspended for money and owes none whose grace is over.</summary>
    public async Task<bool> ReinstateAsync(Guid tenantId, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId.ToString());
        session.LastModifiedBy = "platform";
        var stream = await session.Events.FetchForExclusiveWriting<Tenant>(tenantId, cancellation);
        if (stream.Aggregate is not { MaySettle: true } tenant) return false;
        if ((await session.Query<Invoice>().ToListAsync(cancellation)).Any(i => i.GraceEnded && i.Due > 0)) return false;
        stream.AppendOne(new TenantReinstated(tenant.StatusBefore));
        await new MartenOutbox(wolverine, session).PublishAsync(new TenantAccessChanged(tenantId), new DeliveryOptions { TenantId = tenantId.ToString() });
        await session.SaveChangesAsync(cancellation);
        logger.LogInformation("Tenant {Tenant} has paid and works again", tenantId);
        return true;
    }

    private async Task<List<(Guid Tenant, Guid Invoice)>> OverdueAsync(DateOnly today, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select i.tenant_id, i.id from {Database.Schema}.mt_doc_invoice i where i.dunned_on < $1
              and not exists (select from {Database.Schema}.mt_doc_tenant t where t.tenant_id = i.tenant_id and t.data ->> 'status' = 'Suspended' and t.data ->> 'suspendedFor' <> '{Tenant.Unpaid}')
            order by i.dunned_on, i.id limit {Chunk}
            """);
        command.Parameters.Add(new() { Value = today.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(Guid, Guid)>();
        while (await reader.ReadAsync(cancellation)) due.Add((Guid.Parse(reader.GetString(0)), reader.GetGuid(1)));
        return due;
    }

    private async Task<List<Guid>> PaidAsync(CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select t.tenant_id from {Database.Schema}.mt_doc_tenant t where t.data ->> 'suspendedFor' = '{Tenant.Unpaid}' and t.data ->> 'status' = 'Suspended'
              and not exists (select from {Database.Schema}.mt_doc_invoice i where i.tenant_id = t.tenant_id and (i.data ->> 'graceEnded')::boolean and (i.data ->> 'isOpen')::boolean) limit {Chunk}
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var paid = new List<Guid>();
        while (await reader.ReadAsync(cancellation)) paid.Add(Guid.Parse(reader.GetString(0)));
        return paid;
    }

    private async Task<IReadOnlyCollection<string>> AddressesAsync(IQuerySession session, Tenant tenant, CancellationToken cancellation)
    {
        if (tenant.ContactEmail is { } contact && await DataKeys.LoadAsync(session, master, tenant.Id, cancellation) is { } key) return [key.Open(Emails.Purpose, contact)];
        var whose = tenant.Members.Where(m => m.Value.Role is Role.Owner or Role.Billing && m.Value.EmailVerified).ToArray();
        var keys = await DataKeys.LoadAllAsync(session, master, [.. whose.Select(m => m.Key)], cancellation);
        return [.. whose.Where(m => keys.ContainsKey(m.Key)).Select(m => keys[m.Key].Open(Emails.Purpose, m.Value.Email))];
    }

    /// <summary>One tenant that cannot be decided on now holds up no other.</summary>
    private async Task TryAsync(Guid tenant, Func<Task> step, CancellationToken cancellation)
    {
        try
        {
            await step();
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            logger.LogWarning("The unpaid invoices of tenant {Tenant} could not be looked at: {Reason}", tenant, e.Message);
        }
    }
}

/// <summary>What tenants are written about money.</summary>
internal static class BillingMails
{
    public static OutgoingMail Unpaid(string to, string business, Invoice invoice, object step) => new(to, $"Invoice {invoice.Number} is unpaid", $"""
        Invoice {invoice.Number} of {business} for {invoice.Month}, {Currencies.Format(invoice.Due, invoice.Currency)} {invoice.Currency}, was due on {invoice.DueOn:yyyy-MM-dd} and has not been paid.

        {(step is GraceEnded
            ? "The account is suspended: its users cannot connect until the invoice is paid. Nothing is deleted, and all works again once the payment is booked."
            : "Please pay it. If it stays unpaid the account will be suspended, and its users can then not connect.")}
        """);
}
