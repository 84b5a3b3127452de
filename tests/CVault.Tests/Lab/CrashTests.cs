using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>The API and its database killed in the middle of work: nothing acknowledged is lost, nothing is done twice.</summary>
[Collection(Alone.Name)]
public sealed class CrashTests(Stack stack, ITestOutputHelper output)
{
    private const int Clients = 8;
    private readonly int seed = int.TryParse(Environment.GetEnvironmentVariable("CVAULT_TEST_SEED"), out var given) ? given : Random.Shared.Next();

    [Fact]
    public async Task the_api_killed_three_times_in_the_middle_of_five_hundred_registrations_loses_and_doubles_none()
    {
        LabClient.Required();
        const int registrations = 500, kills = 3;
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var random = new Random(seed);
        var moments = Enumerable.Range(0, kills).Select(k => (k * registrations + random.Next(registrations / 10, registrations)) / kills).ToArray();
        var load = new Load(await UsersAsync(), registrations);

        var start = Stopwatch.GetTimestamp();
        var work = load.RunAsync();
        foreach (var moment in moments)
        {
            await Stack.EventuallyAsync($"{moment} registrations", TimeSpan.FromSeconds(60), () => Task.FromResult(load.Progress >= moment || work.IsCompleted));
            // Not only at the instant of an answer: anywhere in the middle of the others.
            await Task.Delay(random.Next(0, 40));
            var killed = load.Progress;
            StackProcess.Kill(StackProcess.Api);
            var down = Stopwatch.GetTimestamp();
            await StackProcess.UpAsync();
            output.WriteLine($"killed at {killed} of {registrations}, healthy again {Stopwatch.GetElapsedTime(down).TotalSeconds:0.0} s later");
        }

        await work;
        output.WriteLine($"all acknowledged {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the first: {load}");
        Assert.True(load.Attempts.Any(a => a.Outcome == Outcome.Unknown), "No request was under way at any kill, so nothing was tested.");
        await load.RepeatAsync();
        load.IsConsistent();
        Assert.Equal(registrations, load.Acknowledged.Count());
        var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(35), load.Acknowledged);
        output.WriteLine($"servers, rows and events agree {settled.TotalSeconds:0.0} s later");
    }

    [Theory, InlineData("QUIT"), InlineData("KILL")]
    public async Task a_killed_database_is_answered_with_503_and_loses_nothing_acknowledged(string signal)
    {
        LabClient.Required();
        output.WriteLine($"CVAULT_TEST_SEED={seed}");
        var users = await UsersAsync();
        var api = StackProcess.Api;
        using var enough = new CancellationTokenSource();
        var load = new Load(users, 1_000_000);
        var work = load.RunAsync(enough.Token);
        await Stack.EventuallyAsync("60 registrations", TimeSpan.FromSeconds(30), () => Task.FromResult(load.Progress >= 60));
        await Task.Delay(new Random(seed).Next(0, 200));

        // QUIT is what pg_ctl -m immediate sends.
        await StackProcess.SignalAsync(StackProcess.Postgres, signal);
        try
        {
            await Stack.EventuallyAsync("the database is gone", TimeSpan.FromSeconds(10), async () => !await DatabaseAnswersAsync());
            for (var i = 0; i < 5; i++)
            {
                var asked = Stopwatch.GetTimestamp();
                var answer = await users[i].RegisterDeviceAsync();
                Assert.InRange(Stopwatch.GetElapsedTime(asked), TimeSpan.Zero, TimeSpan.FromSeconds(2));
                answer.IsProblem(503, "SERVICE_UNAVAILABLE");
                Assert.True(answer.Headers.ContainsKey("Retry-After"), "No Retry-After.");
            }

            var health = await stack.SendAsync(HttpMethod.Get, "/health");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "unhealthy"), (health.Status, health.Text("status")));
            Assert.Equal(HttpStatusCode.OK, (await stack.SendAsync(HttpMethod.Get, "/health/live")).Status);
        }
        catch
        {
            await enough.CancelAsync();
            await StackProcess.UpAsync();
            throw;
        }

        var up = StackProcess.UpAsync();
        await Stack.EventuallyAsync("the database is back", TimeSpan.FromSeconds(60), DatabaseAnswersAsync);
        var back = Stopwatch.GetTimestamp();
        await Stack.EventuallyAsync("the API is healthy again", TimeSpan.FromSeconds(10), async () => (await stack.SendAsync(HttpMethod.Get, "/health")).Text("status") == "healthy");
        output.WriteLine($"healthy {Stopwatch.GetElapsedTime(back).TotalSeconds:0.0} s after the database's return");
        await Stack.EventuallyAsync("registrations go on", TimeSpan.FromSeconds(10), () =>
        {
            var before = load.Progress;
            return Task.Delay(500).ContinueWith(_ => load.Progress > before, TaskScheduler.Default);
        });
        await up;
        Assert.Equal(api, StackProcess.Api);

        await enough.CancelAsync();
        await work;
        output.WriteLine($"{load}");
        load.IsConsistent();
        var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(35), load.Acknowledged);
        output.WriteLine($"servers, rows and events agree {settled.TotalSeconds:0.0} s later");
    }

    [Fact]
    public async Task connections_to_the_database_cut_five_times_a_second_lose_and_double_nothing()
    {
        LabClient.Required();
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(8));
        var load = new Load(await UsersAsync(), 1_000_000);
        var work = load.RunAsync(enough.Token);
        var cut = 0L;
        while (!enough.IsCancellationRequested)
        {
            await using var command = stack.Database.CreateCommand("select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()");
            cut += (long)(await command.ExecuteScalarAsync())!;
            await Task.Delay(200);
        }

        await work;
        output.WriteLine($"{cut} connections cut: {load}");
        Assert.True(cut > 40, $"Only {cut} connections were cut.");
        load.IsConsistent();
        await Stack.EventuallyAsync("the API is healthy again", TimeSpan.FromSeconds(10), async () => (await stack.SendAsync(HttpMethod.Get, "/health")).Text("status") == "healthy");
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(35), load.Acknowledged);
    }

    private async Task<TestUser[]> UsersAsync()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000, requests_per_minute = 1_000_000 });
        return await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => tenant.NewUserAsync()));
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
