using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>/api/v1/users</c> and <c>auth/external</c>: what a tenant's server does with its users.</summary>
public sealed class UserManagementTests(Stack stack)
{
    [Fact]
    public async Task a_tenants_server_sees_its_users_and_nobody_elses()
    {
        var tenant = await stack.NewTenantAsync();
        var (ada, ben) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var external = (await ExternalAsync(tenant, "customer-17", "carl@example.com")).Is(HttpStatusCode.Created).Text("user_id");
        await (await stack.NewTenantAsync()).NewUserAsync();

        var first = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/users?limit=2")).Is(HttpStatusCode.OK);
        var second = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/users?limit=2&cursor=" + first.Text("next_cursor"))).Is(HttpStatusCode.OK);
        var users = first.Json["users"]!.AsArray().Concat(second.Json["users"]!.AsArray()).ToDictionary(u => u!["id"]!.ToString(), u => u!);
        Assert.Equal(new[] { ada.Id, ben.Id, external }.Order(), users.Keys.Order());
        Assert.Null(second.Json["next_cursor"]);
        Assert.Equal((ada.Email, null, "active"), (users[ada.Id]["email"]!.ToString(), users[ada.Id]["external_user_id"]?.ToString(), users[ada.Id]["status"]!.ToString()));
        Assert.Equal(("carl@example.com", "customer-17"), (users[external]["email"]!.ToString(), users[external]["external_user_id"]!.ToString()));
        Assert.Equal(users[ben.Id].ToJsonString(), (await tenant.SendAsync(HttpMethod.Get, "/api/v1/users/" + ben.Id)).Is(HttpStatusCode.OK).Json.ToJsonString());
    }

    [Theory]
    [InlineData("GET", "/api/v1/users")]
    [InlineData("GET", "/api/v1/users/{id}")]
    [InlineData("DELETE", "/api/v1/users/{id}")]
    [InlineData("POST", "/api/v1/auth/external")]
    public async Task an_app_may_not(string method, string path)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var (verb, url, body) = (new HttpMethod(method), path.Replace("{id}", user.Id, StringComparison.Ordinal), method == "POST" ? new { external_user_id = "me" } : null);
        (await stack.SendAsync(verb, url, body, headers: ("X-API-Key", user.Tenant.PublishableKey))).IsProblem(403, "FORBIDDEN");
        (await user.SendAsync(verb, url, body)).IsProblem(403, "FORBIDDEN");
        (await stack.SendAsync(verb, url, body, headers: ("X-API-Key", user.Tenant.ApiKey))).IsProblem(401, "INVALID_API_KEY");
        (await stack.SendAsync(verb, url, body, headers: ("Authorization", "Bearer " + user.AccessToken))).IsProblem(401, "INVALID_API_KEY");
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + user.AccessToken))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task a_deleted_user_leaves_no_peer_no_session_no_login_and_nothing_to_read()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 1 });
        var user = await tenant.NewUserAsync();
        var devices = new[] { await user.NewDeviceAsync("One"), await user.NewDeviceAsync("Two"), await user.NewDeviceAsync("Three") };
        (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = devices[0].Id })).Is(HttpStatusCode.OK);
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = "another@example.com", password = Scenarios.Password })).IsProblem(403, "USER_LIMIT_EXCEEDED");

        Assert.Equal("deleted", (await tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + user.Id)).Is(HttpStatusCode.OK).Text("status"));
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).IsProblem(401, "UNAUTHENTICATED");
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).IsProblem(401, "UNAUTHENTICATED");
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).IsProblem(401, "INVALID_CREDENTIALS");
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/users/" + user.Id)).IsProblem(404, "NOT_FOUND");
        (await tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + user.Id)).IsProblem(404, "NOT_FOUND");
        Assert.Empty((await tenant.SendAsync(HttpMethod.Get, "/api/v1/users")).Json["users"]!.AsArray());

        await Stack.EventuallyAsync("the peers are gone from their servers, the data key from its table, and the session is over", TimeSpan.FromSeconds(20), async () =>
            await CountAsync("cvault.data_keys", user) == 0 && await CountAsync("cvault.peers", user) == 0
            && await CountAsync("cvault.mt_doc_session", user, "data ->> 'liveDevice' is not null and (data ->> 'userId')::uuid = $1") == 0);
        Assert.Equal(0L, await CountAsync("cvault.mt_doc_device", user, "data ->> 'status' = 'Active' and (data ->> 'userId')::uuid = $1"));
        foreach (var table in new[] { "mt_doc_usercredentials" }) Assert.Equal(0L, await CountAsync("cvault." + table, user, "id = $1"));
        Assert.Equal(0L, await CountAsync("cvault.refresh_tokens", user));
        // The place is free, and so is the email.
        Assert.NotEqual(user.Id, (await tenant.NewUserAsync(user.Email)).Id);
    }

    [Fact]
    public async Task a_device_that_is_being_registered_goes_with_its_user()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 50 });
        for (var round = 0; round < Size.Of(3, 30); round++)
        {
            var user = await tenant.NewUserAsync();
            var devices = Enumerable.Range(0, 8).Select(i => user.RegisterDeviceAsync("Device " + i)).ToArray();
            await Task.Delay(round * 5);
            (await tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + user.Id)).Is(HttpStatusCode.OK);
            await Task.WhenAll(devices);
            await Stack.EventuallyAsync("the data key is gone", TimeSpan.FromSeconds(20), async () => await CountAsync("cvault.data_keys", user) == 0);
            Assert.Equal(0L, await CountAsync("cvault.mt_doc_device", user, "data ->> 'status' = 'Active' and (data ->> 'userId')::uuid = $1"));
        }
    }

    /// <summary>The same, with the registration halted where it takes the user's slot.</summary>
    [Fact]
    public async Task a_deletion_waits_for_a_registration_under_way()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        await user.NewDeviceAsync();
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using var halt = await connection.BeginTransactionAsync();
        await using (var hold = new Npgsql.NpgsqlCommand("select 1 from cvault.quotas where subject = $1 for update", connection, halt))
        {
            hold.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
            Assert.Equal(1, await hold.ExecuteScalarAsync());
        }

        var registration = user.RegisterDeviceAsync("Late");
        await Task.Delay(TimeSpan.FromSeconds(1));
        var deletion = tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + user.Id);
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.False(deletion.IsCompleted, "The deletion waited for nothing."); // What it sends after it waits as well, here, and would find the device.
        await halt.CommitAsync();
        (await deletion).Is(HttpStatusCode.OK);
        await registration;
        await Stack.EventuallyAsync("the data key is gone", TimeSpan.FromSeconds(20), async () => await CountAsync("cvault.data_keys", user) == 0);
        Assert.Equal(0L, await CountAsync("cvault.mt_doc_device", user, "data ->> 'status' = 'Active' and (data ->> 'userId')::uuid = $1"));
    }

    [Fact]
    public async Task a_user_of_the_tenants_own_is_made_once_and_found_ever_after()
    {
        var tenant = await stack.NewTenantAsync();
        var first = (await ExternalAsync(tenant, "Kunde 17 / ä")).Is(HttpStatusCode.Created);
        var again = (await ExternalAsync(tenant, "Kunde 17 / ä")).Is(HttpStatusCode.OK);
        Assert.Equal(first.Text("user_id"), again.Text("user_id"));
        Assert.NotEqual(first.Text("user_id"), (await ExternalAsync(tenant, "kunde 17 / ä")).Is(HttpStatusCode.Created).Text("user_id"));
        Assert.NotEqual(first.Text("user_id"), (await ExternalAsync(await stack.NewTenantAsync(), "Kunde 17 / ä")).Is(HttpStatusCode.Created).Text("user_id"));

        var user = new TestUser(tenant, first.Text("user_id"), "", again.Text("access_token"), again.Text("refresh_token"));
        await user.NewDeviceAsync();
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.RefreshToken })).Is(HttpStatusCode.OK);
        (await user.SendAsync(HttpMethod.Post, "/api/v1/auth/password", new { current_password = "none at all", new_password = "a wholly new one" })).IsProblem(401, "INVALID_CREDENTIALS");
    }

    [Fact]
    public async Task sixty_four_at_once_are_one_user()
    {
        var tenant = await stack.NewTenantAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => ExternalAsync(tenant, "one and the same")));
        Assert.All(answers, a => Assert.True(a.Status is HttpStatusCode.OK or HttpStatusCode.Created, a.Body));
        Assert.Single(answers.Select(a => a.Text("user_id")).Distinct());
        Assert.Single(answers, a => a.Status == HttpStatusCode.Created);
        Assert.Single((await tenant.SendAsync(HttpMethod.Get, "/api/v1/users")).Json["users"]!.AsArray());
    }

    [Fact]
    public async Task a_users_email_and_a_tenants_word_for_one_never_meet()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var external = (await ExternalAsync(tenant, "a", user.Email)).Is(HttpStatusCode.Created);
        Assert.NotEqual(user.Id, external.Text("user_id"));
        Assert.NotEqual(user.Id, (await ExternalAsync(tenant, user.Email)).Is(HttpStatusCode.Created).Text("user_id"));
        Assert.Equal(user.Id, (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).Is(HttpStatusCode.OK).Text("user_id"));
        // And does not keep anyone from registering with it.
        (await ExternalAsync(tenant, "b", "new@example.com")).Is(HttpStatusCode.Created);
        await tenant.NewUserAsync("new@example.com");
    }

    [Fact]
    public async Task the_limit_of_users_holds_for_those_too()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 1 });
        var first = (await ExternalAsync(tenant, "first")).Is(HttpStatusCode.Created);
        (await ExternalAsync(tenant, "second")).IsProblem(403, "USER_LIMIT_EXCEEDED");
        (await ExternalAsync(tenant, "first")).Is(HttpStatusCode.OK);
        (await tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + first.Text("user_id"))).Is(HttpStatusCode.OK);
        Assert.NotEqual(first.Text("user_id"), (await ExternalAsync(tenant, "first")).Is(HttpStatusCode.Created).Text("user_id"));
    }

    [Theory]
    [InlineData("""{}""", "external_user_id")]
    [InlineData("""{"external_user_id":" "}""", "external_user_id")]
    [InlineData("""{"external_user_id":"a\u0000b"}""", "external_user_id")]
    [InlineData("""{"external_user_id":"a","email":"no email"}""", "email")]
    public async Task bad_ids_and_emails_are_named(string body, string field) =>
        Assert.Equal([field], (await (await stack.NewTenantAsync()).SendAsync(HttpMethod.Post, "/api/v1/auth/external", body)).BadFields);

    [Fact]
    public async Task neither_the_tenants_id_of_a_user_nor_their_email_is_stored_in_the_clear()
    {
        var tenant = await stack.NewTenantAsync();
        var (id, email) = ("canary-" + Guid.NewGuid().ToString("N"), $"canary-{Guid.NewGuid():N}@example.com");
        (await ExternalAsync(tenant, id, email)).Is(HttpStatusCode.Created);
        foreach (var table in new[] { "mt_events", "mt_doc_user", "mt_doc_usercredentials", "wolverine_incoming_envelopes", "wolverine_outgoing_envelopes" })
        {
            await using var command = stack.Database.CreateCommand($"select count(*) from cvault.{table} t where t::text ~ $1 or encode(t::text::bytea, 'escape') ~ $1");
            command.Parameters.Add(new() { Value = id + "|" + email });
            Assert.Equal(0L, await command.ExecuteScalarAsync());
        }
    }

    private async Task<long> CountAsync(string table, TestUser user, string where = "user_id = $1")
    {
        await using var command = stack.Database.CreateCommand($"select count(*) from {table} where {where}");
        command.Parameters.Add(new() { Value = Guid.Parse(user.Id) });
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static Task<Answer> ExternalAsync(TestTenant tenant, string id, string? email = null) =>
        tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/external", new { external_user_id = id, email });
}
