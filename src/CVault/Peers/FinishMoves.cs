using CVault.Devices;
using CVault.IpLeases;
using CVault.Servers;
using Marten;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Wolverine.Attributes;
using Wolverine.Runtime;

namespace CVault.Peers;

/// <summary>
/// Ends moves: once a device's new peer is confirmed by its server, the old one becomes unwanted and its address goes
/// into quarantine (ops/decisions/0009). Level-triggered: it looks at rows, so a crash between any two steps, a lost
/// wake-up or another node that does the same leaves at worst something to do for the next look.
/// </summary>
public sealed class FinishMoves(IDocumentStore store, NpgsqlDataSource database, IWolverineRuntime wolverine, LeaseRules rules, TimeProvider time, ILogger<FinishMoves> logger)
    : BackgroundService
{
    /// <summary>Looked at this often; after a wake-up sooner, since a server usually confirms within some ten milliseconds.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500), AfterWake = TimeSpan.FromMilliseconds(30);
    private const int AtMost = 200, AtOnce = 4;

    private readonly Signal wake = new();
    private volatile bool woken;

    /// <summary>A device has begun a move.</summary>
    public void Wake()
    {
        woken = true;
        wake.Give();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pause = Look;
        while (!stoppingToken.IsCancellationRequested)
        {
            await wake.WaitAsync(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = woken ? AfterWake : pause * 2 < Look ? pause * 2 : Look;
            woken = false;
            try
            {
                await Parallel.ForEachAsync(
                    await DueAsync(stoppingToken), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken },
                    async (move, cancellation) => await FinishAsync(move.TenantId, move.DeviceId, cancellation));
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Nothing is lost: what is due now is due at the next look.
                logger.LogWarning("Moves could not be finished: {Reason}", e.Message);
            }
        }
    }

    /// <summary>
    /// The devices whose new peer its server has confirmed as it stands. A suspended tenant's peers are confirmed to be
    /// nowhere, which ends a move too: there is no tunnel to keep.
    /// </summary>
    private async Task<IReadOnlyList<(string TenantId, Guid DeviceId)>> DueAsync(CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select old.tenant_id, old.device_id from {Database.Schema}.peers old
            where old.leaving = true and exists (
              select 1 from {Database.Schema}.peers p where p.device_id = old.device_id and p.wanted and not p.leaving and p.confirmed = p.revision)
            limit {AtMost}
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<(string, Guid)>();
        while (await reader.ReadAsync(cancellation)) due.Add((reader.GetString(0), reader.GetGuid(1)));
        return due;
    }

    /// <summary>Looks again with the device's stream locked, since the rows of its peers change only with it, and ends the move.</summary>
    private async Task FinishAsync(string tenantId, Guid deviceId, CancellationToken cancellation)
    {
        await using var session = store.LightweightSession(tenantId);
        session.LastModifiedBy = "platform";
        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Leaving: { } from } device || !await IsConfirmedAsync(session, device, cancellation)) return;

        var server = (await session.LoadServerAsync(from.ServerId, cancellation))!;
        stream.AppendOne(new DeviceLeft(from, "moved"));
        AddressPool.Release(server, from.Address, deviceId, "moved", rules, time.GetUtcNow()).Execute(session);
        await session.SaveChangesAsync(cancellation);
        await new MessageBus(wolverine).PublishAsync(new ReconcileServer(from.ServerId));
    }

    private static async Task<bool> IsConfirmedAsync(IDocumentSession session, Device device, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select wanted and not leaving and confirmed = revision from {Database.Schema}.peers where server_id = $1 and public_key = $2");
        command.Parameters.Add(new() { Value = device.Home!.ServerId });
        command.Parameters.Add(new() { Value = device.PublicKey });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) && reader.GetBoolean(0);
    }
}

/// <summary>Handles the wake-up.</summary>
[WolverineHandler]
public static class WakeFinisher
{
    public static void Handle(MoveBegun _, FinishMoves finisher) => finisher.Wake();
}
