using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Many at once, refereed by PostgreSQL.</summary>
[Collection(Alone.Name)]
public sealed class FloodTests(Stack stack, ITestOutputHelper output)
{
    [Fact]
    public async Task two_hundred_registrations_at_once_are_two_hundred_addresses_and_peers()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 5, requests_per_minute = 1_000_000 });
        var users = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => tenant.NewUserAsync()));
        var before = (await LabServer.Vpn1.PeersAsync()).Count;

        var start = Stopwatch.GetTimestamp();
        var answers = await Task.WhenAll(users.SelectMany(user => Enumerable.Range(0, 5).Select(i => user.RegisterDevicePatientlyAsync($"Device {i}", "us-east"))));
        output.WriteLine($"200 at once: all answered after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s, {answers.Count(a => a.Status == HttpStatusCode.Created && a.Text("peer_status") == "live")} of them live");

        Assert.All(answers, a => a.Is(HttpStatusCode.Created));
        Assert.Equal(200, answers.Select(a => a.Text("assigned_ip")).Distinct().Count());
        Assert.Equal(200, answers.Select(a => a.Text("device_id")).Distinct().Count());
        var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), answers.Select(Acknowledged.Of));
        output.WriteLine($"on the server and in the rows {settled.TotalSeconds:0.0} s after the last answer");
        Assert.Equal(before + 200, (await LabServer.Vpn1.PeersAsync()).Count);
    }

    [Fact]
    public async Task fifty_registrations_at_once_for_a_user_who_may_have_five_are_five()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 5, requests_per_minute = 1_000_000 });
        var user = await tenant.NewUserAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => user.RegisterDeviceAsync($"Device {i}")));

        Assert.Equal(5, answers.Count(a => a.Status == HttpStatusCode.Created));
        foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        Assert.Equal(5, (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Json["devices"]!.AsArray().Count);
    }

    /// <summary>Row 10 of the plan: 64 registrations with one key from behind a barrier; then with another body.</summary>
    [Fact]
    public async Task one_idempotency_key_sent_sixty_four_times_at_once_is_one_device()
    {
        const int together = 64;
        var tenant = await stack.NewTenantAsync(new { requests_per_minute = 1_000_000 });
        var user = await tenant.NewUserAsync();
        var key = Guid.NewGuid().ToString();
        // Each has a connection already, so that none is late for having to open one.
        await Task.WhenAll(Enumerable.Range(0, together).Select(_ => stack.SendAsync(HttpMethod.Get, "/health")));
        using var barrier = new Barrier(together);

        var answers = await Task.WhenAll(Enumerable.Range(0, together).Select(_ => Task.Factory.StartNew(() =>
        {
            barrier.SignalAndWait();
            return user.RegisterDeviceAsync("Laptop", idempotencyKey: key);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()));

        foreach (var late in answers.Where(a => a.Status != HttpStatusCode.Created)) late.IsProblem(409, "CONFLICT");
        var created = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
        var first = Assert.Single(created, a => !a.Headers.ContainsKey("Idempotent-Replayed"));
        output.WriteLine($"of {together}: 1 made the device, {created.Length - 1} were answered with it again, {together - created.Length} with 409");
        var device = (first.Text("device_id"), first.Text("assigned_ip"));
        Assert.All(created, a => Assert.Equal(device, (a.Text("device_id"), a.Text("assigned_ip"))));
        foreach (var later in await Task.WhenAll(Enumerable.Range(0, together).Select(_ => user.RegisterDeviceAsync("Laptop", idempotencyKey: key))))
        {
            Assert.Equal((device.Item1, "true"), (later.Is(HttpStatusCode.Created).Text("device_id"), later.Headers.GetValueOrDefault("Idempotent-Replayed")));
        }

        foreach (var changed in await Task.WhenAll(Enumerable.Range(0, together).Select(i => user.RegisterDeviceAsync($"Phone {i}", idempotencyKey: key)))) changed.IsProblem(422, "IDEMPOTENCY_KEY_REUSED");
        Assert.Single((await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Json["devices"]!.AsArray());
        if (Stack.HasLab) await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), [Acknowledged.Of(first)]);
    }

    [Fact]
    public async Task the_last_addresses_of_a_pool_go_to_exactly_as_many_devices()
    {
        LabClient.Required();
        const int free = 100;
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000, requests_per_minute = 1_000_000 });
        var users = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => tenant.NewUserAsync()));
        var server = await LabServer.Vpn2.IdAsync(stack);
        // All but 100 of the 65,000 addresses rest for an hour, as if they had just been given back: those too that rest already.
        await ExecuteAsync($"update cvault.addresses set free_from = now() + interval '1 hour' where server_id = '{server}' and device_id is null and number not in (select number from cvault.addresses where server_id = '{server}' and device_id is null and free_from <= now() limit {free})");
        try
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 400).Select(i => users[i % 8].RegisterDevicePatientlyAsync($"Device {i}", "eu-west")));

            var granted = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
            foreach (var refused in answers.Except(granted)) refused.IsProblem(503, "POOL_EXHAUSTED");
            Assert.Equal(free, granted.Select(a => a.Text("assigned_ip")).Distinct().Count());
            Assert.Equal(free, granted.Length);

            // One goes; its address rests too, so nobody gets it yet.
            var first = granted.First(a => int.Parse(a.Text("device_name").Split(' ')[1]) % 8 == 0);
            (await users[0].SendAsync(HttpMethod.Delete, "/api/v1/devices/" + first.Text("device_id"))).Is(HttpStatusCode.OK);
            (await users[0].RegisterDeviceAsync("Too soon", "eu-west")).IsProblem(503, "POOL_EXHAUSTED");
            await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), granted.Where(a => a != first).Select(Acknowledged.Of));
        }
        finally
        {
            await ExecuteAsync($"update cvault.addresses set free_from = '-infinity' where server_id = '{server}' and free_from > now() + interval '30 minutes'");
        }
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
