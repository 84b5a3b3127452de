using CVault.Tenants;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Runtime;

namespace CVault.Metering;

/// <summary>
/// Makes tenants' standing what their months say, where no reading does: a new month gives the tunnels back, and a limit
/// that changed in another transaction than the bytes takes them. Level-triggered: every node looks at the rows and
/// decides again with the tenant's month locked.
/// </summary>
public sealed class EnforceBandwidth(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, TimeProvider time, ILogger<EnforceBandwidth> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);
    private const int Chunk = 200, AtOnce = 4;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                var now = time.GetUtcNow();
                var after = "";
                while (await DueAsync(database, now, after, stoppingToken) is { Count: > 0 } due)
                {
                    await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken }, async (id, cancellation) => await TrySettleAsync(id, now, cancellation));
                    after = due[^1];
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Nothing is lost: who is due now is due at the next look.
                logger.LogWarning("Bandwidth limits could not be looked at: {Reason}", e.Message);
            }

            await Task.Delay(PauseAt(time.GetUtcNow()), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The tenants after this one whose standing is not what the month of <paramref name="now"/> says, in order.</summary>
    public static async Task<IReadOnlyList<string>> DueAsync(NpgsqlDataSource database, DateTimeOffset now, string after, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select t.tenant_id from {Database.Schema}.mt_doc_tenant t
            left join {Bandwidth.TableName} b on b.tenant_id = t.tenant_id and b.month = $1
            where t.tenant_id > $2
              and {BandwidthQuota.IsOver("t")} <> coalesce(coalesce(b.rx_bytes + b.tx_bytes, 0) >= {BandwidthQuota.LimitOf("t")}, false)
            order by t.tenant_id limit {Chunk}
            """);
        command.Parameters.Add(new() { Value = Bandwidth.MonthOf(now) });
        command.Parameters.Add(new() { Value = after });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<string>();
        while (await reader.ReadAsync(cancellation)) due.Add(reader.GetString(0));
        return due;
    }

    /// <summary>Looks again with the tenant's month and stream locked, and says what there is to say.</summary>
    /// <returns>Whether the tenant's access changed.</returns>
    public static async Task<bool> SettleAsync(IDocumentStore store, string tenantId, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId);
        session.LastModifiedBy = "platform";
        var use = await Bandwidth.LockAsync(session, now, cancellation);
        var stream = await session.Events.FetchForExclusiveWriting<Tenant>(Guid.Parse(tenantId), cancellation);
        if (stream.Aggregate is not { } tenant) return false;
        object[] events = [.. use.Settle(tenant, tenant.Settings.BandwidthLimitBytes)];
        if (events.Length == 0) return false;
        stream.AppendMany(events);
        Bandwidth.Remember(tenant.Id, events).Execute(session);
        await session.SaveChangesAsync(cancellation);
        return !tenant.IsSuspended && events.Any(e => e is BandwidthExhausted or BandwidthRestored);
    }

    /// <summary>One tenant that cannot be settled now holds up no other.</summary>
    private async Task TrySettleAsync(string tenantId, DateTimeOffset now, CancellationToken cancellation)
    {
        try
        {
            if (await SettleAsync(store, tenantId, now, cancellation)) await new MessageBus(wolverine).PublishAsync(new TenantAccessChanged(Guid.Parse(tenantId)));
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            logger.LogWarning("The bandwidth limit of tenant {Tenant} could not be looked at: {Reason}", tenantId, e.Message);
        }
    }

    /// <summary>No longer than the month lasts: the next one's tunnels come with its first moment.</summary>
    private static TimeSpan PauseAt(DateTimeOffset now)
    {
        var left = new DateTimeOffset(Bandwidth.MonthOf(now).AddMonths(1), default, TimeSpan.Zero) - now + TimeSpan.FromMilliseconds(20);
        return left < Look ? left : Look;
    }
}
