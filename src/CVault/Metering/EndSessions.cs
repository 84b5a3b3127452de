using CVault.Peers;
using CVault.Sessions;
using CVault.Tenants;
using JasperFx;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine;
using Wolverine.Marten;
using Wolverine.Runtime;

namespace CVault.Metering;

/// <summary>
/// Ends sessions that readings show to be over: no handshake for 180 seconds by the time their server was last read, or a
/// tenant whose peers were taken off. Of a server that cannot be read nobody knows, so its sessions stay open.
/// Level-triggered, as <see cref="FinishMoves"/> is.
/// </summary>
public sealed class EndSessions(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, ILogger<EndSessions> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);
    private const int AtMost = 500;

    private readonly Signal wake = new();

    /// <summary>A server was read.</summary>
    public void Wake() => wake.Give();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await wake.WaitAsync(Look, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                foreach (var (tenantId, sessionId, ended) in await DueAsync(stoppingToken)) await EndAsync(tenantId, sessionId, ended, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Sessions could not be ended: {Reason}", e.Message);
            }
        }
    }

    private async Task<IReadOnlyList<(string TenantId, Guid SessionId, SessionEnded Ended)>> DueAsync(CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select m.tenant_id, m.session_id, coalesce(p.suspended, false), t.data ->> 'status' = 'Suspended', greatest(m.heard_at, m.session_at) + $1, clock_timestamp()
            from {Database.Schema}.peer_meters m
            join {Database.Schema}.mt_doc_tenant t on t.tenant_id = m.tenant_id and t.id = m.tenant_id::uuid
            left join {Database.Schema}.server_meters r on r.server_id = m.server_id
            left join {Database.Schema}.peers p on p.server_id = m.server_id and p.public_key = m.public_key and p.device_id = m.device_id
            where m.session_live and (p.suspended or r.read_at >= greatest(m.heard_at, m.session_at) + $1)
            limit {AtMost}
            """);
        command.Parameters.Add(new() { Value = Sweep.Silence });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(string, Guid, SessionEnded)>();
        while (await reader.ReadAsync(cancellation))
        {
            due.Add((reader.GetString(0), reader.GetGuid(1), !reader.GetBoolean(2)
                ? new SessionEnded(SessionEnded.TimedOut, reader.GetFieldValue<DateTimeOffset>(4))
                : new SessionEnded(reader.GetBoolean(3) ? SessionEnded.TenantSuspended : SessionEnded.BandwidthLimit, reader.GetFieldValue<DateTimeOffset>(5))));
        }

        return due;
    }

    /// <summary>Looks again under the stream's version: a word to the API may have ended it meanwhile, on whichever node.</summary>
    private async Task EndAsync(string tenantId, Guid sessionId, SessionEnded ended, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId);
        session.LastModifiedBy = "platform";
        var stream = await session.Events.FetchForWriting<Session>(sessionId, cancellation);
        if (stream.Aggregate is not { LiveDevice: { } deviceId })
        {
            // A row that missed the end would be due at every look, for ever, and enough of them hold up all others.
            session.QueueSqlCommand($"update {Database.Schema}.peer_meters set session_live = false where session_id = ? and session_live", sessionId);
            await session.SaveChangesAsync(cancellation);
            return;
        }

        stream.AppendOne(ended);
        var outbox = new MartenOutbox(wolverine, session);
        if (await session.LoadAsync<Tenant>(Guid.Parse(tenantId), cancellation) is { Settings.LeasePolicy: LeasePolicy.Ephemeral })
        {
            await outbox.PublishAsync(new SessionOver(deviceId), new DeliveryOptions { TenantId = tenantId });
        }

        try
        {
            await session.SaveChangesAsync(cancellation);
        }
        catch (ConcurrencyException)
        {
            // Another ended it, or another node did just this.
        }
    }
}
