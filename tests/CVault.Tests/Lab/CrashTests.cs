using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>The API and its database killed in the middle of work: nothing acknowledged is lost, nothing is done twice.</summary>
[Collection(Alone.Name)]
public sealed class CrashTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>Row 5: how soon a request is refused while there is no database. When the machine stands still once, one of each client takes longer.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    private TestTenant? tenant;
    private readonly int seed = int.TryParse(Environment.GetEnvironmentVariable("CVAULT_TEST_SEED"), out var given) ? given : Random.Shared.Next();

    /// <summary>Row 1 of the plan: 500 registrations and 10 kills, at full size 10,000 and 200.</summary>
    [Fact]
    public async Task the_api_killed_again_and_again_in_the_middle_of_registrations_loses_and_doubles_none()
    {
        LabClient.Required();
        var (registrations, kills) = (Size.Of(500, 10_000), Size.Of(10, 200));
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        var moments = Enumerable.Range(0, kills).Select(k => (int)((k + 0.1 + 0.9 * random.NextDouble()) * registrations / kills)).ToArray();
        var load = new Load(await UsersAsync(), registrations);
        var api = await ApiProcess.OfAsync(stack);

        var start = Stopwatch.GetTimestamp();
        var away = TimeSpan.Zero;
        var work = load.RunAsync();
        foreach (var moment in moments)
        {
            await Stack.EventuallyAsync($"{moment} registrations", TimeSpan.FromSeconds(60), () => Task.FromResult(load.Progress >= moment || work.IsCompleted));
            // Not only at the instant of an answer: anywhere in the middle of the others.
            await Task.Delay(random.Next(0, 40));
            var down = Stopwatch.GetTimestamp();
            await api.StartAsync();
            await api.HealthyAsync();
            away += Stopwatch.GetElapsedTime(down);
        }

        await work;
        output.WriteLine($"{kills} kills, each away for {away.TotalSeconds / kills:0.0} s; all acknowledged {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the first: {load}");
        var cut = load.Attempts.Count(a => a.Outcome == Outcome.Unknown);
        Assert.True(cut > kills, $"Only {cut} requests were under way at {kills} kills, so nothing was tested.");
        await AgreesAsync(load, registrations);
    }

    /// <summary>
    /// Row 2: the process ends, as by <c>kill -9</c>, at each of four named points, 3 times each, at full size 50, under
    /// load. A client that repeats with its key gets one device with one address, whichever point it was that it met.
    /// </summary>
    [Fact]
    public async Task the_api_ended_at_each_point_of_a_registration_answers_each_key_with_one_device()
    {
        LabClient.Required();
        string[] points = ["before-commit", "after-commit", "after-ssh", "before-response"];
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        using var enough = new CancellationTokenSource();
        // Each crash cuts off all clients, and on a slow machine one may be among them many times.
        var load = new Load(await UsersAsync(), 1_000_000) { Patience = TimeSpan.FromMinutes(10) };
        var api = await ApiProcess.OfAsync(stack);
        var work = load.RunAsync(enough.Token);
        var met = points.ToDictionary(p => p, _ => 0);
        try
        {
            for (var i = 0; i < points.Length * Size.Of(3, 50); i++)
            {
                var point = points[i % points.Length];
                var before = load.Attempts.Count(a => a.Outcome == Outcome.Unknown);
                // One batch over SSH confirms many, so that point comes by less often.
                await api.StartAsync(("CVAULT_FAIL_POINT", $"{point}:{random.Next(2, point == "after-ssh" ? 6 : 20)}"));
                Assert.True(await api.EndedAsync(TimeSpan.FromSeconds(120)) == 137, $"At {point} the API ended otherwise than by a kill.");
                await Task.Delay(50); // until its clients have noticed
                met[point] += load.Attempts.Count(a => a.Outcome == Outcome.Unknown) - before;
            }
        }
        finally
        {
            await enough.CancelAsync();
            await api.StartAsync();
            await api.HealthyAsync();
        }

        await work;
        output.WriteLine($"requests cut at {string.Join(", ", met.Select(m => $"{m.Key}: {m.Value}"))}; {load}");
        Assert.All(met, m => Assert.True(m.Value >= Size.Of(3, 50), $"Only {m.Value} requests were under way when the API ended {m.Key}."));
        await AgreesAsync(load, load.Keys);
    }

    /// <summary>Row 5: <c>pg_ctl -m immediate</c>, which is SIGQUIT, under load; once, at full size 20 times.</summary>
    [Theory, InlineData("QUIT", 20), InlineData("KILL", 1)]
    public async Task a_killed_database_is_answered_with_503_and_loses_nothing_acknowledged(string signal, int times)
    {
        LabClient.Required();
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        var users = await UsersAsync();
        var api = StackProcess.Api;
        using var enough = new CancellationTokenSource();
        var load = new Load(users, 1_000_000);
        var work = load.RunAsync(enough.Token);
        try
        {
            for (var i = 0; i < Size.Of(1, times); i++)
            {
                var before = load.Progress;
                await Stack.EventuallyAsync("60 registrations", TimeSpan.FromSeconds(30), () => Task.FromResult(load.Progress >= before + 60));
                await Task.Delay(random.Next(0, 200));
                await KillDatabaseAsync(signal, users, load);
            }
        }
        finally
        {
            await enough.CancelAsync();
        }

        await work;
        Assert.Equal(api, StackProcess.Api);
        output.WriteLine($"{load}");
        await AgreesAsync(load, load.Keys);
    }

    private async Task KillDatabaseAsync(string signal, TestUser[] users, Load load)
    {
        await StackProcess.SignalAsync(StackProcess.Postgres, signal);
        long gone;
        try
        {
            await Stack.EventuallyAsync("the database is gone", TimeSpan.FromSeconds(10), async () => !await DatabaseAnswersAsync());
            gone = Stopwatch.GetTimestamp();
            await Stack.EventuallyAsync("each client of the load was refused", TimeSpan.FromSeconds(5), () => Task.FromResult(load.Attempts.Count(a => a.Begun > gone) >= Load.Clients));
            var late = 0;
            for (var i = 0; i < 5; i++)
            {
                var asked = Stopwatch.GetTimestamp();
                var answer = await users[i].RegisterDeviceAsync();
                if (Stopwatch.GetElapsedTime(asked) > Soon) late++;
                answer.IsProblem(503, "SERVICE_UNAVAILABLE");
                Assert.True(answer.Headers.ContainsKey("Retry-After"), "No Retry-After.");
            }

            Assert.True(late <= 1, $"{late} of five requests were refused only after {Soon.TotalSeconds} s.");
            var health = await stack.SendAsync(HttpMethod.Get, "/health");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "unhealthy"), (health.Status, health.Text("status")));
            Assert.Equal(HttpStatusCode.OK, (await stack.SendAsync(HttpMethod.Get, "/health/live")).Status);
        }
        catch
        {
            await StackProcess.UpAsync();
            throw;
        }

        var still = Stopwatch.GetTimestamp();
        var refused = load.Attempts.Where(a => a.Within(gone, still)).ToArray();
        Assert.All(refused, a => Assert.Equal(HttpStatusCode.ServiceUnavailable, a.Answer?.Status));
        Assert.True(refused.Count(a => a.Took > Soon) <= Load.Clients, $"{refused.Count(a => a.Took > Soon)} of {refused.Length} requests were refused only after {Soon.TotalSeconds} s.");
        var up = StackProcess.UpAsync();
        await Stack.EventuallyAsync("the database is back", TimeSpan.FromSeconds(60), DatabaseAnswersAsync);
        var back = Stopwatch.GetTimestamp();
        await Stack.EventuallyAsync("the API is healthy again", TimeSpan.FromSeconds(10), async () => (await stack.SendAsync(HttpMethod.Get, "/health")).Text("status") == "healthy");
        output.WriteLine($"healthy {Stopwatch.GetElapsedTime(back).TotalSeconds:0.0} s after the database's return; of the load, {refused.Length} requests were sent and answered while it was away, in at most {refused.Max(a => a.Took).TotalMilliseconds:0} ms");
        await Stack.EventuallyAsync("registrations go on", TimeSpan.FromSeconds(10), () =>
        {
            var before = load.Progress;
            return Task.Delay(500).ContinueWith(_ => load.Progress > before, TaskScheduler.Default);
        });
        await up;
    }

    /// <summary>Row 5: for 3 s, at full size 60, and longer where few are cut in that time.</summary>
    [Fact]
    public async Task connections_to_the_database_cut_five_times_a_second_lose_and_double_nothing()
    {
        LabClient.Required();
        var load = new Load(await UsersAsync(), 1_000_000);
        using var enough = new CancellationTokenSource();
        var work = load.RunAsync(enough.Token);
        var (cut, few, time, start) = (0L, Size.Of(20, 400), Size.Seconds(3, 60), Stopwatch.GetTimestamp());
        try
        {
            while (Stopwatch.GetElapsedTime(start) < (cut > few ? time : time + TimeSpan.FromMinutes(1)))
            {
                await using var command = stack.Database.CreateCommand("select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where usename = current_user and application_name <> 'cvault-tests'");
                cut += (long)(await command.ExecuteScalarAsync())!;
                await Task.Delay(200);
            }
        }
        finally
        {
            await enough.CancelAsync();
        }

        await work;
        output.WriteLine($"{cut} connections cut: {load}");
        Assert.True(cut > few, $"Only {cut} connections were cut.");
        await Stack.EventuallyAsync("the API is healthy again", TimeSpan.FromSeconds(10), async () => (await stack.SendAsync(HttpMethod.Get, "/health")).Text("status") == "healthy");
        await AgreesAsync(load, load.Keys);
    }

    /// <summary>
    /// Every key was answered, always with one device; and within 30 s the servers, rows and events have all that was
    /// acknowledged and nothing else.
    /// </summary>
    private async Task AgreesAsync(Load load, int keys)
    {
        await load.RepeatAsync();
        load.IsConsistent();
        Assert.Equal(keys, load.Acknowledged.Count());
        await using var count = stack.Database.CreateCommand("select count(*) from cvault.mt_events where type = 'device_registered_v1' and tenant_id = $1");
        count.Parameters.Add(new() { Value = tenant!.Id });
        Assert.Equal((long)keys, await count.ExecuteScalarAsync());
        var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(30), load.Acknowledged);
        output.WriteLine($"{keys} keys, {load.Acknowledged.Count()} devices; servers, rows and events agree {settled.TotalSeconds:0.0} s later");
    }

    private async Task<TestUser[]> UsersAsync()
    {
        tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000, requests_per_minute = 1_000_000 });
        return await Task.WhenAll(Enumerable.Range(0, Size.Of(8, 32)).Select(_ => tenant.NewUserAsync()));
    }

    private async Task<bool> DatabaseAnswersAsync()
    {
        try
        {
            stack.Database.Clear();
            await using var command = stack.Database.CreateCommand("select 1");
            return await command.ExecuteScalarAsync() is 1;
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException)
        {
            return false;
        }
    }
}
