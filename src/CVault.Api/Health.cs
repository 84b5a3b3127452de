using CVault.Projections;
using Npgsql;

namespace CVault.Api;

/// <summary>
/// <c>GET /health</c>: 200 while requests can be served, 503 else. <c>healthy</c>: the database answers and so does
/// every server. <c>degraded</c>: some server does not, or a read model that money depends on has stopped. <c>unhealthy</c>: the database or every server is away.
/// <c>GET /health/live</c>: the process runs.
/// </summary>
public static class Health
{
    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health/live", () => Reply.Ok(new { status = "live" })).AllowAnonymous().ExcludeFromDescription();
        app.MapGet("/health", async (NpgsqlDataSource database, TimeProvider time, CancellationToken cancellation) =>
        {
            var links = await LinksAsync(database, cancellation);
            var db = links is not null;
            var (total, up, changed, simulated) = links ?? default;
            var wg = db && (total == 0 || up > 0);
            var models = db ? await ModelsAsync(database, cancellation) : [];
            return new Reply(wg ? 200 : 503, new
            {
                status = !wg ? "unhealthy" : up < total || models.Any(m => m.Row.State == ReadModelRow.Stopped) ? "degraded" : "healthy",
                timestamp = time.GetUtcNow(),
                db,
                wg,
                servers = new { connected = up, total, host_key_changed = changed, simulated },
                read_models = models.Select(m => new { name = m.Name, state = m.Row.State, lag_events = m.LagEvents, dead_letters = m.DeadLetters }),
            });
        }).AllowAnonymous().ExcludeFromDescription();
    }

    private static async Task<IReadOnlyList<ReadModelRow.Standing>> ModelsAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        try
        {
            return await ReadModelRow.ListAsync(database, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            return [];
        }
    }

    /// <summary>The servers in service and how their links are, whichever node keeps them; null when the database does not say.</summary>
    private static async Task<(long Total, long Up, long HostKeyChanged, long Simulated)?> LinksAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        try
        {
            // One in maintenance is out of service on purpose; one that drains still serves.
            await using var command = database.CreateCommand($"""
                select count(*), count(*) filter (where l.state in ('up', 'late') and l.expires_at > clock_timestamp()), count(*) filter (where l.state = 'host_key_changed'),
                  count(*) filter (where d.data ->> 'transport' = 'Simulated')
                from {Database.Schema}.server_load s left join {Database.Schema}.server_links l using (server_id) left join {Database.Schema}.mt_doc_server d on d.id = s.server_id
                where s.status in ('active', 'draining')
                """);
            command.CommandTimeout = 2;
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            await reader.ReadAsync(cancellation);
            return (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3));
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            return null;
        }
    }
}
