using CVault.Mail;
using CVault.Metering;
using CVault.Security;
using CVault.Users;
using Npgsql;

namespace CVault.Api;

/// <summary>Forgets what is past its promise.</summary>
public sealed class Housekeeping(NpgsqlDataSource database, Mailer mailer, Collector collector, TimeProvider time, ILogger<Housekeeping> logger) : BackgroundService
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
                await OneTimeTokens.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await ResetRequests.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await Mails.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await SigningKeys.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await SecurityFeed.SweepAsync(database, stoppingToken);
                await PeerMeters.SweepAsync(database, time.GetUtcNow(), stoppingToken);
                await collector.SettleLeftAsync(stoppingToken);
                await mailer.SendLeftAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Housekeeping waits: {Reason}", e.Message);
            }
        }
    }
}
