using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>Idempotency-Key</c>: the same request again is the same answer, and nothing happens twice.</summary>
public sealed class IdempotencyTests(Stack stack)
{
    private const string Devices = "/api/v1/devices", Replayed = "Idempotent-Replayed";
    private readonly string key = "key-" + Guid.NewGuid();

    [Fact]
    public async Task the_same_key_and_body_answer_the_first_device_again()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = (await user.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        var second = (await user.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        Assert.False(first.Headers.ContainsKey(Replayed));
        Assert.Equal("true", second.Headers[Replayed]);
        Assert.Equal(first.Headers["Location"], second.Headers["Location"]);
        Assert.Equal(first.Headers["Content-Type"], second.Headers["Content-Type"]);
        Assert.Equal(ButPeerStatus(first), ButPeerStatus(second));
        Assert.Single((await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
    }

    [Fact]
    public async Task without_a_key_the_same_body_is_another_device()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        Assert.NotEqual((await user.RegisterDeviceAsync()).Text("device_id"), (await user.RegisterDeviceAsync()).Text("device_id"));
    }

    [Fact]
    public async Task the_same_key_with_another_body_is_refused_and_makes_nothing()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.RegisterDeviceAsync("One", idempotencyKey: key)).Is(HttpStatusCode.Created);
        (await user.RegisterDeviceAsync("Two", idempotencyKey: key)).IsProblem(422, "IDEMPOTENCY_KEY_REUSED");
        Assert.Single((await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
        (await user.RegisterDeviceAsync("One", idempotencyKey: key)).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task of_32_at_once_with_one_key_one_makes_the_device_and_the_others_get_it_or_hear_that_it_is_under_way()
    {
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 40 })).NewUserAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => user.RegisterDeviceAsync(idempotencyKey: key)));
        foreach (var early in answers.Where(a => a.Status != HttpStatusCode.Created)) IsUnderWay(early);
        var created = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
        Assert.Single(created, a => !a.Headers.ContainsKey(Replayed));
        Assert.Single(created.Select(ButPeerStatus).Distinct());
        var later = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => user.RegisterDeviceAsync(idempotencyKey: key)));
        Assert.All(later, a => Assert.Equal((HttpStatusCode.Created, "true", ButPeerStatus(created[0])), (a.Status, a.Headers.GetValueOrDefault(Replayed), ButPeerStatus(a))));
        Assert.Single((await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
    }

    /// <summary>The first is held up where it takes its place in the quota, by a transaction of the test's own on that row.</summary>
    [Fact]
    public async Task while_the_first_is_under_way_a_repeat_is_told_so_at_once()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        await user.NewDeviceAsync();
        await using var connection = await stack.Database.OpenConnectionAsync();
        Task<Answer> first;
        await using (var held = await connection.BeginTransactionAsync())
        {
            await using var hold = new Npgsql.NpgsqlCommand("update cvault.quotas set used = used where subject = $1", connection, held) { Parameters = { new() { Value = Guid.Parse(user.Id) } } };
            Assert.Equal(1, await hold.ExecuteNonQueryAsync());
            // Which of two is the first nobody can say before one of them is answered: the other holds the key.
            Task<Answer>[] both = [user.RegisterDeviceAsync("Held up", idempotencyKey: key), user.RegisterDeviceAsync("Held up", idempotencyKey: key)];
            var early = await Task.WhenAny(both);
            first = both.Single(b => b != early);
            IsUnderWay(await early);
            IsUnderWay(await user.RegisterDeviceAsync("Held up", idempotencyKey: key));
            IsUnderWay(await user.RegisterDeviceAsync("Another body", idempotencyKey: key));
            Assert.False(first.IsCompleted, "The first was held up by nothing.");
            await held.RollbackAsync();
        }

        var done = (await first).Is(HttpStatusCode.Created);
        var repeat = (await user.RegisterDeviceAsync("Held up", idempotencyKey: key)).Is(HttpStatusCode.Created);
        Assert.Equal(("true", done.Text("device_id")), (repeat.Headers.GetValueOrDefault(Replayed), repeat.Text("device_id")));
        (await user.RegisterDeviceAsync("Another body", idempotencyKey: key)).IsProblem(422, "IDEMPOTENCY_KEY_REUSED");
    }

    private static void IsUnderWay(Answer answer)
    {
        answer.IsProblem(409, "CONFLICT");
        Assert.Equal("1", answer.Headers["Retry-After"]);
    }

    [Fact]
    public async Task the_same_key_of_another_user_or_on_another_path_is_another_request()
    {
        var tenant = await stack.NewTenantAsync();
        var (one, two) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var first = (await one.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        var second = (await two.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        Assert.False(second.Headers.ContainsKey(Replayed));
        Assert.NotEqual(first.Text("device_id"), second.Text("device_id"));
        var connected = (await one.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = first.Text("device_id") }, key)).Is(HttpStatusCode.OK);
        Assert.False(connected.Headers.ContainsKey(Replayed));
    }

    [Fact]
    public async Task a_key_has_at_most_255_characters()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.RegisterDeviceAsync(idempotencyKey: new string('k', 256))).IsProblem(400, "VALIDATION_FAILED");
        (await user.RegisterDeviceAsync(idempotencyKey: new string('k', 255))).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task a_request_that_was_refused_has_not_used_its_key()
    {
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 1 })).NewUserAsync();
        var device = await user.NewDeviceAsync();
        (await user.RegisterDeviceAsync(idempotencyKey: key)).IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        (await user.RegisterDeviceAsync(region: "moon", idempotencyKey: key)).IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        (await user.RegisterDeviceAsync("", idempotencyKey: key)).IsProblem(400, "VALIDATION_FAILED");
        (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{device.Id}")).Is(HttpStatusCode.OK);
        (await user.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task an_answer_is_kept_as_it_was_even_when_its_device_is_gone()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = (await user.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{first.Text("device_id")}")).Is(HttpStatusCode.OK);
        Assert.Equal(ButPeerStatus(first), ButPeerStatus(await user.RegisterDeviceAsync(idempotencyKey: key)));
        Assert.Empty((await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
    }

    [Fact]
    public async Task a_day_later_the_same_key_is_another_request()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var first = (await user.RegisterDeviceAsync("One", idempotencyKey: key)).Is(HttpStatusCode.Created);
        await using (var command = stack.Database.CreateCommand("update cvault.idempotency_keys set expires_at = expires_at - interval '24 hours' where location = $1"))
        {
            command.Parameters.Add(new() { Value = first.Headers["Location"] });
            Assert.Equal(1, await command.ExecuteNonQueryAsync());
        }

        var second = (await user.RegisterDeviceAsync("Two", idempotencyKey: key)).Is(HttpStatusCode.Created);
        Assert.False(second.Headers.ContainsKey(Replayed));
        Assert.NotEqual(first.Text("device_id"), second.Text("device_id"));
        Assert.Equal("true", (await user.RegisterDeviceAsync("Two", idempotencyKey: key)).Headers.GetValueOrDefault(Replayed));
    }

    [Fact]
    public async Task registering_logging_in_connecting_and_disconnecting_repeat_the_same_way()
    {
        var tenant = await stack.NewTenantAsync();
        var credentials = new { email = $"user-{Guid.NewGuid():N}@example.com", password = Scenarios.Password };
        var registered = await TwiceAsync(() => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", credentials, key));
        Assert.Equal(HttpStatusCode.Created, registered.Status);
        await TwiceAsync(() => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", credentials, key));
        await TwiceAsync(() => tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = registered.Text("refresh_token") }, key));

        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync();
        await TwiceAsync(() => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id }, key));
        Assert.Equal("1", (await TwiceAsync(() => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", null, key))).Text("ended"));
    }

    [Fact]
    public async Task a_tenant_made_once_shows_its_secret_again_only_to_the_same_request()
    {
        var name = "Acme " + key;
        var created = await TwiceAsync(() => stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name }, key));
        Assert.StartsWith("cvs_", created.Text("api_secret"), StringComparison.Ordinal);
        (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Other" }, key)).IsProblem(422, "IDEMPOTENCY_KEY_REUSED");
    }

    [Fact]
    public async Task what_is_kept_for_repeats_is_unreadable_in_the_database()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = (await user.RegisterDeviceAsync(idempotencyKey: key)).Is(HttpStatusCode.Created);
        await using var command = stack.Database.CreateCommand("select count(*) from cvault.idempotency_keys where position(convert_to($1, 'UTF8') in body) > 0");
        command.Parameters.Add(new() { Value = device.Text("device_id") });
        Assert.Equal(0L, await command.ExecuteScalarAsync());
    }

    /// <summary>Sends it twice; the second answer is the first again.</summary>
    private static async Task<Answer> TwiceAsync(Func<Task<Answer>> send)
    {
        var (first, second) = (await send(), await send());
        Assert.True((int)first.Status < 300, first.Body);
        Assert.Equal((first.Status, "true"), (second.Status, second.Headers.GetValueOrDefault(Replayed)));
        Assert.Equal(ButPeerStatus(first), ButPeerStatus(second));
        return first;
    }

    private static string ButPeerStatus(Answer answer)
    {
        var json = answer.Json.AsObject();
        json.Remove("peer_status");
        return json.ToJsonString();
    }
}
