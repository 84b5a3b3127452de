using System.Net;
using System.Text.Json.Nodes;
using CVault.Billing;
using CVault.Metering;
using CVault.Projections.Billing;

namespace CVault.Tests.Api;

/// <summary>A read model made anew while events come in and requests read it (row 11).</summary>
[Collection(Alone.Name)]
public sealed class RebuildTests(Stack stack) : IAsyncDisposable
{
    private static readonly DateTimeOffset Yesterday = new(DateTimeOffset.UtcNow.UtcDateTime.Date.AddDays(-1), TimeSpan.Zero);
    private readonly EventStore events = new(stack);

    public ValueTask DisposeAsync() => events.DisposeAsync();

    [Theory]
    [InlineData("usage")]
    [InlineData("activity")]
    [InlineData("load")]
    public async Task a_rebuilt_model_equals_the_live_one_and_every_request_meanwhile_gets_a_full_answer(string name)
    {
        var (tenant, owner) = await stack.SignUpAsync();
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { requests_per_minute = 1_000_000 })).Is(HttpStatusCode.OK);
        var server = Guid.NewGuid();
        var sessions = new List<(Guid Id, long Number)>();
        for (var i = 0; i < 20; i++) sessions.Add(await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday.AddMinutes(i)));
        long sent = 0;
        async Task MeterAsync(int i)
        {
            await events.MeterAsync(tenant.Id, server, Yesterday.AddSeconds(15 * i), Yesterday.AddSeconds(15 * (i + 1)), [.. sessions.Select(s => new Sample(s.Number, 10, 5))]);
            Interlocked.Add(ref sent, 10 * sessions.Count);
        }

        for (var i = 0; i < 50; i++) await MeterAsync(i);
        for (var i = 0; i < 5; i++) await events.EndAsync(tenant.Id, sessions[i].Id, Yesterday.AddHours(2));
        await Stack.EventuallyAsync("the live model is there", TimeSpan.FromSeconds(20), async () => (await UsageAsync(tenant)).Rx == sent && (await ActivityAsync(owner)) == 25);

        using var over = new CancellationTokenSource();
        var (answers, last, wrong) = (0, sent, new List<string>());
        var writer = Task.Run(async () =>
        {
            for (var i = 50; !over.IsCancellationRequested; i++)
            {
                await MeterAsync(i);
                if (i % 10 == 0) sessions.Add(await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday));
            }
        });
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                // Half-built it would have less than there was before.
                var floor = Interlocked.Read(ref last);
                var (rx, sum) = await UsageAsync(tenant);
                if (rx < floor || sum < floor) lock (wrong) wrong.Add($"usage of {rx} and a series of {sum} where there were {floor} already");
                if (await ActivityAsync(owner) < 25) lock (wrong) wrong.Add("an activity feed without its beginning");
                Interlocked.Exchange(ref last, Math.Max(rx, floor));
                Interlocked.Increment(ref answers);
            }
        })).ToArray();

        for (var round = 0; round < Size.Of(2, 10); round++)
        {
            (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/read-models/{name}/rebuild")).Is(HttpStatusCode.Accepted);
            await Stack.EventuallyAsync("it is swapped in", TimeSpan.FromSeconds(60), async () =>
            {
                var model = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/read-models")).Json["read_models"]!.AsArray().Single(m => m!["name"]!.ToString() == name)!;
                Assert.Null(model["error"]);
                return model["rebuild"] is null;
            });
        }

        await over.CancelAsync();
        await Task.WhenAll([writer, .. readers]);
        Assert.Empty(wrong);
        Assert.True(answers > 10, "Hardly a request was made meanwhile.");
        await Stack.EventuallyAsync("all is in", TimeSpan.FromSeconds(20), async () => await UsageAsync(tenant) == (sent, sent));

        await Stack.EventuallyAsync("the rebuilt one too", TimeSpan.FromSeconds(20), async () =>
            await CountAsync($"select count(*) from cvault.read_models where name = '{name}' and position >= (select max(seq_id) from cvault.mt_events where tenant_id = '{tenant.Id}')") == 1);
        // Row by row, after one more with nothing going on.
        var of = name == "load" ? $"server_id = '{server}'" : $"tenant_id = '{tenant.Id}'";
        var live = await RowsAsync(name, of);
        Assert.NotEmpty(live);
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/read-models/{name}/rebuild")).Is(HttpStatusCode.Accepted);
        await Stack.EventuallyAsync("it is swapped in", TimeSpan.FromSeconds(60), async () =>
            (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/read-models")).Json["read_models"]!.AsArray().Single(m => m!["name"]!.ToString() == name)!["rebuild"] is null);
        Assert.Equal(live, await RowsAsync(name, of));
        Assert.Equal(0, await CountAsync($"select count(*) from pg_class c where relnamespace = 'cvault'::regnamespace and relname like '{name}%\\_next' and relkind = 'r'"));
        Assert.Equal(0, await CountAsync($"select count(*) from pg_class where relnamespace = 'cvault'::regnamespace and relname in ('usage_sessions', 'usage_hours', 'usage_days', 'activity') and not relforcerowsecurity"));
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {Size.Of(2, 10)} rebuilds, {answers} answers meanwhile, 0 of them from a half-built table; {live.Count} rows equal");
    }

    [Fact]
    public async Task usage_that_a_bill_is_being_made_of_is_not_swapped_under_it()
    {
        var tenant = await stack.NewTenantAsync();
        var server = Guid.NewGuid();
        var (_, number) = await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), server, Yesterday);
        await events.MeterAsync(tenant.Id, server, Yesterday, Yesterday.AddSeconds(15), [new Sample(number, 10, 5)]);
        await Stack.EventuallyAsync("it is counted", TimeSpan.FromSeconds(20), async () => (await UsageAsync(tenant)).Series == 10);
        var last = await CountAsync($"select max(seq_id) from cvault.mt_events where tenant_id = '{tenant.Id}'");

        await using (var billed = await TakeAsync())
        {
            // Before anything is read of it: what is swapped in later has nothing that its transaction can see.
            (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/read-models/usage/rebuild")).Is(HttpStatusCode.Accepted);
            await Stack.EventuallyAsync("the new one is filled", TimeSpan.FromSeconds(60), async () => await CountAsync($"select count(*) from cvault.read_models where name = 'usage' and next_position >= {last}") == 1);

            // The swap gives way to the bill, and requests and the live model do not wait for either.
            await events.MeterAsync(tenant.Id, server, Yesterday.AddSeconds(15), Yesterday.AddSeconds(30), [new Sample(number, 100, 50)]);
            await Stack.EventuallyAsync("what comes meanwhile is counted", TimeSpan.FromSeconds(20), async () => (await UsageAsync(tenant)).Series == 110);
            Assert.Equal(15, await TrafficAsync(billed));
            Assert.Equal(1, await CountAsync("select count(*) from cvault.read_models where name = 'usage' and next_position is not null"));
        }

        await Stack.EventuallyAsync("it is swapped in", TimeSpan.FromSeconds(60), async () => await CountAsync("select count(*) from cvault.read_models where name = 'usage' and next_position is null") == 1);
        await using var after = await TakeAsync();
        Assert.Equal(165, await TrafficAsync(after));

        Task<BillableUsage> TakeAsync() => BillableUsage.TakeAsync(stack.Database, Guid.Parse(tenant.Id), DateTimeOffset.UtcNow, last, CancellationToken.None);
        async Task<long> TrafficAsync(BillableUsage usage)
        {
            var day = DateOnly.FromDateTime(Yesterday.UtcDateTime);
            return (await usage.OfAsync([new TenantDays(Guid.Parse(tenant.Id), day, day.AddDays(1))], CancellationToken.None))[0].Single(u => u.Metric == Metric.Traffic).Quantity;
        }
    }

    private static async Task<(long Rx, long Series)> UsageAsync(TestTenant tenant)
    {
        var json = (await tenant.SendAsync(HttpMethod.Get, $"/api/v1/usage?from={Yesterday:yyyy-MM-dd}T00:00:00Z&to={Yesterday.AddDays(1):yyyy-MM-dd}T00:00:00Z")).Is(HttpStatusCode.OK).Json;
        var series = json["series"]!.AsArray().Sum(p => p!["rx_bytes"]!.GetValue<long>());
        // Yesterday may have been last month's.
        return (Yesterday.Month == DateTimeOffset.UtcNow.Month ? json["current_period"]!["rx_bytes"]!.GetValue<long>() : series, series);
    }

    private static async Task<int> ActivityAsync(TestMember owner) =>
        ((JsonArray)(await owner.SendAsync(HttpMethod.Get, "/api/v1/tenant/dashboard/activity?limit=200")).Is(HttpStatusCode.OK).Json["activity"]!).Count;

    private async Task<List<string>> RowsAsync(string name, string of)
    {
        string[] tables = name switch { "usage" => ["usage_sessions", "usage_hours", "usage_days", "usage_months"], "load" => ["load_hours", "load_sessions", "load_servers"], _ => ["activity"] };
        var rows = new List<string>();
        foreach (var table in tables)
        {
            await using var command = stack.Database.CreateCommand($"select t::text from cvault.{table} t where {of} order by 1");
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) rows.Add(table + reader.GetString(0));
        }

        return rows;
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
