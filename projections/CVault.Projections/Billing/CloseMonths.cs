using CVault.Billing;
using CVault.Security;
using CVault.Tenants;
using JasperFx;
using Marten;
using Marten.Exceptions;
using Marten.Internal;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Projections.Billing;

/// <summary>A tenant's month that is over: the next one that is to be closed.</summary>
public readonly record struct DueMonth(Guid Tenant, Month Month);

/// <summary>
/// Closes each tenant's months when they are over and their last readings should have come (<see cref="BillingRules.CloseAfter"/>).
/// Level-triggered: every node looks, and PostgreSQL lets one of them through, by the invoice's id and the account's version.
/// Many tenants are closed in one transaction, which costs the database little more than one tenant's does; where it cannot be, each by itself.
/// </summary>
public sealed class CloseMonths(IDocumentStore store, NpgsqlDataSource database, BillingRules rules, Seller seller, TimeProvider time, ILogger<CloseMonths> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromMinutes(1), Patience = TimeSpan.FromSeconds(30);
    private const int Chunk = 500, Together = 50, AtOnce = 2;

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
        var (closed, failed, after) = (0, 0, ("", Guid.Empty));
        while (await DueAsync(before, after, cancellation) is { Count: > 0 } due)
        {
            var until = await CaughtUpAsync(cancellation);
            await Parallel.ForEachAsync(due.Chunk(Together), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (some, stop) =>
            {
                var (now, not) = await CloseAsync([.. some.Select(d => d.Due)], until, stop);
                Interlocked.Add(ref closed, now);
                Interlocked.Add(ref failed, not);
            });
            after = (due[^1].Due.Month.ToString(), due[^1].Account);
        }

        return (closed, failed);
    }

    /// <summary>Closes months of as many tenants, in one transaction or else each in its own, so that nobody's failing stops the others; what is closed already stays as it is.</summary>
    /// <param name="until">The place in the sequence of events up to which usage must be counted.</param>
    /// <returns>How many were closed, and how many could not be. The rest is another's to close, or its account was being changed: the next look finds which.</returns>
    public async Task<(int Closed, int Failed)> CloseAsync(IReadOnlyList<DueMonth> due, long until, CancellationToken cancellation)
    {
        try
        {
            return (await CloseTogetherAsync(due, until, cancellation), 0);
        }
        catch (Exception e) when (due.Count == 1 && e is ConcurrencyException or ExistingStreamIdCollisionException or DocumentAlreadyExistsException)
        {
            return (0, 0);
        }
        catch (Exception e) when (due.Count == 1 && !cancellation.IsCancellationRequested)
        {
            logger.LogError("ALARM a month of tenant {Tenant} could not be closed: {Reason}", due[0].Tenant, e.GetBaseException().Message);
            return (0, 1);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            logger.LogInformation("{Count} months are closed one by one: {Reason}", due.Count, e.GetBaseException().Message);
        }

        var (closed, failed) = (0, 0);
        foreach (var one in due)
        {
            var (now, not) = await CloseAsync([one], until, cancellation);
            (closed, failed) = (closed + now, failed + not);
        }

        return (closed, failed);
    }

    private async Task<int> CloseTogetherAsync(IReadOnlyList<DueMonth> due, long until, CancellationToken cancellation)
    {
        await using var session = store.IdentitySession();
        session.LastModifiedBy = "platform";
        TenantWall.ActForAll();
        var versions = await HoldAsync(session, due, cancellation);
        if (versions.Count == 0) return 0;
        string[] tenants = [.. versions.Keys.Select(t => t.ToString())];
        var accounts = (await session.Query<BillingAccount>().Where(a => a.TenantIsOneOf(tenants)).ToListAsync(cancellation)).ToDictionary(a => a.Id);
        var names = (await session.Query<Tenant>().Where(t => t.TenantIsOneOf(tenants)).ToListAsync(cancellation)).ToDictionary(t => t.Id, t => t.Name);
        TenantMonth[] months = [.. from d in due where versions.ContainsKey(d.Tenant) let account = accounts[BillingAccount.IdOf(d.Tenant)] where account.NextToClose == d.Month select new TenantMonth(d.Tenant, account, d.Month)];
        if (months.Length == 0) return 0;

        var now = time.GetUtcNow();
        await using var usage = await BillableUsage.TakeAsync(database, null, now, Math.Max(until, months.Max(m => m.Account.Through)), cancellation);
        var closed = await Draft.OfAsync(usage, m => Draft.InvoicesBeforeAsync(session.ForTenant(m.Tenant.ToString()), m, cancellation), months, cancellation);
        var numbers = new Queue<string>(await InvoiceNumbers.TakeAsync(session, InvoiceNumbers.Invoices, closed.Count(c => !c.Lines.IsEmpty), now, cancellation));
        foreach (var ((tenant, account, month), (lines, credit)) in months.Zip(closed))
        {
            var own = session.ForTenant(tenant.ToString());
            // In the identity map, or Marten would load each account anew to apply the event to it, while all others wait for the numbers.
            ((IMartenSession)own).ItemMap[typeof(BillingAccount)] = new Dictionary<Guid, BillingAccount> { [account.Id] = account };
            Guid? invoiceId = lines.IsEmpty ? null : Invoice.IdOf(tenant, month);
            own.Events.Append(account.Id, versions[tenant] + 1, new MonthClosed(month, invoiceId, credit, usage.Through));
            if (invoiceId is { } id)
            {
                own.Events.StartStream<Invoice>(id, new InvoiceIssued(
                    numbers.Dequeue(), month, account.Currency!, names[tenant], account.BillTo, [.. lines], usage.Through, versions[tenant], now, DateOnly.FromDateTime(now.UtcDateTime).AddDays(account.PaymentDays), seller));
            }
        }

        FailPoint.Reached("billing-before-commit");
        await session.SaveChangesAsync(cancellation);
        FailPoint.Reached("billing-after-commit");
        foreach (var month in months) logger.LogInformation("Month {Month} of tenant {Tenant} is closed", month.Month, month.Tenant);
        return months.Length;
    }

    /// <summary>Keeps others from the accounts until the commit. Those that somebody has already are left out: another node closes them just now, or they change.</summary>
    /// <returns>The versions of the accounts' streams.</returns>
    private static async Task<Dictionary<Guid, long>> HoldAsync(IDocumentSession session, IReadOnlyList<DueMonth> due, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"""
            select s.tenant_id, s.version from unnest($1, $2) as due (tenant_id, id) join {Database.Schema}.mt_streams s on s.tenant_id = due.tenant_id and s.id = due.id
            for update of s skip locked
            """);
        command.Parameters.Add(new() { Value = due.Select(d => d.Tenant.ToString()).ToArray() });
        command.Parameters.Add(new() { Value = due.Select(d => BillingAccount.IdOf(d.Tenant)).ToArray() });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var versions = new Dictionary<Guid, long>();
        while (await reader.ReadAsync(cancellation)) versions.Add(Guid.Parse(reader.GetString(0)), reader.GetInt64(1));
        return versions;
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

    /// <summary>In the order of months, so that a tenant's next one comes behind all others' earlier ones.</summary>
    private async Task<IReadOnlyList<(DueMonth Due, Guid Account)>> DueAsync(Month before, (string Month, Guid Account) after, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select id, tenant_id, next_month from {Database.Schema}.mt_doc_billingaccount where next_month < $1 and (next_month, id) > ($2, $3) order by next_month, id limit {Chunk}
            """);
        command.Parameters.Add(new() { Value = before.ToString() });
        command.Parameters.Add(new() { Value = after.Month });
        command.Parameters.Add(new() { Value = after.Account });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(DueMonth, Guid)>();
        while (await reader.ReadAsync(cancellation))
        {
            if (Month.TryParse(reader.GetString(2), out var month)) due.Add((new DueMonth(Guid.Parse(reader.GetString(1)), month), reader.GetGuid(0)));
        }

        return due;
    }
}
