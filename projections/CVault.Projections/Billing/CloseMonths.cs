using CVault.Billing;
using CVault.Tenants;
using JasperFx;
using Marten;
using Marten.Exceptions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>
/// Closes each tenant's months when they are over and their last readings should have come (<see cref="BillingRules.CloseAfter"/>).
/// Level-triggered: every node looks, and PostgreSQL lets one of them through, by the invoice's id and the account's version.
/// </summary>
public sealed class CloseMonths(IDocumentStore store, NpgsqlDataSource database, BillingRules rules, Seller seller, TimeProvider time, ILogger<CloseMonths> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromMinutes(1), Patience = TimeSpan.FromSeconds(30);
    private const int Chunk = 500, AtOnce = 4;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await CloseDueAsync(Month.Of(time.GetUtcNow() - rules.CloseAfter), stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Who is due now is due at the next look.
                logger.LogWarning("Months could not be closed: {Reason}", e.Message);
            }

            await Task.Delay(Look, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Closes every month that ended before this one.</summary>
    /// <returns>How many were closed, and how many could not be: the log says why.</returns>
    public async Task<(int Closed, int Failed)> CloseDueAsync(Month before, CancellationToken cancellation)
    {
        var (closed, failed, after) = (0, 0, Guid.Empty);
        while (await DueAsync(before, after, cancellation) is { Count: > 0 } due)
        {
            var until = await CaughtUpAsync(cancellation);
            await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (one, stop) =>
            {
                try
                {
                    for (var month = one.Month; month < before; month = month.Next)
                    {
                        if (!await CloseAsync(one.Tenant, month, until, stop)) break;
                        Interlocked.Increment(ref closed);
                    }
                }
                catch (Exception e) when (!stop.IsCancellationRequested)
                {
                    Interlocked.Increment(ref failed);
                    logger.LogError("ALARM a month of tenant {Tenant} could not be closed: {Reason}", one.Tenant, e.GetBaseException().Message);
                }
            });
            after = due[^1].Account;
        }

        return (closed, failed);
    }

    /// <summary>Closes a month of a tenant, the next one that is to be; one that is closed already stays as it is.</summary>
    /// <param name="until">The place in the sequence of events up to which usage must be counted.</param>
    /// <returns>False: it was another's to close, or the account changed meanwhile; the next look finds which.</returns>
    public async Task<bool> CloseAsync(Guid tenantId, Month month, long until, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId.ToString());
        session.LastModifiedBy = "platform";
        var stream = await session.Events.FetchForWriting<BillingAccount>(BillingAccount.IdOf(tenantId), cancellation);
        if (stream.Aggregate is not { } account || account.NextToClose != month) return false;
        var version = stream.CurrentVersion ?? 0;
        var tenant = (await session.LoadAsync<Tenant>(tenantId, cancellation))!;
        var now = time.GetUtcNow();
        var before = await Draft.InvoicesBeforeAsync(session, account, month, cancellation);
        await using var usage = await BillableUsage.TakeAsync(database, tenantId, now, Math.Max(until, account.Through), cancellation);
        var closed = await Draft.OfAsync(usage, before, tenantId, account, month, cancellation);

        Guid? invoiceId = closed.Lines.IsEmpty ? null : Invoice.IdOf(tenantId, month);
        stream.AppendOne(new MonthClosed(month, invoiceId, closed.Credit, usage.Through));
        if (invoiceId is { } id)
        {
            var number = await InvoiceNumbers.NextAsync(session, InvoiceNumbers.Invoices, now, cancellation);
            session.Events.StartStream<Invoice>(id, new InvoiceIssued(
                number, month, account.Currency!, tenant.Name, account.BillTo, [.. closed.Lines], usage.Through, version, now, DateOnly.FromDateTime(now.UtcDateTime).AddDays(account.PaymentDays), seller));
        }

        FailPoint.Reached("billing-before-commit");
        try
        {
            await session.SaveChangesAsync(cancellation);
        }
        catch (Exception e) when (e is ConcurrencyException or ExistingStreamIdCollisionException or DocumentAlreadyExistsException)
        {
            return false;
        }

        FailPoint.Reached("billing-after-commit");
        logger.LogInformation("Month {Month} of tenant {Tenant} is closed", month, tenantId);
        return true;
    }

    /// <summary>Waits until the read model has all that was committed before.</summary>
    /// <returns>The place of the last of that.</returns>
    private async Task<long> CaughtUpAsync(CancellationToken cancellation)
    {
        await using var last = database.CreateCommand($"select coalesce(max(seq_id), 0) from {Database.Schema}.mt_events");
        var until = (long)(await last.ExecuteScalarAsync(cancellation))!;
        var start = time.GetTimestamp();
        while (await ReadModelRow.LoadAsync(database, "usage", cancellation) is not { State: ReadModelRow.Running } row || row.Position < until)
        {
            if (time.GetElapsedTime(start) > Patience) throw new UsageBehindException();
            await Task.Delay(50, cancellation);
        }

        return until;
    }

    private async Task<IReadOnlyList<(Guid Account, Guid Tenant, Month Month)>> DueAsync(Month before, Guid after, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select id, tenant_id, next_month from {Database.Schema}.mt_doc_billingaccount where next_month < $1 and id > $2 order by id limit {Chunk}
            """);
        command.Parameters.Add(new() { Value = before.ToString() });
        command.Parameters.Add(new() { Value = after });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(Guid, Guid, Month)>();
        while (await reader.ReadAsync(cancellation))
        {
            if (Month.TryParse(reader.GetString(2), out var month)) due.Add((reader.GetGuid(0), Guid.Parse(reader.GetString(1)), month));
        }

        return due;
    }
}
