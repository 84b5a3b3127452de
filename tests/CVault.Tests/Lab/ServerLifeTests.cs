using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Servers leave the pool: drained, then retired. With simulated servers of the tests' own, beside the lab's.</summary>
[Collection(Alone.Name)]
public sealed class ServerLifeTests(Stack stack, ITestOutputHelper output)
{
    private readonly string region = "life-" + Guid.NewGuid().ToString("N")[..8];

    [Fact]
    public async Task a_drained_servers_devices_move_where_there_is_room_and_then_it_can_be_retired()
    {
        const int devices = 70, roomInRegion = 40;
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 200 })).NewUserAsync();
        var old = await NewServerAsync("old", 200);
        var registered = await Task.WhenAll(Enumerable.Range(0, devices).Select(i => user.RegisterDeviceAsync($"D{i}", region)));
        var one = registered[0].Is(HttpStatusCode.Created).Text("device_id");
        Assert.All(registered, r => Assert.Equal((HttpStatusCode.Created, old), (r.Status, r.Text("server_id"))));
        (await ConnectAsync(user, one)).Is(HttpStatusCode.OK);
        (await PostAsync(old, "retire")).IsProblem(409, "CONFLICT");
        string? other = null;
        string[] others = [];
        try
        {
            others = await OthersAsync();
            await SetAsync(others, "maintenance");
            other = await NewServerAsync("other", roomInRegion);
            var drained = (await PostAsync(old, "drain")).Is(HttpStatusCode.OK);
            Assert.Equal(("draining", devices.ToString()), (drained.Text("status"), drained.Text("remaining")));

            // The region's other server fills up; the rest stay where they are, and their peers live on.
            await RemainAsync(old, devices - roomInRegion);
            Assert.Equal(roomInRegion.ToString(), (await ViewAsync(other)).Text("devices"));
            await Task.Delay(1000);
            await RemainAsync(old, devices - roomInRegion);
            (await PostAsync(old, "retire")).IsProblem(409, "CONFLICT");

            // Activated again, it keeps them, room elsewhere or not.
            Assert.Equal("active", (await PostAsync(old, "activate")).Is(HttpStatusCode.OK).Text("status"));
            Assert.Null((await ViewAsync(old)).Json["remaining"]);
            await SetAsync(others, "active");
            await Task.Delay(2500);
            Assert.Equal((devices - roomInRegion).ToString(), (await ViewAsync(old)).Text("devices"));

            (await PostAsync(old, "drain")).Is(HttpStatusCode.OK);
            await RemainAsync(old, 0);
        }
        finally
        {
            await SetAsync(others, "active");
        }

        // A moved device: a new config to fetch, its session over, and connecting works.
        var homes = (await user.SendAsync(HttpMethod.Get, "/api/v1/devices?limit=200")).Json["devices"]!.AsArray().Select(d => (Id: d!["device_id"]!.ToString(), Server: d["server_id"]!.ToString(), Ip: d["assigned_ip"]!.ToString())).ToArray();
        Assert.Equal(devices, homes.Length);
        Assert.DoesNotContain(homes, h => h.Server == old);
        Assert.Equal(roomInRegion, homes.Count(h => h.Server == other));
        Assert.Equal(devices, homes.Select(h => (h.Server, h.Ip)).Distinct().Count());
        Assert.Equal("disconnected", (await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Text("status"));
        Assert.Contains($"\nAddress = {homes.Single(h => h.Id == one).Ip}/32", (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{one}/config")).Text("config"), StringComparison.Ordinal);
        await stack.LiveAsync((await ConnectAsync(user, one)).Is(HttpStatusCode.OK), one);
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);

        await RetireAsync(old);
        Assert.DoesNotContain(old, (await user.Tenant.SendAsync(HttpMethod.Get, "/api/v1/servers?limit=200")).Body, StringComparison.Ordinal);
        Assert.Contains(old, (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200")).Body, StringComparison.Ordinal);
        (await PostAsync(old, "activate")).IsProblem(409, "CONFLICT");
        (await PostAsync(old, "drain")).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + old, new { status = "active" })).IsProblem(409, "CONFLICT");
        Assert.Equal("retired", (await PostAsync(old, "retire")).Is(HttpStatusCode.OK).Text("status"));
        await Stack.EventuallyAsync("no node keeps its link", TimeSpan.FromSeconds(15), async () => await LinksAsync(old) == 0);

        // A simulated server's key follows from its name: both may be used again, and then not twice.
        var again = await RegisterAsync("old", 10);
        Assert.Equal(HttpStatusCode.Created, again.Status);
        (await RegisterAsync("old", 10)).IsProblem(409, "CONFLICT");
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + again.Text("id"), new { status = "draining" })).IsProblem(400, "VALIDATION_FAILED");

        foreach (var home in homes) (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + home.Id)).Is(HttpStatusCode.OK);
        await RetireAsync(again.Text("id"));
        await RetireAsync(other);
    }

    [Fact]
    public async Task no_device_lands_on_a_server_while_it_is_being_retired()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 100 });
        var users = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => tenant.NewUserAsync()));
        var won = 0;
        for (var round = 0; round < 6; round++)
        {
            var server = await NewServerAsync("race" + round, 100);
            var retire = Task.Run(async () =>
            {
                await Task.Delay(round * 3);
                return await PostAsync(server, "retire");
            });
            var answers = await Task.WhenAll(users.Select(u => u.RegisterDeviceAsync("D", region)));
            var landed = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
            var retired = (await retire).Status == HttpStatusCode.OK;
            Assert.True(!retired || landed.Length == 0, $"{landed.Length} devices were given a server that is retired.");
            Assert.All(answers.Except(landed), a => Assert.True(a.Code is "SERVER_UNAVAILABLE" or "POOL_EXHAUSTED", a.Body));
            if (retired) won++;
            foreach (var (user, answer) in users.Zip(answers).Where(p => p.Second.Status == HttpStatusCode.Created)) (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + answer.Text("device_id"))).Is(HttpStatusCode.OK);
            await RetireAsync(server);
        }

        output.WriteLine($"retirement came first in {won} of 6 rounds");
    }

    [Fact]
    public async Task a_retirement_waits_for_a_device_that_is_just_landing()
    {
        var server = await NewServerAsync("landing", 10);
        await using (var connection = await stack.Database.OpenConnectionAsync())
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using (var grant = new Npgsql.NpgsqlCommand($"update cvault.addresses set device_id = gen_random_uuid() where server_id = '{server}' and number = 9", connection, transaction)) await grant.ExecuteNonQueryAsync();
            var retiring = PostAsync(server, "retire");
            await Task.Delay(500);
            Assert.False(retiring.IsCompleted, "Retired under a device that was just being given an address.");
            await transaction.CommitAsync();
            (await retiring).IsProblem(409, "CONFLICT");
        }

        await using (var back = stack.Database.CreateCommand($"update cvault.addresses set device_id = null where server_id = '{server}' and number = 9")) Assert.Equal(1, await back.ExecuteNonQueryAsync());
        await RetireAsync(server);
    }

    private Task<Answer> RegisterAsync(string name, int capacity) => stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", new
    {
        name = region + "-" + name, region, endpoint_host = "203.0.113.9", transport = "simulated", address_pool = "10.77.0.0/24", capacity,
    });

    private async Task<string> NewServerAsync(string name, int capacity)
    {
        var id = (await RegisterAsync(name, capacity)).Is(HttpStatusCode.Created).Text("id");
        await Stack.EventuallyAsync("the new server answers", TimeSpan.FromSeconds(30), async () => (await ViewAsync(id)).Text("status") == "active");
        return id;
    }

    /// <summary>What Wolverine has given to nodes.</summary>
    private async Task<long> LinksAsync(string server)
    {
        await using var command = stack.Database.CreateCommand("select count(*) from cvault.wolverine_node_assignments where id like '%' || $1 || '%'");
        command.Parameters.Add(new() { Value = server });
        return (long)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    private Task<Answer> PostAsync(string server, string verb) => stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/{verb}");

    private Task<Answer> ViewAsync(string server) => stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + server);

    private async Task RetireAsync(string server)
    {
        await Stack.EventuallyAsync("the empty server is retired", TimeSpan.FromSeconds(30), async () => (await PostAsync(server, "retire")).Status == HttpStatusCode.OK);
        Assert.Equal(("retired", "0"), ((await ViewAsync(server)).Text("status"), (await ViewAsync(server)).Text("devices")));
    }

    private Task RemainAsync(string server, int devices) => Stack.EventuallyAsync($"{devices} devices remain on the drained server", TimeSpan.FromSeconds(20), async () =>
        (await ViewAsync(server)) is var view && (view.Text("status"), view.Text("remaining")) == ("draining", devices.ToString()));

    /// <summary>The servers of other regions that take devices now: the lab's, and what another test may have left.</summary>
    private async Task<string[]> OthersAsync() =>
        [.. (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200")).Json["servers"]!.AsArray()
            .Where(s => s!["status"]!.ToString() == "active" && s["region"]!.ToString() != region).Select(s => s!["id"]!.ToString())];

    private async Task SetAsync(string[] servers, string status)
    {
        foreach (var server in servers) (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + server, new { status })).Is(HttpStatusCode.OK);
    }

    private static Task<Answer> ConnectAsync(TestUser user, string deviceId) => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = deviceId });
}
