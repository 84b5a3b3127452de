using System.Net;
using System.Text.Json.Nodes;
using CVault.Tests.Lab;

namespace CVault.Tests.Api;

/// <summary>A tenant's keys, as its members manage them.</summary>
public sealed class ApiKeyTests(Stack stack)
{
    private const string Path = "/api/v1/tenant/api-keys";

    [Fact]
    public async Task a_new_key_works_at_once_beside_the_others_and_its_secret_is_shown_this_once()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var made = (await owner.SendAsync(HttpMethod.Post, Path, new { kind = "secret", name = "Billing server", expires_in_days = 30 })).Is(HttpStatusCode.Created);
        Assert.Equal(("secret", "Billing server", "live"), (made.Text("kind"), made.Text("name"), made.Text("status")));
        var second = tenant with { ApiKey = made.Text("api_key"), ApiSecret = made.Text("api_secret") };
        await second.NewUserAsync();
        await tenant.NewUserAsync();

        var listed = await ListAsync(owner);
        Assert.Equal(["Billing server", "First publishable key", "First secret key"], listed.Select(k => k["name"]!.ToString()).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(second.ApiSecret, (await owner.SendAsync(HttpMethod.Get, Path)).Body, StringComparison.Ordinal);
        Assert.Equal(30, (DateTimeOffset.Parse(made.Text("expires_at")) - DateTimeOffset.Parse(made.Text("created_at"))).TotalDays, 3);
    }

    [Fact]
    public async Task the_list_says_when_each_was_last_used_and_how_often()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        Assert.All(await ListAsync(owner), k => Assert.Null(k["last_used_at"]));
        await tenant.NewUserAsync();
        await tenant.NewUserAsync();
        await Stack.EventuallyAsync("the calls are counted", TimeSpan.FromSeconds(15), async () => Of(await ListAsync(owner), tenant.ApiKey)["calls_this_month"]!.GetValue<long>() == 2);
        Assert.NotNull(Of(await ListAsync(owner), tenant.ApiKey)["last_used_at"]);
        Assert.Null(Of(await ListAsync(owner), tenant.PublishableKey)["last_used_at"]);
        // The security log tells of a key's first use of the day, and of which key alone.
        var uses = (await File.ReadAllLinesAsync(StackProcess.ApiLog)).Count(l => l.Contains("KeyUsed", StringComparison.Ordinal) && l.Contains(tenant.ApiKey, StringComparison.Ordinal));
        Assert.InRange(uses, 1, 2); // Two of calls around midnight.
    }

    [Fact]
    public async Task a_rotated_key_works_until_its_overlap_ends()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var rotated = (await owner.SendAsync(HttpMethod.Post, $"{Path}/{tenant.ApiKey}/rotate", new { overlap_seconds = 600 })).Is(HttpStatusCode.Created);
        var next = tenant with { ApiKey = rotated.Text("api_key"), ApiSecret = rotated.Text("api_secret") };
        await tenant.NewUserAsync();
        await next.NewUserAsync();
        // Its end, by hand: a trigger tells the nodes.
        await using (var end = stack.Database.CreateCommand("update cvault.mt_doc_apikey set data = jsonb_set(data, '{expiresAt}', to_jsonb(now() - interval '1 second')) where id = $1"))
        {
            end.Parameters.Add(new() { Value = tenant.ApiKey });
            Assert.Equal(1, await end.ExecuteNonQueryAsync());
        }

        await Stack.EventuallyAsync("the old key ends", TimeSpan.FromSeconds(10), async () => (await ServersAsync(tenant)).Code == "INVALID_API_KEY");
        (await ServersAsync(next)).Is(HttpStatusCode.OK);
        Assert.Equal("expired", Of(await ListAsync(owner), tenant.ApiKey)["status"]!.ToString());

        // Without a body the overlap is a day.
        var again = (await owner.SendAsync(HttpMethod.Post, $"{Path}/{next.ApiKey}/rotate")).Is(HttpStatusCode.Created);
        (await ServersAsync(next)).Is(HttpStatusCode.OK);
        var left = DateTimeOffset.Parse(Of(await ListAsync(owner), next.ApiKey)["expires_at"]!.ToString()) - DateTimeOffset.Parse(again.Text("created_at"));
        Assert.Equal(24, left.TotalHours, 3);
        (await owner.SendAsync(HttpMethod.Post, $"{Path}/{tenant.ApiKey}/rotate")).IsProblem(409, "CONFLICT");
    }

    [Fact]
    public async Task regenerating_replaces_the_secret_key_at_once()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var made = (await owner.SendAsync(HttpMethod.Post, Path + "/regenerate")).Is(HttpStatusCode.Created);
        (await ServersAsync(tenant)).IsProblem(401, "INVALID_API_KEY");
        var next = tenant with { ApiKey = made.Text("api_key"), ApiSecret = made.Text("api_secret") };
        (await ServersAsync(next)).Is(HttpStatusCode.OK);

        // With an overlap both work; and a tenant without any gets one.
        var last = (await owner.SendAsync(HttpMethod.Post, Path + "/regenerate", new { overlap_seconds = 600 })).Is(HttpStatusCode.Created);
        (await ServersAsync(next)).Is(HttpStatusCode.OK);
        foreach (var key in new[] { next.ApiKey, last.Text("api_key") }) (await owner.SendAsync(HttpMethod.Delete, $"{Path}/{key}")).Is(HttpStatusCode.OK);
        (await owner.SendAsync(HttpMethod.Post, Path + "/regenerate")).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task a_revoked_key_is_refused_from_the_answer_on()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var user = await tenant.NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK);
        Assert.Equal("revoked", (await owner.SendAsync(HttpMethod.Delete, $"{Path}/{tenant.PublishableKey}")).Is(HttpStatusCode.OK).Text("status"));
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).IsProblem(401, "INVALID_API_KEY");
        (await ServersAsync(tenant)).Is(HttpStatusCode.OK);
        (await owner.SendAsync(HttpMethod.Delete, $"{Path}/{tenant.PublishableKey}")).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task another_tenants_key_is_not_there()
    {
        var (tenant, _) = await stack.SignUpAsync();
        var (_, stranger) = await stack.SignUpAsync();
        foreach (var (method, path, body) in new (HttpMethod, string, object?)[]
        {
            (HttpMethod.Patch, "", new { name = "Mine now" }), (HttpMethod.Post, "/rotate", null), (HttpMethod.Delete, "", null),
        })
        {
            var foreign = await stranger.SendAsync(method, $"{Path}/{tenant.ApiKey}{path}", body);
            var unknown = await stranger.SendAsync(method, $"{Path}/cvk_AAAAAAAAAAAAAAAAAAAA{path}", body);
            foreign.IsProblem(404, "NOT_FOUND");
            Assert.Equal(unknown.ButRequestId, foreign.ButRequestId);
        }

        (await ServersAsync(tenant)).Is(HttpStatusCode.OK);
        Assert.DoesNotContain(tenant.ApiKey, (await stranger.SendAsync(HttpMethod.Get, Path)).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task a_tenant_has_twenty_keys_that_work_and_no_race_makes_more()
    {
        var (_, owner) = await stack.SignUpAsync();
        // Of racing creations one succeeds for sure, whatever becomes of the others: one after another up to the last places.
        var live = (await ListAsync(owner)).Length;
        for (; live < 17; live++) (await owner.SendAsync(HttpMethod.Post, Path, new { kind = "publishable", name = $"App {live}" })).Is(HttpStatusCode.Created);
        // Six race for what is left, and once more for nothing.
        for (var round = 0; round < 4; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => owner.SendAsync(HttpMethod.Post, Path, new { kind = "publishable", name = $"App {round}.{i}" })));
            var made = answers.Count(a => a.Status == HttpStatusCode.Created);
            Assert.True(live == 20 ? made == 0 : made > 0, $"With {live} keys, {made} of 6 more were made.");
            foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(409, "CONFLICT");
            live += made;
        }

        Assert.Equal(20, live);
        var last = await owner.SendAsync(HttpMethod.Post, Path, new { kind = "secret", name = "One too many" });
        last.IsProblem(409, "CONFLICT");
        var keys = await ListAsync(owner);
        Assert.Equal(20, keys.Count(k => k["status"]!.ToString() == "live"));
        (await owner.SendAsync(HttpMethod.Delete, $"{Path}/{keys[0]["api_key"]}")).Is(HttpStatusCode.OK);
        (await owner.SendAsync(HttpMethod.Post, Path, new { kind = "secret", name = "Room again" })).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task a_publishable_key_is_good_for_the_pages_of_its_origins_and_no_others()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var (other, neighbour) = await stack.SignUpAsync();
        var (mine, theirs) = ($"https://app-{Guid.NewGuid():N}.example.com", $"https://app-{Guid.NewGuid():N}.example.com:8443");
        (await owner.SendAsync(HttpMethod.Patch, $"{Path}/{tenant.PublishableKey}", new { allowed_origins = new[] { mine } })).Is(HttpStatusCode.OK);
        (await neighbour.SendAsync(HttpMethod.Patch, $"{Path}/{other.PublishableKey}", new { allowed_origins = new[] { theirs } })).Is(HttpStatusCode.OK);

        // A preflight names no key: the origins of all are answered, and no stranger's.
        var preflight = await PreflightAsync(mine);
        Assert.Equal((HttpStatusCode.NoContent, mine), (preflight.Status, preflight.Headers.GetValueOrDefault("Access-Control-Allow-Origin")));
        Assert.Contains("X-API-Key", preflight.Headers["Access-Control-Allow-Headers"], StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("X-API-Secret", preflight.Headers["Access-Control-Allow-Headers"], StringComparison.OrdinalIgnoreCase);
        Assert.False(preflight.Headers.ContainsKey("Access-Control-Allow-Credentials"));
        foreach (var stranger in new[] { "https://evil.example.com", "null", mine.Replace("https", "http", StringComparison.Ordinal), mine + ".evil.example.com", mine + ":444" })
        {
            Assert.False((await PreflightAsync(stranger)).Headers.ContainsKey("Access-Control-Allow-Origin"), stranger);
            (await AsPageAsync(stranger, tenant.PublishableKey)).IsProblem(403, "ORIGIN_NOT_ALLOWED");
        }

        // With the call the key must be one of that origin.
        var answer = (await AsPageAsync(mine, tenant.PublishableKey)).Is(HttpStatusCode.OK);
        Assert.Equal(mine, answer.Headers["Access-Control-Allow-Origin"]);
        Assert.Contains("Retry-After", answer.Headers["Access-Control-Expose-Headers"], StringComparison.Ordinal);
        (await AsPageAsync(theirs, tenant.PublishableKey)).IsProblem(403, "ORIGIN_NOT_ALLOWED");
        (await AsPageAsync(theirs, other.PublishableKey)).Is(HttpStatusCode.OK);
        // What is refused is told to its own page.
        Assert.Equal(mine, (await AsPageAsync(mine, "cvp_nobodys")).Headers["Access-Control-Allow-Origin"]);

        (await owner.SendAsync(HttpMethod.Patch, $"{Path}/{tenant.PublishableKey}", new { allowed_origins = Array.Empty<string>() })).Is(HttpStatusCode.OK);
        (await AsPageAsync(mine, tenant.PublishableKey)).IsProblem(403, "ORIGIN_NOT_ALLOWED");
        Assert.False((await PreflightAsync(mine)).Headers.ContainsKey("Access-Control-Allow-Origin"));
        // What sends no Origin is no page.
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: [("X-API-Key", tenant.PublishableKey)])).Is(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("*")]
    [InlineData("null")]
    [InlineData("https://*.example.com")]
    [InlineData("https://app.example.com/")]
    [InlineData("https://app.example.com/path")]
    [InlineData("https://user@app.example.com")]
    [InlineData("HTTPS://APP.example.com")]
    [InlineData("http://app.example.com")]
    [InlineData("https://app.example.com:443")]
    [InlineData("file:///etc/passwd")]
    [InlineData("javascript:alert(1)")]
    [InlineData("")]
    public async Task what_no_browser_sends_is_no_origin(string origin)
    {
        var (_, owner) = await stack.SignUpAsync();
        var answer = await owner.SendAsync(HttpMethod.Post, Path, new { kind = "publishable", name = "App", allowed_origins = new[] { origin } });
        answer.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["allowed_origins"], answer.BadFields);
    }

    [Fact]
    public async Task a_bad_request_names_its_fields_and_changes_nothing()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        Assert.Equal(["expires_in_days", "kind", "name"], (await owner.SendAsync(HttpMethod.Post, Path, new { kind = "both", name = " ", expires_in_days = 0 })).BadFields);
        Assert.Equal(["allowed_origins"], (await owner.SendAsync(HttpMethod.Post, Path, new { kind = "secret", name = "Server", allowed_origins = new[] { "https://a.example.com" } })).BadFields);
        Assert.Equal(["overlap_seconds"], (await owner.SendAsync(HttpMethod.Post, $"{Path}/{tenant.ApiKey}/rotate", new { overlap_seconds = -1 })).BadFields);
        Assert.Equal(2, (await ListAsync(owner)).Length);
    }

    private static async Task<JsonNode[]> ListAsync(TestMember member) => [.. (await member.SendAsync(HttpMethod.Get, Path)).Is(HttpStatusCode.OK).Json["api_keys"]!.AsArray().Select(k => k!)];

    private static JsonNode Of(JsonNode[] keys, string key) => keys.Single(k => k["api_key"]!.ToString() == key);

    private static Task<Answer> ServersAsync(TestTenant tenant) => tenant.SendAsync(HttpMethod.Get, "/api/v1/servers");

    private Task<Answer> AsPageAsync(string origin, string key) => stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: [("X-API-Key", key), ("Origin", origin)]);

    private Task<Answer> PreflightAsync(string origin) => stack.SendAsync(
        HttpMethod.Options, "/api/v1/devices", headers: [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,content-type,x-api-key,x-api-secret")]);
}
