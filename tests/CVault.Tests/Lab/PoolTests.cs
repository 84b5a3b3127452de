using System.Diagnostics;
using System.Net;
using CVault.IpLeases;
using Npgsql;

namespace CVault.Tests.Lab;

/// <summary>A pool to its last address, on a simulated server of its own.</summary>
[Collection(Alone.Name)]
public sealed class PoolTests(Stack stack, ITestOutputHelper output)
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("CVAULT_TEST_FULL") == "1";
    private readonly string region = "pool-" + Guid.NewGuid().ToString("N")[..8];

    /// <summary>The size that a full run has is 65,000 leases on a /16; else 3,900 on a /20.</summary>
    [Fact]
    public async Task the_last_hundred_go_to_a_hundred_and_granting_them_takes_no_longer_than_the_first()
    {
        var (prefix, size) = Full ? (16, 65_533) : (20, 4_093);
        var server = await NewServerAsync(prefix, size);
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000 });
        var users = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => tenant.NewUserAsync()));

        // Beside one another, so that whatever else the machine does slows both.
        var empty = await NewServerAsync(prefix, size, "empty");
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + empty, new { status = "maintenance" })).Is(HttpStatusCode.OK);
        await FillAsync(empty, size / 100);
        await FillAsync(server, size - 100);
        var (first, last) = await GrantAsync(empty, server);
        output.WriteLine($"a grant of {size}: {first.TotalMicroseconds:0} us at 1%, {last.TotalMicroseconds:0} us at {100.0 * (size - 100) / size:0.0}%, ratio {last / first:0.00}");

        var start = Stopwatch.GetTimestamp();
        var answers = await Task.WhenAll(Enumerable.Range(0, 500).Select(i => users[i % users.Length].RegisterDevicePatientlyAsync($"D{i}", region)));
        output.WriteLine($"500 for the last 100: {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
        var granted = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
        foreach (var refused in answers.Except(granted)) refused.IsProblem(503, "POOL_EXHAUSTED");
        Assert.Equal(100, granted.Length);
        Assert.Equal(100, granted.Select(a => a.Text("assigned_ip")).Distinct().Count());
        Assert.True(last <= first * 1.5, $"{last.TotalMicroseconds:0} us is more than 1.5 times {first.TotalMicroseconds:0} us.");

        await Task.WhenAll(granted.Select(a => users[Array.IndexOf(answers, a) % users.Length].SendAsync(HttpMethod.Delete, "/api/v1/devices/" + a.Text("device_id"))));
        foreach (var each in new[] { server, empty })
        {
            await ExecuteAsync($"update cvault.addresses set device_id = null where server_id = '{each}' and device_id is not null");
            await RetireAsync(each);
        }
    }

    /// <summary>What is only locked may come back: nobody is told of an exhausted pool by one who then rolls back.</summary>
    [Fact]
    public async Task a_row_that_a_rollback_gives_back_is_waited_for()
    {
        var server = await NewServerAsync(30, 10); // one address
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        Answer answer;
        await using (var connection = await stack.Database.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using (var taken = new NpgsqlCommand($"update cvault.addresses set device_id = gen_random_uuid() where server_id = '{server}'", connection, transaction)) Assert.Equal(1, await taken.ExecuteNonQueryAsync());
            var slow = await user.RegisterDeviceAsync("Waits in vain", region);
            slow.IsProblem(503, "SERVER_UNAVAILABLE");
            Assert.True(int.Parse(slow.Headers["Retry-After"]) > 0);
            var waiting = user.RegisterDeviceAsync("Waits", region);
            // Until somebody waits for this very transaction; then at once, since nobody waits for more than 2 s.
            await using (var waited = new NpgsqlCommand("do $$ begin while not exists (select from pg_locks where transactionid = pg_current_xact_id()::xid and not granted) loop perform pg_sleep(0.01); end loop; end $$", connection, transaction)) await waited.ExecuteNonQueryAsync();
            await transaction.RollbackAsync();
            answer = await waiting;
        }

        answer.Is(HttpStatusCode.Created);
        (await user.RegisterDeviceAsync("Too late", region)).IsProblem(503, "POOL_EXHAUSTED");
        (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + answer.Text("device_id"))).Is(HttpStatusCode.OK);
        await RetireAsync(server);
    }

    [Fact]
    public async Task a_region_full_by_capacity_is_exhausted_and_with_another_server_is_not()
    {
        var (one, two) = (await NewServerAsync(24, 3), "");
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 50 })).NewUserAsync();
        var racing = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => user.RegisterDeviceAsync("D", region)));
        Assert.Equal(3, racing.Count(a => a.Status == HttpStatusCode.Created));
        foreach (var refused in racing.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(503, "POOL_EXHAUSTED");
        two = await NewServerAsync(24, 1, "two");
        var more = (await user.RegisterDeviceAsync("D", region)).Is(HttpStatusCode.Created);
        Assert.Equal(two, more.Text("server_id"));
        foreach (var device in racing.Append(more).Where(a => a.Status == HttpStatusCode.Created)) await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Text("device_id"));
        await RetireAsync(one);
        await RetireAsync(two);
    }

    /// <summary>Holds addresses by rows alone, each by its own statement, as grants do: what an index keeps of them is then the same.</summary>
    private async Task FillAsync(string server, int upTo)
    {
        await ExecuteAsync($"""
            do $$ begin
              for i in 1 .. {upTo} - (select count(*) from cvault.addresses where server_id = '{server}' and device_id is not null) loop
                update cvault.addresses set device_id = gen_random_uuid() where server_id = '{server}' and number = (
                  select number from cvault.addresses where server_id = '{server}' and device_id is null and free_from <= now() order by free_from, number limit 1 for update skip locked);
                commit;
              end loop;
            end $$
            """);
    }

    /// <summary>The medians of the very statement that grants, taken by turns, each in a transaction that is rolled back.</summary>
    private async Task<(TimeSpan First, TimeSpan Second)> GrantAsync(string first, string second)
    {
        var times = new[] { new List<TimeSpan>(), new List<TimeSpan>() };
        await using var connection = await stack.Database.OpenConnectionAsync();
        for (var i = 0; i < 440; i++)
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var grant = new NpgsqlCommand(AddressPool.GrantSql("skip locked"), connection, transaction);
            grant.Parameters.Add(new() { Value = Guid.NewGuid() });
            grant.Parameters.Add(new() { Value = Guid.Parse(i % 2 == 0 ? first : second) });
            grant.Parameters.Add(new() { Value = DateTimeOffset.UtcNow });
            var start = Stopwatch.GetTimestamp();
            Assert.NotNull(await grant.ExecuteScalarAsync());
            if (i >= 40) times[i % 2].Add(Stopwatch.GetElapsedTime(start));
            await transaction.RollbackAsync();
        }

        return (Median(times[0]), Median(times[1]));

        static TimeSpan Median(List<TimeSpan> all) => all.Order().ElementAt(all.Count / 2);
    }

    private async Task<string> NewServerAsync(int prefix, int capacity, string name = "one")
    {
        var id = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", new
        {
            name = $"{region}-{name}", region, endpoint_host = "203.0.113.9", transport = "simulated", address_pool = $"10.80.0.0/{prefix}", capacity,
        })).Is(HttpStatusCode.Created).Text("id");
        await Stack.EventuallyAsync("the new server answers", TimeSpan.FromSeconds(30), async () => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + id)).Text("status") == "active");
        return id;
    }

    private Task RetireAsync(string server) => Stack.EventuallyAsync("the empty server is retired", TimeSpan.FromSeconds(10), async () =>
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/retire")).Status == HttpStatusCode.OK);

    private async Task ExecuteAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        command.CommandTimeout = 300;
        await command.ExecuteNonQueryAsync();
    }
}
