using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>/admin/tenants</c>: what operators do with business customers.</summary>
public sealed class TenantTests(Stack stack)
{
    [Fact]
    public async Task a_new_tenant_is_shown_with_its_keys_this_once()
    {
        var created = (await CreateAsync(new { name = " Acme Ltd ", bandwidth_limit_gb = 100, user_limit = 10, max_devices_per_user = 3, requests_per_minute = 600, lease_policy = "ephemeral", key_custody = "client", email_verification = "required", whitelabel_config = new { color = "#ff0000" } }))
            .Is(HttpStatusCode.Created);
        Assert.Equal("/admin/tenants/" + created.Text("id"), created.Headers["Location"]);
        Assert.Equal(
            ["Acme Ltd", "active", "100", "10", "3", "600", "ephemeral", "client", "required", """{"color":"#ff0000"}"""],
            new[] { "name", "status", "bandwidth_limit_gb", "user_limit", "max_devices_per_user", "requests_per_minute", "lease_policy", "key_custody", "email_verification" }.Select(created.Text).Append(created.Json["whitelabel_config"]!.ToJsonString()));
        Assert.All(new[] { "api_key", "api_secret", "publishable_key" }, key => Assert.NotEmpty(created.Text(key)));
        Assert.Equal(DateTimeOffset.UtcNow, DateTimeOffset.Parse(created.Text("created_at")), TimeSpan.FromMinutes(5));

        var read = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + created.Text("id"))).Is(HttpStatusCode.OK);
        Assert.DoesNotContain(created.Text("api_secret"), read.Body, StringComparison.Ordinal);
        var shown = created.Json.AsObject();
        foreach (var key in new[] { "api_key", "api_secret", "publishable_key" }) shown.Remove(key);
        // The moment of the answer and of the event's row may differ by the commit.
        shown.Remove("created_at");
        var again = read.Json.AsObject();
        Assert.True(again.Remove("created_at"));
        Assert.True(again.Remove("api_calls_this_month"));
        Assert.True(again.Remove("bandwidth_used_bytes"));
        Assert.Equal(shown.ToJsonString(), again.ToJsonString());
    }

    [Fact]
    public async Task a_tenant_without_wishes_has_five_devices_a_user_and_no_other_limit()
    {
        var created = await CreateAsync(new { name = "Plain" });
        Assert.Equal((null, null, null), (created.Json["bandwidth_limit_gb"], created.Json["user_limit"], created.Json["requests_per_minute"]));
        Assert.Equal("20", created.Text("requests_burst"));
        Assert.Equal(["5", "sticky", "managed", "off"], new[] { "max_devices_per_user", "lease_policy", "key_custody", "email_verification" }.Select(created.Text));
        Assert.Equal("{}", created.Json["whitelabel_config"]!.ToJsonString());
    }

    [Fact]
    public async Task a_patch_changes_what_it_names_and_leaves_the_rest()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 10, bandwidth_limit_gb = 50, whitelabel_config = new { color = "red" } });
        var patched = (await PatchAsync(tenant, new { name = "Renamed", user_limit = 20 })).Is(HttpStatusCode.OK);
        Assert.Equal(("Renamed", "20", "50"), (patched.Text("name"), patched.Text("user_limit"), patched.Text("bandwidth_limit_gb")));
        var read = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Json.AsObject();
        read.Remove("api_calls_this_month");
        read.Remove("bandwidth_used_bytes");
        Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(patched.Json, read), $"{patched.Body} / {read}");
        Assert.Equal(patched.Body, (await PatchAsync(tenant, new { })).Is(HttpStatusCode.OK).Body);
    }

    [Fact]
    public async Task an_explicit_null_lifts_a_limit()
    {
        var tenant = await stack.NewTenantAsync(new { user_limit = 10, bandwidth_limit_gb = 50, requests_per_minute = 5000, whitelabel_config = new { color = "red" } });
        var patched = (await PatchAsync(tenant, """{"user_limit":null,"requests_per_minute":null,"whitelabel_config":null}""")).Is(HttpStatusCode.OK);
        Assert.Equal((null, null, "50", "{}"), (patched.Json["user_limit"], patched.Json["requests_per_minute"], patched.Text("bandwidth_limit_gb"), patched.Json["whitelabel_config"]!.ToJsonString()));
    }

    [Theory]
    [InlineData("""{"name":""}""", "name")]
    [InlineData("""{"name":"a\u0000b"}""", "name")]
    [InlineData("""{"status":"deleted","user_limit":-1}""", "status,user_limit")]
    [InlineData("""{"bandwidth_limit_gb":"much"}""", "bandwidth_limit_gb")]
    [InlineData("""{"max_devices_per_user":-1,"lease_policy":"x","key_custody":"y"}""", "key_custody,lease_policy,max_devices_per_user")]
    [InlineData("""{"email_verification":"sometimes"}""", "email_verification")]
    [InlineData("""{"whitelabel_config":[1]}""", "whitelabel_config")]
    public async Task bad_members_are_named_and_change_nothing(string body, string fields)
    {
        var tenant = await stack.NewTenantAsync();
        var before = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Body;
        var refused = await PatchAsync(tenant, body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(fields.Split(','), refused.BadFields);
        Assert.Equal(before, (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Body);
    }

    [Fact]
    public async Task a_new_tenant_needs_a_name()
    {
        var refused = await CreateAsync(new { user_limit = 1 });
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["name"], refused.BadFields);
    }

    [Fact]
    public async Task deleting_suspends_from_the_next_call_on_and_a_patch_reinstates()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK);

        Assert.Equal("suspended", (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK).Text("status"));
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).IsProblem(403, "TENANT_SUSPENDED");
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).IsProblem(403, "TENANT_SUSPENDED");
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/vpn/status", headers: ("Authorization", "Bearer " + user.AccessToken))).IsProblem(403, "TENANT_SUSPENDED");
        Assert.Equal("suspended", (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK).Text("status"));

        Assert.Equal("active", (await PatchAsync(tenant, new { status = "active" })).Is(HttpStatusCode.OK).Text("status"));
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    public async Task an_unknown_tenant_is_not_found(string method)
    {
        var body = method == "PATCH" ? new { name = "Nobody" } : null;
        (await stack.AsOperatorAsync(new HttpMethod(method), "/admin/tenants/" + Guid.NewGuid(), body)).IsProblem(404, "NOT_FOUND");
        (await stack.AsOperatorAsync(new HttpMethod(method), "/admin/tenants/not-an-id", body)).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task only_the_operators_token_opens_admin()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (string, string)[][] others =
        [
            [],
            [("Authorization", "Bearer " + new string('x', 44))],
            [("Authorization", "Bearer " + Stack.OperatorToken[..^1])],
            [("Authorization", "Basic " + Stack.OperatorToken)],
            [("Authorization", Stack.OperatorToken)],
            [("Authorization", "Bearer " + tenant.ApiSecret)],
            [("Authorization", "Bearer " + user.AccessToken)],
            [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret)],
            [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret), ("Authorization", "Bearer " + user.AccessToken)],
            [("X-API-Key", Stack.OperatorToken)],
        ];
        foreach (var headers in others)
        {
            (await stack.SendAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id, headers: headers)).IsProblem(401, "UNAUTHENTICATED");
            (await stack.SendAsync(HttpMethod.Post, "/admin/tenants", new { name = "Mine" }, headers: headers)).IsProblem(401, "UNAUTHENTICATED");
            (await stack.SendAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id, headers: headers)).IsProblem(401, "UNAUTHENTICATED");
        }

        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices")).Is(HttpStatusCode.OK);
    }

    private Task<Answer> CreateAsync(object body) => stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", body);
    private Task<Answer> PatchAsync(TestTenant tenant, object body) => stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, body);
}
