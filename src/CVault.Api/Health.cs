using CVault.Peers;
using CVault.Servers;
using Npgsql;

namespace CVault.Api;

/// <summary>
/// <c>GET /health</c>: 200 while requests can be served, 503 else. <c>healthy</c>: the database answers and so does
/// every server. <c>degraded</c>: some server does not. <c>unhealthy</c>: the database or every server is away.
/// <c>GET /health/live</c>: the process runs.
/// </summary>
public static class Health
{
    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health/live", () => Reply.Ok(new { status = "live" })).AllowAnonymous().ExcludeFromDescription();
        app.MapGet("/health", async (NpgsqlDataSource database, ServerLinks links, TimeProvider time, CancellationToken cancellation) =>
        {
            var db = await AnswersAsync(database, cancellation);
            // One in maintenance is out of service on purpose.
            var all = links.All.Where(l => l.Server.Status == ServerStatus.Active).ToArray();
            var up = all.Count(l => l.State == LinkState.Up);
            var wg = all.Length == 0 || up > 0;
            return new Reply(db && wg ? 200 : 503, new
            {
                status = !db || !wg ? "unhealthy" : up < all.Length ? "degraded" : "healthy",
                timestamp = time.GetUtcNow(),
                db,
                wg,
                servers = new { connected = up, total = all.Length, host_key_changed = all.Count(l => l.State == LinkState.HostKeyChanged), simulated = all.Count(l => l.Server.Transport == ServerTransport.Simulated) },
            });
        }).AllowAnonymous().ExcludeFromDescription();
    }

    private static async Task<bool> AnswersAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        try
        {
            await using var command = database.CreateCommand("select 1");
            command.CommandTimeout = 2;
            await command.ExecuteScalarAsync(cancellation);
            return true;
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            return false;
        }
    }
}
