using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Tests.Api;

/// <summary><c>POST /api/v1/auth/oidc</c>: a tenant's users sign in by the tenant's own OpenID provider.</summary>
public sealed class OidcTests(Stack stack)
{
    private const string Client = "nordlicht-app";

    [Fact]
    public async Task an_ID_token_of_the_tenants_issuer_makes_a_user_once_and_finds_them_ever_after()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var (rsa, ec) = (issuer.NewRsaKey("one"), issuer.NewEcKey("two"));
        var tenant = await TenantOfAsync(issuer);
        var first = (await SignInAsync(tenant, issuer.Token(rsa, Client, "ada", but: ("email", "Ada@Example.com")))).Is(HttpStatusCode.Created);
        var again = (await SignInAsync(tenant, issuer.Token(ec, Client, "ada"))).Is(HttpStatusCode.OK);
        var pss = (await SignInAsync(tenant, issuer.Token(rsa, Client, "ada", SecurityAlgorithms.RsaSsaPssSha256))).Is(HttpStatusCode.OK);
        Assert.Equal((first.Text("user_id"), first.Text("user_id")), (again.Text("user_id"), pss.Text("user_id")));
        Assert.NotEqual(first.Text("user_id"), (await SignInAsync(tenant, issuer.Token(rsa, Client, "ben"))).Is(HttpStatusCode.Created).Text("user_id"));
        Assert.Equal(1, issuer.Reads);

        var shown = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/users/" + first.Text("user_id"))).Is(HttpStatusCode.OK);
        Assert.Equal(("ada@example.com", "ada"), (shown.Text("email"), shown.Text("subject")));
        await new TestUser(tenant, first.Text("user_id"), "", again.Text("access_token"), again.Text("refresh_token")).NewDeviceAsync();
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = again.Text("refresh_token") })).Is(HttpStatusCode.OK);
        // The subject is nobody's external id.
        Assert.NotEqual(first.Text("user_id"), (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/external", new { external_user_id = "ada" })).Is(HttpStatusCode.Created).Text("user_id"));
    }

    [Fact]
    public async Task a_rollover_of_keys_needs_nobody()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var old = issuer.NewRsaKey("old");
        var tenant = await TenantOfAsync(issuer);
        (await SignInAsync(tenant, issuer.Token(old, Client, "ada"))).Is(HttpStatusCode.Created);

        // Nobody asks the issuer again within thirty seconds, whatever kid a token names.
        for (var i = 0; i < 5; i++) (await SignInAsync(tenant, issuer.Token(issuer.NewRsaKey("unknown" + i, publish: false), Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        Assert.Equal(1, issuer.Reads);
        issuer.Keys.Clear();
        var next = issuer.NewRsaKey("next");
        await Task.Delay(TimeSpan.FromSeconds(31));
        (await SignInAsync(tenant, issuer.Token(next, Client, "ada"))).Is(HttpStatusCode.OK);
        (await SignInAsync(tenant, issuer.Token(old, Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        Assert.Equal(2, issuer.Reads);
    }

    [Fact]
    public async Task a_token_that_is_wrong_in_any_way_signs_nobody_in()
    {
        await using var issuer = await TestIssuer.StartAsync();
        await using var another = await TestIssuer.StartAsync();
        var key = issuer.NewRsaKey("key");
        var foreign = another.NewRsaKey("key");
        issuer.NewEcKey("ec");
        var tenant = await TenantOfAsync(issuer);
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var good = issuer.Token(key, Client, "ada");
        (await SignInAsync(tenant, good)).Is(HttpStatusCode.Created);
        var (header, payload, signature) = good.Split('.') switch { var p => (p[0], p[1], p[2]) };
        var secret = new SymmetricSecurityKey(TestIssuer.PublicBytes(key)) { KeyId = "key" };

        var wrong = new Dictionary<string, string>
        {
            ["another client's"] = issuer.Token(key, "another-client", "ada"),
            ["no audience"] = issuer.Token(key, Client, "ada", but: ("aud", null)),
            ["two audiences and no azp"] = issuer.Token(key, Client, "ada", but: ("aud", new[] { Client, "another" })),
            ["another's azp"] = issuer.Token(key, Client, "ada", but: [("aud", new[] { Client, "another" }), ("azp", "another")]),
            ["another issuer's name"] = issuer.Token(key, Client, "ada", but: ("iss", another.Url)),
            ["no issuer"] = issuer.Token(key, Client, "ada", but: ("iss", null)),
            ["the issuer with a slash"] = issuer.Token(key, Client, "ada", but: ("iss", issuer.Url + "/")),
            ["expired"] = issuer.Token(key, Client, "ada", but: ("exp", now - 61)),
            ["no expiry"] = issuer.Token(key, Client, "ada", but: ("exp", null)),
            ["not yet"] = issuer.Token(key, Client, "ada", but: ("nbf", now + 90)),
            ["issued in the future"] = issuer.Token(key, Client, "ada", but: ("iat", now + 90)),
            ["never issued"] = issuer.Token(key, Client, "ada", but: ("iat", null)),
            ["no subject"] = issuer.Token(key, Client, "ada", but: ("sub", null)),
            ["an empty subject"] = issuer.Token(key, Client, ""),
            ["a subject without end"] = issuer.Token(key, Client, new string('a', 256)),
            ["another issuer's key of the same kid"] = issuer.Token(foreign, Client, "ada"),
            ["all of another issuer"] = another.Token(foreign, Client, "ada"),
            ["a key that nobody published"] = issuer.Token(issuer.NewRsaKey("unpublished", publish: false), Client, "ada"),
            ["HS256 with the public key"] = issuer.Token(secret, Client, "ada", SecurityAlgorithms.HmacSha256),
            ["none"] = TestIssuer.Forged("""{"alg":"none","kid":"key"}""", payload, ""),
            ["None"] = TestIssuer.Forged("""{"alg":"None","kid":"key"}""", payload, signature),
            ["an alg of another kind of key"] = TestIssuer.Forged("""{"alg":"ES256","kid":"key"}""", payload, signature),
            ["a kid of another kind of key"] = TestIssuer.Forged("""{"alg":"RS256","kid":"ec"}""", payload, signature),
            ["a key of its own in the header"] = TestIssuer.Forged($$"""{"alg":"RS256","kid":"x","jku":"{{another.Url}}/keys"}""", payload, signature),
            ["an access token"] = TestIssuer.Forged("""{"alg":"RS256","typ":"at+jwt","kid":"key"}""", payload, signature),
            ["no signature"] = $"{header}.{payload}.",
            ["two parts"] = $"{header}.{payload}",
            ["an altered payload"] = $"{header}.{payload[..^2]}AA.{signature}",
            ["no token at all"] = "nothing of the kind",
            ["one of ours"] = (await tenant.NewUserAsync()).AccessToken,
            ["dots"] = "..",
            ["five dots"] = "a.b.c.d.e",
        };
        var through = new List<string>();
        foreach (var (what, token) in wrong)
        {
            var answer = await SignInAsync(tenant, token);
            if (answer.Status != HttpStatusCode.Unauthorized || answer.Code != "UNAUTHENTICATED") through.Add($"{what}: {(int)answer.Status} {answer.Body}");
        }

        Assert.True(through.Count == 0, string.Join('\n', through));
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada", but: ("exp", now - 30)))).Is(HttpStatusCode.OK);
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada", but: [("aud", new[] { Client, "another" }), ("azp", Client)]))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task one_tenants_issuer_never_signs_in_to_another()
    {
        await using var one = await TestIssuer.StartAsync();
        await using var two = await TestIssuer.StartAsync();
        var (keyOfOne, keyOfTwo) = (one.NewRsaKey("same"), two.NewRsaKey("same"));
        var (first, second, third) = (await TenantOfAsync(one), await TenantOfAsync(two), await stack.NewTenantAsync());
        var ada = (await SignInAsync(first, one.Token(keyOfOne, Client, "ada"))).Is(HttpStatusCode.Created).Text("user_id");
        Assert.NotEqual(ada, (await SignInAsync(second, two.Token(keyOfTwo, Client, "ada"))).Is(HttpStatusCode.Created).Text("user_id"));
        (await SignInAsync(second, one.Token(keyOfOne, Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        (await SignInAsync(second, two.Token(keyOfOne, Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        (await SignInAsync(third, one.Token(keyOfOne, Client, "ada"))).IsProblem(409, "CONFLICT");

        // Two tenants of one issuer share nobody either, and a tenant that changes its issuer does not hand its users on.
        var fourth = await TenantOfAsync(one, "another-client");
        (await SignInAsync(fourth, one.Token(keyOfOne, Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        Assert.NotEqual(ada, (await SignInAsync(fourth, one.Token(keyOfOne, "another-client", "ada"))).Is(HttpStatusCode.Created).Text("user_id"));
        (await SetAsync(first, two.Url)).Is(HttpStatusCode.OK);
        (await SignInAsync(first, one.Token(keyOfOne, Client, "ada"))).IsProblem(401, "UNAUTHENTICATED");
        Assert.NotEqual(ada, (await SignInAsync(first, two.Token(keyOfTwo, Client, "ada"))).Is(HttpStatusCode.Created).Text("user_id"));
        (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{first.Id}/identity-provider")).Is(HttpStatusCode.OK);
        (await SignInAsync(first, two.Token(keyOfTwo, Client, "ada"))).IsProblem(409, "CONFLICT");
    }

    [Theory]
    [InlineData("redirect")]
    [InlineData("huge")]
    [InlineData("slow")]
    [InlineData("error")]
    [InlineData("no JSON")]
    [InlineData("another issuer")]
    [InlineData("keys inside")]
    [InlineData("no keys")]
    public async Task an_issuer_that_does_not_answer_as_it_should_is_unavailable_and_leads_nowhere(string how)
    {
        await using var issuer = await TestIssuer.StartAsync();
        await using var elsewhere = await TestIssuer.StartAsync();
        var key = issuer.NewRsaKey("key");
        elsewhere.Keys.Add(key);
        elsewhere.NamedIssuer = issuer.Url;
        switch (how)
        {
            case "redirect": issuer.Instead = http => { http.Response.Redirect(elsewhere.Url + "/.well-known/openid-configuration"); return Task.CompletedTask; }; break;
            case "huge": issuer.Instead = http => http.Response.WriteAsync($$"""{"issuer":"{{issuer.Url}}","jwks_uri":"{{issuer.Url}}/keys","x":"{{new string('x', 300_000)}}"}"""); break;
            case "slow": issuer.Instead = http => Task.Delay(TimeSpan.FromSeconds(20), http.RequestAborted); break;
            case "error": issuer.Instead = http => { http.Response.StatusCode = 500; return Task.CompletedTask; }; break;
            case "no JSON": issuer.Instead = http => http.Response.WriteAsync("<html>"); break;
            case "another issuer": issuer.NamedIssuer = elsewhere.Url; break;
            case "keys inside": issuer.NamedKeys = "http://10.0.0.1/keys"; break;
            case "no keys": issuer.Keys.Clear(); break;
        }

        var tenant = await TenantOfAsync(issuer);
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        var answer = await SignInAsync(tenant, issuer.Token(key, Client, "ada"));
        answer.IsProblem(503, "ISSUER_UNAVAILABLE");
        Assert.True(answer.Headers.ContainsKey("Retry-After"));
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(15));
        Assert.Equal(0, elsewhere.Reads);
        // It is not asked again at once.
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada"))).IsProblem(503, "ISSUER_UNAVAILABLE");
    }

    [Fact]
    public async Task an_issuer_that_is_away_is_no_reason_to_refuse_a_token_of_a_known_key()
    {
        var issuer = await TestIssuer.StartAsync();
        var key = issuer.NewRsaKey("key");
        var tenant = await TenantOfAsync(issuer);
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada"))).Is(HttpStatusCode.Created);
        var token = issuer.Token(key, Client, "ada");
        await issuer.DisposeAsync();
        (await SignInAsync(tenant, token)).Is(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("ftp://issuer.example.com")]
    [InlineData("http://issuer.example.com")]
    [InlineData("https://issuer.example.com?x=1")]
    [InlineData("https://issuer.example.com#x")]
    [InlineData("https://user:secret@issuer.example.com")]
    [InlineData("issuer.example.com")]
    [InlineData("")]
    public async Task an_issuer_is_an_https_URL(string issuer)
    {
        var refused = await SetAsync(await stack.NewTenantAsync(), issuer);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["issuer"], refused.BadFields);
    }

    [Fact]
    public async Task an_issuer_is_set_shown_and_removed()
    {
        var tenant = await stack.NewTenantAsync();
        Assert.Null((await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/tenants/{tenant.Id}/identity-provider")).Is(HttpStatusCode.OK).Json["issuer"]);
        (await SetAsync(tenant, "https://login.example.com/tenant")).Is(HttpStatusCode.OK);
        var shown = (await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/tenants/{tenant.Id}/identity-provider")).Is(HttpStatusCode.OK);
        Assert.Equal(("https://login.example.com/tenant", Client), (shown.Text("issuer"), shown.Text("client_id")));
        (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{tenant.Id}/identity-provider")).Is(HttpStatusCode.OK);
        (await stack.AsOperatorAsync(HttpMethod.Delete, $"/admin/tenants/{tenant.Id}/identity-provider")).Is(HttpStatusCode.OK);
        Assert.Null((await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/tenants/{tenant.Id}/identity-provider")).Json["issuer"]);
    }

    [Fact]
    public async Task a_member_sets_it_for_the_tenant_and_a_developer_may_not()
    {
        await using var issuer = await TestIssuer.StartAsync();
        var key = issuer.NewEcKey("key");
        var (tenant, owner) = await stack.SignUpAsync();
        const string path = "/api/v1/tenant/identity-provider";
        var developer = await owner.NewColleagueAsync("developer");
        (await developer.SendAsync(HttpMethod.Put, path, new { issuer = issuer.Url, client_id = Client })).IsProblem(403, "FORBIDDEN");
        (await owner.SendAsync(HttpMethod.Put, path, new { issuer = issuer.Url, client_id = Client })).Is(HttpStatusCode.OK);
        Assert.Equal(issuer.Url, (await developer.SendAsync(HttpMethod.Get, path)).Is(HttpStatusCode.OK).Text("issuer"));
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada"))).Is(HttpStatusCode.Created);
        (await owner.SendAsync(HttpMethod.Delete, path)).Is(HttpStatusCode.OK);
        (await SignInAsync(tenant, issuer.Token(key, Client, "ada"))).IsProblem(409, "CONFLICT");

        (await owner.SendAsync(HttpMethod.Patch, "/api/v1/tenant/settings", new { email_verification = "required" })).Is(HttpStatusCode.OK);
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = $"user-{Guid.NewGuid():N}@example.com", password = Scenarios.Password })).Is(HttpStatusCode.Accepted);
    }

    private async Task<TestTenant> TenantOfAsync(TestIssuer issuer, string client = Client)
    {
        var tenant = await stack.NewTenantAsync();
        (await SetAsync(tenant, issuer.Url, client)).Is(HttpStatusCode.OK);
        return tenant;
    }

    private Task<Answer> SetAsync(TestTenant tenant, string issuer, string client = Client) =>
        stack.AsOperatorAsync(HttpMethod.Put, $"/admin/tenants/{tenant.Id}/identity-provider", new { issuer, client_id = client });

    private Task<Answer> SignInAsync(TestTenant tenant, string token) =>
        stack.SendAsync(HttpMethod.Post, "/api/v1/auth/oidc", new { id_token = token }, headers: ("X-API-Key", tenant.PublishableKey));
}
