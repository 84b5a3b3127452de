using System.Net;
using System.Text.Json.Nodes;
using CVault.Metering;

namespace CVault.Tests.Api;

/// <summary>Usage as a tenant's server and its staff read it, from events to answer.</summary>
public sealed class UsageTests(Stack stack) : IAsyncDisposable
{
    private static readonly DateTimeOffset Today = new(DateTimeOffset.UtcNow.UtcDateTime.Date, TimeSpan.Zero), Yesterday = Today.AddDays(-1);
    private readonly EventStore events = new(stack);

    public ValueTask DisposeAsync() => events.DisposeAsync();

    [Fact]
    public async Task a_sample_shows_as_usage_of_its_hour_user_device_and_region()
    {
        var tenant = await stack.NewTenantAsync();
        var (user, other, device) = (Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid());
        var (one, two) = (await ServerAsync("us-east"), await ServerAsync("eu-west"));
        var first = await events.StartAsync(tenant.Id, user, device, one, Yesterday.AddHours(10.5));
        var second = await events.StartAsync(tenant.Id, other, Guid.NewGuid(), two, Yesterday.AddHours(10));
        await events.MeterAsync(tenant.Id, one, Yesterday.AddHours(10.5), Yesterday.AddHours(11.25), new Sample(first.Number, 100, 1000));
        await events.MeterAsync(tenant.Id, two, Yesterday.AddHours(10), Yesterday.AddHours(10.1), new Sample(second.Number, 7, 9));
        await events.EndAsync(tenant.Id, first.Id, Yesterday.AddHours(11.5));
        await events.EndAsync(tenant.Id, second.Id, Yesterday.AddHours(10.25));
        // A last reading that comes after the end is the session's still.
        await events.MeterAsync(tenant.Id, one, Yesterday.AddHours(11.25), Yesterday.AddHours(11.5), new Sample(first.Number, 1, 1));

        var hours = await SeriesAsync(tenant, $"from={At(Yesterday)}&to={At(Today)}&granularity=hour&group_by=user");
        Assert.Equal(
            new[] { (10, user, 66L, 666L, 1800L), (10, other, 7, 9, 900), (11, user, 35, 335, 1800) }.OrderBy(r => r.Item1).ThenBy(r => r.Item2.ToString(), StringComparer.Ordinal),
            hours.Select(p => (DateTimeOffset.Parse(p!["start"]!.ToString()).Hour, Guid.Parse(p["user_id"]!.ToString()), Number(p, "rx_bytes"), Number(p, "tx_bytes"), Number(p, "connected_seconds"))));

        var regions = (await UsageAsync(tenant, $"from={At(Yesterday)}&to={At(Today)}&group_by=region"))["series"]!.AsArray();
        Assert.Equal([("eu-west", 7L, 900L), ("us-east", 101, 3600)], regions.Select(p => (p!["region"]!.ToString(), Number(p, "rx_bytes"), Number(p, "connected_seconds"))));
        var whole = Assert.Single((await UsageAsync(tenant, $"from={At(Yesterday)}&to={At(Today)}"))["series"]!.AsArray())!;
        Assert.Equal((108L, 1010L, 4500L, 2L), (Number(whole, "rx_bytes"), Number(whole, "tx_bytes"), Number(whole, "connected_seconds"), Number(whole, "active_users")));
        Assert.Equal(["active_users", "connected_seconds", "rx_bytes", "start", "tx_bytes"], whole.AsObject().Select(m => m.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task the_current_period_is_the_month_until_now_and_counts_open_sessions()
    {
        var tenant = await stack.NewTenantAsync();
        var server = await ServerAsync("us-east");
        var now = DateTimeOffset.UtcNow;
        var month = new DateTimeOffset(now.Year, now.Month, 1, 0, 0, 0, TimeSpan.Zero);
        // Begun before the month, and open; and one that begins in a while, as a clock that was set back has it.
        var open = await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, month.AddHours(-1));
        await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, now.AddHours(1));
        await events.MeterAsync(tenant.Id, server, now.AddSeconds(-15), now, new Sample(open.Number, 1_500_000_000, 700_000_001));
        await CaughtUpAsync();
        var period = (await UsageAsync(tenant, ""))["current_period"]!;
        Assert.Equal(
            ["active_users", "api_calls", "bandwidth_gb", "connection_hours", "from", "rx_bytes", "to", "tx_bytes"], period.AsObject().Select(m => m.Key).Order(StringComparer.Ordinal));
        Assert.Equal((1_500_000_000L, 700_000_001L, 2.200000001m, 2L), (Number(period, "rx_bytes"), Number(period, "tx_bytes"), period["bandwidth_gb"]!.GetValue<decimal>(), Number(period, "active_users")));
        Assert.Equal(month, DateTimeOffset.Parse(period["from"]!.ToString()));
        Assert.Equal((DateTimeOffset.UtcNow - month).TotalHours, period["connection_hours"]!.GetValue<double>(), 0.1);
        var days = (await UsageAsync(tenant, $"from={At(month.AddDays(-1))}&to={At(now.AddDays(2))}"))["series"]!.AsArray();
        Assert.Equal(3600, Number(days[0]!, "connected_seconds"));
        Assert.All(days, d => Assert.InRange(Number(d!, "connected_seconds"), 0, 86_400));
        Assert.Equal((DateTimeOffset.UtcNow - month).TotalHours + 1, days.Sum(d => Number(d!, "connected_seconds")) / 3600.0, 0.1);
    }

    [Fact]
    public async Task nothing_of_another_tenant_is_in_it_though_its_readings_name_the_same_session()
    {
        var (one, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var server = await ServerAsync("us-east");
        var theirs = await events.StartAsync(other.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday);
        await events.MeterAsync(other.Id, server, Yesterday, Yesterday.AddMinutes(1), new Sample(theirs.Number, 10, 10));
        await events.MeterAsync(one.Id, server, Yesterday, Yesterday.AddMinutes(1), new Sample(theirs.Number, 5, 5));
        await CaughtUpAsync();
        var range = $"from={At(Yesterday)}&to={At(Today)}&group_by=user";
        var (mine, others) = ((await UsageAsync(one, range))["series"]!.AsArray(), (await UsageAsync(other, range))["series"]!.AsArray());
        Assert.Equal((5L, null), (Number(Assert.Single(mine)!, "rx_bytes"), mine[0]!["user_id"]));
        Assert.Equal(10, Number(Assert.Single(others)!, "rx_bytes"));
    }

    [Fact]
    public async Task a_long_series_comes_in_pages()
    {
        var tenant = await stack.NewTenantAsync();
        var server = await ServerAsync("us-east");
        var sessions = new List<(Guid, long Number)>();
        for (var i = 0; i < 3; i++) sessions.Add(await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday));
        for (var hour = 0; hour < 4; hour++) await events.MeterAsync(tenant.Id, server, Yesterday.AddHours(hour), Yesterday.AddHours(hour + 1), [.. sessions.Select(s => new Sample(s.Number, 1, 1))]);
        foreach (var (id, _) in sessions) await events.EndAsync(tenant.Id, id, Yesterday);
        await CaughtUpAsync();
        var (met, cursor) = (new List<(string, string)>(), "");
        do
        {
            var page = await UsageAsync(tenant, $"from={At(Yesterday)}&to={At(Today)}&granularity=hour&group_by=user&limit=5&cursor={cursor}");
            met.AddRange(page["series"]!.AsArray().Select(p => (p!["start"]!.ToString(), p["user_id"]!.ToString())));
            cursor = page["next_cursor"]?.ToString();
        }
        while (cursor is not null);

        Assert.Equal(12, met.Count);
        Assert.Equal(met.Distinct().Order(), met);
    }

    [Theory]
    [InlineData("from=2026-03-01T00:00:00Z", "to")]
    [InlineData("granularity=day", "from to")]
    [InlineData("from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z&granularity=minute", "granularity")]
    [InlineData("from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z&group_by=tenant", "group_by")]
    [InlineData("from=2026-03-01T00:00:00Z&to=2026-04-02T00:00:00Z&granularity=hour", "to")]
    [InlineData("from=2025-03-01T00:00:00Z&to=2026-04-06T00:00:00Z&granularity=day", "to")]
    [InlineData("from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z&cursor=x", "cursor limit")]
    public async Task a_range_that_is_none_is_refused(string query, string fields)
    {
        var answer = await (await stack.NewTenantAsync()).SendAsync(HttpMethod.Get, "/api/v1/usage?" + query);
        answer.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(fields.Split(' '), answer.BadFields);
    }

    [Fact]
    public async Task the_dashboard_shows_the_last_thirty_days_a_table_and_what_happened()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var device = await (await tenant.NewUserAsync()).NewDeviceAsync();
        var server = await ServerAsync("us-east");
        var session = await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday.AddHours(3));
        await events.MeterAsync(tenant.Id, server, Yesterday.AddHours(3), Yesterday.AddHours(3.5), new Sample(session.Number, 400, 600));
        await CaughtUpAsync();
        var stats = (await owner.SendAsync(HttpMethod.Get, "/api/v1/tenant/dashboard/stats")).Is(HttpStatusCode.OK).Json;
        Assert.Equal((1000L, 1L, 1L, 0.000001m), (Number(stats, "bandwidth_bytes"), Number(stats, "active_users"), Number(stats, "online_now"), stats["bandwidth_gb"]!.GetValue<decimal>()));
        Assert.Equal(3, Number(Assert.Single(stats["peak_hours"]!.AsArray())!, "hour"));

        var csv = (await owner.SendAsync(HttpMethod.Get, $"/api/v1/tenant/dashboard/usage?format=csv&from={At(Yesterday)}&to={At(Today)}&group_by=region")).Is(HttpStatusCode.OK);
        Assert.StartsWith("text/csv", csv.Headers["Content-Type"], StringComparison.Ordinal);
        Assert.Equal($"start,region,rx_bytes,tx_bytes,connected_seconds,active_users\r\n{Yesterday:yyyy-MM-dd}T00:00:00Z,us-east,400,600,75600,1\r\n", csv.Body);
        foreach (var (accept, table) in new[] { ("text/csv;q=0", false), ("Text/CSV", true), ("application/json, text/csv;q=0.5", false), ("text/html, text/csv;q=0.9, */*;q=0.1", true) })
        {
            var answer = (await stack.SendAsync(HttpMethod.Get, "/api/v1/tenant/dashboard/usage", headers: [("Authorization", "Bearer " + owner.AccessToken), ("Accept", accept)])).Is(HttpStatusCode.OK);
            Assert.Equal(table, answer.Headers["Content-Type"].StartsWith("text/csv", StringComparison.Ordinal));
        }

        var accepted = await stack.SendAsync(HttpMethod.Get, "/api/v1/tenant/dashboard/usage", headers: [("Authorization", "Bearer " + owner.AccessToken), ("Accept", "text/csv")]);
        Assert.StartsWith("start,rx_bytes", accepted.Is(HttpStatusCode.OK).Body, StringComparison.Ordinal);
        Assert.NotEmpty((await owner.SendAsync(HttpMethod.Get, "/api/v1/tenant/dashboard/usage")).Is(HttpStatusCode.OK).Json["series"]!.AsArray());

        await events.EndAsync(tenant.Id, session.Id, Yesterday.AddHours(4), "device_revoked");
        await CaughtUpAsync();
        var (types, cursor) = (new List<JsonNode>(), "");
        do
        {
            var page = (await owner.SendAsync(HttpMethod.Get, $"/api/v1/tenant/dashboard/activity?limit=3&cursor={cursor}")).Is(HttpStatusCode.OK).Json;
            types.AddRange(page["activity"]!.AsArray().Select(a => a!));
            cursor = page["next_cursor"]?.ToString();
        }
        while (cursor is not null);
        Assert.Equal(["session_ended", "session_started", "device_registered", "user_registered"], types.Select(a => a["type"]!.ToString()));
        Assert.Equal((types[1]["user_id"]!.ToString(), "us-east", "device_revoked"), (types[0]["user_id"]!.ToString(), types[0]["region"]!.ToString(), types[0]["reason"]!.ToString()));
        Assert.Equal((device.Id, device.Region), (types[2]["device_id"]!.ToString(), types[2]["region"]!.ToString()));
    }

    [Fact]
    public async Task health_tells_how_far_the_read_models_are()
    {
        await CaughtUpAsync();
        var models = (await stack.HealthAsync()).Json["read_models"]!.AsArray();
        foreach (var name in new[] { "usage", "activity", "load" })
        {
            var model = models.Single(m => m!["name"]!.ToString() == name)!;
            Assert.Equal(("running", 0L), (model["state"]!.ToString(), Number(model, "dead_letters")));
        }

        var listed = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/read-models")).Is(HttpStatusCode.OK).Json["read_models"]!.AsArray();
        Assert.Contains(listed, m => m!["name"]!.ToString() == "usage" && Number(m, "position") > 0);
        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/read-models/usage/resume")).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/read-models/none/rebuild")).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task a_servers_load_is_what_all_tenants_did_there_by_the_hour()
    {
        var (one, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        // Long ago, where no other test has been; and on a server that is only theirs, whose peaks are exact.
        var at = Today.AddDays(-20).AddHours(Random.Shared.Next(20));
        foreach (var server in new[] { Guid.NewGuid(), await ServerAsync("us-east") })
        {
            var (a, b) = (await events.StartAsync(one.Id, Guid.NewGuid(), Guid.NewGuid(), server, at.AddMinutes(1)), await events.StartAsync(other.Id, Guid.NewGuid(), Guid.NewGuid(), server, at.AddMinutes(2)));
            await events.MeterAsync(one.Id, server, at.AddMinutes(30), at.AddMinutes(90), new Sample(a.Number, 100, 1001));
            await events.MeterAsync(other.Id, server, at.AddMinutes(30), at.AddMinutes(31), new Sample(b.Number, 7, 9));
            await events.EndAsync(one.Id, a.Id, at.AddMinutes(90));
            await events.EndAsync(one.Id, a.Id, at.AddMinutes(91)); // two nodes at the same time
            await events.EndAsync(other.Id, b.Id, at.AddMinutes(125));
            await CaughtUpAsync();
            await using var command = stack.Database.CreateCommand("select start, rx_bytes, tx_bytes, sessions_started, sessions_ended, peak_sessions from cvault.load_hours where server_id = $1 and start >= $2 and start < $2 + interval '3 hours' order by start");
            command.Parameters.Add(new() { Value = server });
            command.Parameters.Add(new() { Value = at });
            await using var reader = await command.ExecuteReaderAsync();
            var rows = new List<(DateTimeOffset, long, long, long, long, long)>();
            while (await reader.ReadAsync()) rows.Add((reader.GetFieldValue<DateTimeOffset>(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5)));
            if (server == await ServerAsync("us-east"))
            {
                var view = (await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/servers/{server}/load?from={At(at)}&to={At(at.AddHours(3))}")).Is(HttpStatusCode.OK).Json;
                Assert.Equal(rows, view["hours"]!.AsArray().Select(h => (DateTimeOffset.Parse(h!["start"]!.ToString()), Number(h, "rx_bytes"), Number(h, "tx_bytes"), Number(h, "sessions_started"), Number(h, "sessions_ended"), Number(h, "peak_sessions"))));
            }
            else
            {
                Assert.Equal([(at, 57L, 509L, 2L, 0L, 2L), (at.AddHours(1), 50, 501, 0, 1, 2), (at.AddHours(2), 0, 0, 0, 1, 1)], rows);
            }
        }

        (await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/servers/{Guid.NewGuid()}/load")).IsProblem(404, "NOT_FOUND");
        (await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/servers/{await ServerAsync("us-east")}/load?from={At(Today.AddDays(-90))}&to={At(Today)}")).IsProblem(400, "VALIDATION_FAILED");
    }

    /// <summary>A server of the region.</summary>
    private async Task<Guid> ServerAsync(string region)
    {
        var all = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200")).Json["servers"]!.AsArray();
        return Guid.Parse(all.First(s => s!["region"]!.ToString() == region)!["id"]!.ToString());
    }

    private async Task CaughtUpAsync()
    {
        await using var command = stack.Database.CreateCommand("select max(seq_id) from cvault.mt_events");
        var last = (long)(await command.ExecuteScalarAsync())!;
        await Stack.EventuallyAsync("the read models are there", TimeSpan.FromSeconds(20), async () =>
        {
            var models = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/read-models")).Json["read_models"]!.AsArray();
            return models.Where(m => m!["name"]!.ToString() is "usage" or "activity" or "load").All(m => Number(m!, "position") >= last);
        });
    }

    private static async Task<JsonNode> UsageAsync(TestTenant tenant, string query) => (await tenant.SendAsync(HttpMethod.Get, "/api/v1/usage?" + query)).Is(HttpStatusCode.OK).Json;

    private async Task<JsonArray> SeriesAsync(TestTenant tenant, string query)
    {
        await CaughtUpAsync();
        return (await UsageAsync(tenant, query))["series"]!.AsArray();
    }

    private static long Number(JsonNode node, string member) => node[member]!.GetValue<long>();

    private static string At(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'");
}
