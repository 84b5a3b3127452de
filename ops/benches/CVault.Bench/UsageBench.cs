using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CVault.Bench;

/// <summary>
/// <c>GET /api/v1/usage</c> beside the endpoint that one would write without read models: it adds up rows of samples, by an
/// index on tenant and time, and asks nobody who they are. Of the same samples, in turns.
/// </summary>
public sealed class UsageBench(Stack stack, bool quick, int concurrency)
{
    private const int Users = 50, Rounds = 3;
    private readonly int tenants = quick ? 20 : 100;
    private readonly double seconds = quick ? 2 : 8;

    public async Task<(double PerSecond, double Raw, long Samples)> RunAsync()
    {
        var keys = new List<(string Id, (string, string)[] Headers)>();
        for (var i = 0; i < tenants; i++)
        {
            var tenant = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Usage " + i, requests_per_minute = 100_000_000 });
            keys.Add((tenant["id"]!.ToString(), [("X-API-Key", tenant["api_key"]!.ToString()), ("X-API-Secret", tenant["api_secret"]!.ToString())]));
        }

        var samples = await FillAsync([.. keys.Select(k => Guid.Parse(k.Id))]);
        await using var raw = await RawAsync();
        var rawUrl = new Uri(raw.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        var (model, floor) = (new List<double>(), new List<double>());
        for (var round = 0; round <= Rounds; round++)
        {
            var (one, other) = (await LoopAsync(stack.Url, i => ("/api/v1/usage", keys[i % keys.Count].Headers)), await LoopAsync(rawUrl, i => ("/raw/" + keys[i % keys.Count].Id, [])));
            if (round == 0) continue; // To warm up.
            model.Add(one);
            floor.Add(other);
        }

        return (model.Order().ElementAt(Rounds / 2), floor.Order().ElementAt(Rounds / 2), samples);
    }

    /// <summary>A session a user and day of this month, with a sample each 15 s; and what the read model makes of them.</summary>
    private async Task<long> FillAsync(Guid[] of)
    {
        var days = DateTimeOffset.UtcNow.Day;
        var perSession = (quick ? 1_000_000 : 10_000_000) / (tenants * Users * days);
        Console.Error.WriteLine($"    {(long)perSession * tenants * Users * days:N0} samples");
        await stack.QueryAsync("create schema if not exists bench");
        await stack.QueryAsync("drop table if exists bench.samples");
        await stack.QueryAsync("create table bench.samples (tenant_id uuid not null, at timestamptz not null, number bigint not null, user_id uuid not null, rx_bytes bigint not null, tx_bytes bigint not null)");
        await stack.QueryAsync("create table if not exists bench.users (tenant_id uuid, n int, user_id uuid)");
        await stack.QueryAsync("insert into bench.users select t, n, gen_random_uuid() from unnest($1::uuid[]) t, generate_series(0, $2 - 1) n", of, Users);
        await stack.QueryAsync("""
            insert into bench.samples
            select u.tenant_id, date_trunc('month', now(), 'UTC') + d * interval '24 hours' + (u.n % 20) * interval '1 hour' + s * interval '15 seconds', (1::bigint << 50) + d * 1000000 + row_number() over (partition by d, s order by u.tenant_id, u.n), u.user_id, 1000, 20000
            from generate_series(0, $1 - 1) d, bench.users u, generate_series(0, $2 - 1) s
            """, days, perSession);
        await stack.QueryAsync("create index on bench.samples (tenant_id, at)");
        await stack.QueryAsync("""
            insert into cvault.usage_sessions (tenant_id, number, session_id, user_id, device_id, server_id, region, started_at, ended_at, reason)
            select tenant_id, number, gen_random_uuid(), user_id, user_id, gen_random_uuid(), 'us-east', min(at), max(at), 'timed_out' from bench.samples group by tenant_id, number, user_id
            """);
        foreach (var (table, unit) in new[] { ("usage_hours", "hour"), ("usage_days", "day") })
        {
            await stack.QueryAsync($"insert into cvault.{table} select tenant_id, date_trunc('{unit}', at, 'UTC'), number, sum(rx_bytes), sum(tx_bytes), 15 * count(*) from bench.samples group by 1, 2, 3");
        }

        await stack.QueryAsync("vacuum analyze bench.samples, cvault.usage_sessions, cvault.usage_hours, cvault.usage_days");
        return await stack.CountAsync("select count(*) from bench.samples");
    }

    private async Task<WebApplication> RawAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapGet("/raw/{tenant:guid}", async (Guid tenant) =>
        {
            await using var command = stack.Database.CreateCommand("""
                select sum(rx_bytes)::bigint, sum(tx_bytes)::bigint, count(*) * 15, count(distinct user_id) from bench.samples where tenant_id = $1 and at >= date_trunc('month', now(), 'UTC')
                """);
            command.Parameters.Add(new() { Value = tenant });
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            return Results.Json(new { rx_bytes = reader.GetInt64(0), tx_bytes = reader.GetInt64(1), connected_seconds = reader.GetInt64(2), active_users = reader.GetInt64(3) });
        });
        await app.StartAsync();
        return app;
    }

    private async Task<double> LoopAsync(Uri url, Func<int, (string Path, (string, string)[] Headers)> of)
    {
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = concurrency, UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null }) { BaseAddress = url };
        var (start, next) = (Stopwatch.GetTimestamp(), 0);
        var counts = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            var count = 0;
            for (; Stopwatch.GetElapsedTime(start).TotalSeconds < seconds; count++)
            {
                var (path, headers) = of(Interlocked.Increment(ref next));
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
                using var response = await http.SendAsync(request);
                if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{path}: {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
            }

            return count;
        })));
        return counts.Sum() / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
