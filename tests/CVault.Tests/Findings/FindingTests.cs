using System.Net;
using System.Security.Cryptography;
using System.Text;
using CVault.Devices;
using CVault.Tests.Lab;

namespace CVault.Tests.Findings;

/// <summary>One test for each line of FINDINGS.md.</summary>
[Collection(Alone.Name)]
public sealed class FindingTests(Stack stack)
{
    [Fact]
    public async Task f001_opposite_moves_at_once_leave_each_address_with_one_device()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var users = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => tenant.NewUserAsync()));
        var devices = new TestDevice[users.Length];
        for (var i = 0; i < users.Length; i++) devices[i] = await users[i].NewDeviceAsync(region: i % 2 == 0 ? "us-east" : "eu-west");

        for (var round = 0; round < 4; round++)
        {
            var moved = await Task.WhenAll(users.Select((user, i) => user.SendAsync(
                HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = devices[i].Id, server_region = (i + round) % 2 == 0 ? "eu-west" : "us-east" }, Guid.NewGuid().ToString())));
            Assert.All(moved, m => Assert.True(m.Status == HttpStatusCode.OK || m.Code == "CONFLICT", m.Body));
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
    }

    [Fact]
    public async Task f002_no_device_takes_a_servers_own_key_and_no_refused_row_takes_a_server_down()
    {
        LabClient.Required();
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        var serversKey = (await LabServer.Vpn1.ViewAsync(stack)).Text("public_key");
        (await user.RegisterDeviceAsync("Poison", "us-east", serversKey)).IsProblem(409, "CONFLICT");
        (await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key", new { public_key = serversKey })).IsProblem(409, "CONFLICT");

        // A row that the server is sure to refuse, however it came to be there.
        var server = await LabServer.Vpn1.IdAsync(stack);
        await ExecuteAsync($"insert into cvault.peers select server_id, '{serversKey}', gen_random_uuid(), user_id, tenant_id, '10.8.255.9/32', preshared_key, true, false, nextval('cvault.peer_revision'), 0, now() from cvault.peers where device_id = '{device.Id}'");
        try
        {
            for (var i = 0; i < 3; i++) await (await (await stack.NewTenantAsync()).NewUserAsync()).NewDeviceAsync(region: "us-east");
            (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/resync")).Is(HttpStatusCode.Accepted);
            await Task.Delay(TimeSpan.FromSeconds(3));
            await (await (await stack.NewTenantAsync()).NewUserAsync()).NewDeviceAsync(region: "us-east");
            Assert.Equal("active", (await LabServer.Vpn1.ViewAsync(stack)).Text("status"));
        }
        finally
        {
            await ExecuteAsync($"delete from cvault.peers where public_key = '{serversKey}'");
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
    }

    [Fact]
    public async Task f003_a_key_registered_again_while_its_old_peer_goes_is_the_new_devices_alone()
    {
        LabClient.Required();
        var tenant = await stack.NewTenantAsync();
        var (one, two) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var (key, _) = WireGuardKeys.NewPair();
        var first = (await one.RegisterDeviceAsync("First", "eu-west", key)).Is(HttpStatusCode.Created).Text("device_id");
        string second;
        await LabServer.Vpn2.CutManagementAsync();
        try
        {
            (await one.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + first)).Is(HttpStatusCode.OK);
            second = (await two.RegisterDeviceAsync("Second", "us-east", key)).Is(HttpStatusCode.Created).Text("device_id");
            await two.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = second, server_region = "eu-west" });
        }
        finally
        {
            await LabServer.Vpn2.HealManagementAsync();
        }

        await Stack.EventuallyAsync("vpn2 answers again", TimeSpan.FromSeconds(30), async () => (await LabServer.Vpn2.ViewAsync(stack)).Text("status") == "active");
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(15), []);
        (await two.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + second)).Is(HttpStatusCode.OK);
        await Stack.EventuallyAsync("the key is on no server", TimeSpan.FromSeconds(15), async () => !await LabServer.Vpn1.HasAsync(key) && !await LabServer.Vpn2.HasAsync(key));
        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
    }

    [Fact]
    public async Task f004_no_device_registered_during_a_suspension_stays_on_a_server()
    {
        LabClient.Required();
        for (var round = 0; round < 8; round++)
        {
            var tenant = await stack.NewTenantAsync();
            var users = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => tenant.NewUserAsync()));
            var registrations = users.Select(u => u.RegisterDeviceAsync()).ToArray();
            var suspension = stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id);
            await Task.WhenAll([.. registrations, suspension]);
            (await suspension).Is(HttpStatusCode.OK);
            Assert.Equal(0L, await CountAsync($"select count(*) from cvault.peers where tenant_id = '{tenant.Id}' and wanted and not suspended"));
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), []);
    }

    [Fact]
    public async Task f005_the_stored_hash_of_a_body_is_of_no_use_without_the_key()
    {
        var tenant = await stack.NewTenantAsync();
        var key = Guid.NewGuid().ToString();
        const string body = """{"email":"alice@corp.example","password":"Summer2026!"}""";
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", body, key)).Is(HttpStatusCode.Created);
        var plain = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)));
        Assert.Equal(0L, await CountAsync($"select count(*) from cvault.idempotency_keys where encode(request_hash, 'hex') = '{plain}'"));
        Assert.Equal("true", (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", body, key)).Headers["Idempotent-Replayed"]);
    }

    [Fact]
    public async Task f006_no_refresh_outlives_the_revocation_of_its_family()
    {
        var tenant = await stack.NewTenantAsync();
        for (var round = 0; round < 5; round++)
        {
            var user = await tenant.NewUserAsync();
            var live = (await RefreshAsync(tenant, user.RefreshToken)).Is(HttpStatusCode.OK).Text("refresh_token");
            await ExecuteAsync($"update cvault.refresh_tokens set used_at = now() - interval '1 minute' where user_id = '{user.Id}' and used_at is not null");

            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => RefreshAsync(tenant, user.RefreshToken)).Concat(Enumerable.Range(0, 6).Select(_ => RefreshAsync(tenant, live))));

            Assert.Equal(0L, await CountAsync($"select count(*) from cvault.refresh_tokens where user_id = '{user.Id}'"));
        }
    }

    [Theory]
    [InlineData("dns", "fe80::1%\nPostUp = id")]
    [InlineData("dns", "0x7f.1")]
    [InlineData("endpoint_host", "fe80::1%a\nPostUp=x")]
    [InlineData("endpoint_host", "a b")]
    [InlineData("ssh_host", "fe80::1%a\nx")]
    [InlineData("address_pool", "10.8.0.1/16")]
    [InlineData("address_pool6", "fd00::%a\n/64")]
    public async Task f007_nothing_of_a_server_can_become_a_line_of_a_config(string field, string value)
    {
        var body = new System.Text.Json.Nodes.JsonObject { ["name"] = "f007", ["region"] = "moon", ["endpoint_host"] = "203.0.113.1", ["ssh_host"] = "203.0.113.1" };
        body[field] = field == "dns" ? new System.Text.Json.Nodes.JsonArray(value) : value;
        var answer = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", body);
        answer.IsProblem(400, "VALIDATION_FAILED");
        Assert.Contains(field, answer.BadFields);
    }

    [Fact]
    public async Task f008_a_flood_of_logins_with_keys_leaves_connections_for_the_others()
    {
        var (loud, quiet) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var user = await quiet.NewUserAsync();
        var start = RunningTime.Start();
        var flood = Task.WhenAll(Enumerable.Range(0, 240).Select(i =>
            loud.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = $"u{i}@example.com", password = Scenarios.Password }, Guid.NewGuid().ToString())));
        var slowest = TimeSpan.Zero;
        while (!flood.IsCompleted)
        {
            var asked = RunningTime.Start();
            (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK);
            slowest = TimeSpan.FromTicks(Math.Max(slowest.Ticks, asked.Elapsed.Ticks));
        }

        Assert.All(await flood, a => a.IsProblem(401, "INVALID_CREDENTIALS"));
        // Behind the whole flood it would wait for about as long as the flood lasts, on any machine.
        Assert.True(slowest < start.Elapsed / 2, $"A read waited {slowest.TotalSeconds:0.00} s of a flood of {start.Elapsed.TotalSeconds:0.00} s.");
    }

    [Fact]
    public async Task f009_a_server_is_registered_once()
    {
        LabClient.Required();
        var vpn2 = (await LabServer.Vpn2.ViewAsync(stack)).Json;
        var again = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", new
        {
            name = "vpn2-again", region = "eu-west", endpoint_host = "198.51.100.12", ssh_host = vpn2["ssh_host"]!.ToString(), ssh_host_key = vpn2["ssh_host_key"]!.ToString(),
        });
        again.IsProblem(409, "CONFLICT");
    }

    [Fact]
    public async Task f010_a_drain_whose_target_nobody_can_answer_for_ends_no_process_and_goes_on_later()
    {
        var region = "f010-" + Guid.NewGuid().ToString("N")[..8];
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var from = await NewServerAsync(region, "from");
        var device = (await user.RegisterDeviceAsync(region: region)).Is(HttpStatusCode.Created).Text("device_id");
        var to = await NewServerAsync(region, "to");
        var pid = StackProcess.Api;
        await using (var connection = await stack.Database.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using (var command = connection.CreateCommand())
            {
                command.CommandText = $"select 1 from cvault.addresses where server_id = '{to}' for update";
                await command.ExecuteNonQueryAsync();
            }

            (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{from}/drain")).Is(HttpStatusCode.OK);
            await Task.Delay(TimeSpan.FromSeconds(5));
            await transaction.RollbackAsync();
        }

        await Stack.EventuallyAsync("the device is at home on the other server", TimeSpan.FromSeconds(15), async () => await CountAsync($"select count(*) from cvault.addresses where server_id = '{to}' and device_id = '{device}'") == 1);
        Assert.Equal(pid, StackProcess.Api);
        await EndAsync(user, device, from, to);
    }

    [Fact]
    public async Task f011_connections_lost_while_a_servers_change_is_read_end_no_process()
    {
        var region = "f011-" + Guid.NewGuid().ToString("N")[..8];
        var server = await NewServerAsync(region, "one");
        var pid = StackProcess.Api;
        for (var i = 0; i < 100; i++)
        {
            await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + server, new { capacity = 100 + i });
            await ExecuteAsync("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'cvault' and query like '%mt_doc_server%'");
        }

        await Stack.EventuallyAsync("the server answers", TimeSpan.FromSeconds(15), async () => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + server)) is { Status: HttpStatusCode.OK } view && view.Text("status") == "active");
        Assert.Equal(pid, StackProcess.Api);
        await EndAsync(null, null, server);
    }

    [Fact]
    public async Task f012_a_device_that_goes_to_and_fro_takes_no_more_than_its_own_addresses()
    {
        var (here, there) = ("f012-" + Guid.NewGuid().ToString("N")[..8], "f012-" + Guid.NewGuid().ToString("N")[..8]);
        var servers = new[] { await NewServerAsync(here, "one"), await NewServerAsync(there, "one") };
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = (await user.RegisterDeviceAsync(region: here)).Is(HttpStatusCode.Created);
        var device = first.Text("device_id");
        for (var round = 0; round < 6; round++)
        {
            var answer = (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device, server_region = round % 2 == 0 ? there : here })).Is(HttpStatusCode.OK);
            if (round % 2 == 1) Assert.Equal(first.Text("assigned_ip"), answer.Text("assigned_ip"));
            await Stack.EventuallyAsync("the move is over", TimeSpan.FromSeconds(10), async () => await CountAsync($"select count(*) from cvault.addresses where device_id = '{device}'") == 1);
        }

        Assert.Equal(2, await CountAsync($"select count(*) from cvault.addresses where server_id in ('{servers[0]}', '{servers[1]}') and (device_id is not null or free_from > now())"));
        await EndAsync(user, device, servers);
    }

    [Fact]
    public async Task f013_each_connection_to_a_server_owns_it_with_a_greater_epoch_so_that_the_last_ones_frames_are_refused()
    {
        LabClient.Required();
        var server = await LabServer.Vpn1.IdAsync(stack);
        var before = await CountAsync($"select epoch from cvault.server_links where server_id = '{server}'");
        await LabServer.Vpn1.RestartSshdAsync();
        await Stack.EventuallyAsync("the link is up by another connection", TimeSpan.FromSeconds(20), async () => await CountAsync($"select count(*) from cvault.server_links where server_id = '{server}' and state = 'up' and epoch > {before}") == 1);
        var owner = (await Stack.OnAsync("vpn1", ["cat", "/var/lib/cvault-wg/wg0.owner"])).Text.Trim();
        Assert.Equal(await CountAsync($"select epoch from cvault.server_links where server_id = '{server}'"), long.Parse(owner));
    }

    [Fact]
    public async Task f014_a_revoked_devices_session_ends_though_the_database_fails_at_first()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK);
        await using (var connection = await stack.Database.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using (var command = connection.CreateCommand())
            {
                command.CommandText = "lock table cvault.mt_doc_session in access exclusive mode";
                await command.ExecuteNonQueryAsync();
            }

            (await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)).Is(HttpStatusCode.OK);
            // Marten itself repeats a reading that lost its connection three times: more than that, or nothing is tried.
            var ended = 0L;
            await Stack.EventuallyAsync("the message failed", TimeSpan.FromSeconds(20), async () =>
                (ended += await CountAsync("select count(pg_terminate_backend(pid)) from pg_locks where relation = 'cvault.mt_doc_session'::regclass and not granted")) > 5);

            await transaction.RollbackAsync();
        }

        await Stack.EventuallyAsync("the session is over", TimeSpan.FromSeconds(30), async () => await CountAsync($"select count(*) from cvault.mt_doc_session where data->>'deviceId' = '{device.Id}' and data->>'endReason' = 'device_revoked'") == 1);
    }

    [Fact]
    public async Task f015_a_device_registered_into_a_suspension_is_not_called_live()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        await user.NewDeviceAsync();
        Task<Answer> registering;
        await using (var connection = await stack.Database.OpenConnectionAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using (var command = connection.CreateCommand())
            {
                command.CommandText = $"select 1 from cvault.quotas where subject = '{user.Id}' for update";
                await command.ExecuteNonQueryAsync();
            }

            registering = user.RegisterDeviceAsync("Late");
            await Stack.EventuallyAsync("the registration waits for its slot", TimeSpan.FromSeconds(5), async () => await CountAsync("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%quotas%'") > 0);
            (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "suspended" })).Is(HttpStatusCode.OK);
            await transaction.RollbackAsync();
        }

        Assert.Equal("pending", (await registering).Is(HttpStatusCode.Created).Text("peer_status"));
    }

    [Fact]
    public async Task f016_a_key_that_was_replaced_before_its_time_never_signs()
    {
        var tenant = await stack.NewTenantAsync();
        var first = await SignsAsync();
        var early = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/signing-keys")).Is(HttpStatusCode.Created);
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/signing-keys/" + first)).Is(HttpStatusCode.OK);
        var second = await SignsAsync();
        Assert.DoesNotContain(second, new[] { first, early.Text("kid") });

        while (DateTimeOffset.UtcNow <= DateTimeOffset.Parse(early.Text("signs_from"))) await Task.Delay(200);
        Assert.Equal(second, await SignsAsync());
        var next = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/signing-keys")).Is(HttpStatusCode.Created);
        var signs = await SignsAsync();
        Assert.True(signs == second || DateTimeOffset.UtcNow >= DateTimeOffset.Parse(next.Text("signs_from")), $"{signs} signs, which was replaced by {second}.");

        async Task<string> SignsAsync() => new Microsoft.IdentityModel.JsonWebTokens.JsonWebToken((await tenant.NewUserAsync()).AccessToken).Kid;
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task f017_no_rotation_hands_on_a_session_that_ends_meanwhile(bool rotatesFirst)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK);
        Func<Task<Answer>>[] both =
        [
            () => user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key"),
            () => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", new { device_id = device.Id }),
        ];
        if (!rotatesFirst) Array.Reverse(both);

        // Both wait for the device's meter, in this order.
        Task<Answer>[] answers;
        await using (var connection = await stack.Database.OpenConnectionAsync(TestContext.Current.CancellationToken))
        {
            await using var halt = await connection.BeginTransactionAsync();
            await using (var hold = new Npgsql.NpgsqlCommand("select 1 from cvault.peer_meters where device_id = $1 for update", connection, halt))
            {
                hold.Parameters.Add(new() { Value = Guid.Parse(device.Id) });
                Assert.Equal(1, await hold.ExecuteScalarAsync());
            }

            var first = both[0]();
            await Task.Delay(TimeSpan.FromSeconds(1));
            answers = [first, both[1]()];
            await Task.Delay(TimeSpan.FromSeconds(1));
            Assert.All(answers, a => Assert.False(a.IsCompleted));
            await halt.CommitAsync();
        }

        foreach (var answer in answers) (await answer).Is(HttpStatusCode.OK);
        Assert.Equal(0, await CountAsync($"select count(*) from cvault.peer_meters where device_id = '{device.Id}' and session_live"));

        // As nodes of before the mend left them.
        await ExecuteAsync($"update cvault.peer_meters set session_live = true, session_at = now() - interval '1 hour' where device_id = '{device.Id}' and session_id is not null");
        await Stack.EventuallyAsync("a row whose session has ended is set right", TimeSpan.FromSeconds(30), async () =>
            await CountAsync($"select count(*) from cvault.peer_meters where device_id = '{device.Id}' and session_live") == 0);
    }

    private async Task<string> NewServerAsync(string region, string name)
    {
        var id = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", new
        {
            name = region + "-" + name, region, endpoint_host = "203.0.113.9", transport = "simulated", address_pool = "10.77.0.0/28", capacity = 10,
        })).Is(HttpStatusCode.Created).Text("id");
        await Stack.EventuallyAsync("the new server answers", TimeSpan.FromSeconds(10), async () => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + id)).Text("status") == "active");
        return id;
    }

    /// <summary>Nothing of the test's own stays for the tests after it.</summary>
    private async Task EndAsync(TestUser? user, string? device, params string[] servers)
    {
        if (device is not null) (await user!.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device)).Is(HttpStatusCode.OK);
        foreach (var server in servers)
        {
            await Stack.EventuallyAsync("the empty server is retired", TimeSpan.FromSeconds(10), async () => (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/retire")).Status == HttpStatusCode.OK);
        }
    }

    private static Task<Answer> RefreshAsync(TestTenant tenant, string token) => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = token });

    private async Task ExecuteAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
