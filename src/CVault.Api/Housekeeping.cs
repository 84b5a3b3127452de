using CVault.Security;
using CVault.Users;
using Npgsql;

namespace CVault.Api;

/// <summary>Forgets what is past its promise.</summary>
public sealed class Housekeeping(NpgsqlDataSource database, TimeProvider time, ILogger<Housekeeping> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMinutes(10), time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await Idempotency.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await RequestLimits.SweepAsync(database, stoppingToken);
                await RefreshToken.SweepAsync(database, time.GetUtcNow(), stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Housekeeping waits for the database: {Reason}", e.Message);
            }
        }
    }
}
