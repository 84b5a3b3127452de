using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace CVault.Tests.Api;

/// <summary>API keys and access tokens: what opens what.</summary>
public sealed class CredentialTests(Stack stack)
{
    private const string Login = "/api/v1/auth/login", Devices = "/api/v1/devices", Status = "/api/v1/vpn/status";

    [Fact]
    public async Task a_secret_keys_id_without_its_secret_signs_nobody_in()
    {
        var tenant = await stack.NewTenantAsync();
        (await SignInAsync(("X-API-Key", tenant.ApiKey))).IsProblem(401, "INVALID_API_KEY");
        (await SignInAsync(("X-API-Key", tenant.ApiKey), ("X-API-Secret", ""))).IsProblem(401, "INVALID_API_KEY");
    }

    [Fact]
    public async Task wrong_unknown_and_missing_keys_are_refused_alike()
    {
        var (tenant, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        (string, string)[][] wrong =
        [
            [],
            [("X-API-Key", tenant.ApiKey), ("X-API-Secret", other.ApiSecret)],
            [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret + "x")],
            [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret.ToUpperInvariant())],
            [("X-API-Key", tenant.PublishableKey), ("X-API-Secret", tenant.ApiSecret)],
            [("X-API-Key", "cvk_unknown"), ("X-API-Secret", tenant.ApiSecret)],
            [("X-API-Key", "cvp_unknown")],
            [("X-API-Key", tenant.ApiSecret)],
            [("X-API-Key", new string('k', 5000))],
            [("X-API-Key", "' or 1=1--")],
            [("X-API-Secret", tenant.ApiSecret)],
        ];
        var bodies = new HashSet<string>();
        foreach (var headers in wrong)
        {
            var refused = await SignInAsync(headers);
            refused.IsProblem(401, "INVALID_API_KEY");
            bodies.Add(refused.ButRequestId);
        }

        Assert.Single(bodies);
    }

    [Fact]
    public async Task a_users_token_needs_an_API_key_beside_it_where_the_specification_says_so()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await stack.SendAsync(HttpMethod.Get, Devices, headers: Bearer(user.AccessToken))).IsProblem(401, "INVALID_API_KEY");
        (await stack.SendAsync(HttpMethod.Get, Devices, headers: [("X-API-Key", tenant.ApiKey), Bearer(user.AccessToken)])).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Get, Devices, headers: [("X-API-Key", tenant.PublishableKey), Bearer(user.AccessToken)])).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Get, Devices, headers: [("X-API-Key", tenant.ApiKey), ("X-API-Secret", "wrong"), Bearer(user.AccessToken)])).IsProblem(401, "INVALID_API_KEY");
    }

    [Fact]
    public async Task a_key_alone_acts_for_no_user()
    {
        var tenant = await stack.NewTenantAsync();
        (await tenant.SendAsync(HttpMethod.Get, Devices)).IsProblem(401, "UNAUTHENTICATED");
        (await tenant.SendAsync(HttpMethod.Get, Status)).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task a_token_beside_another_tenants_key_is_refused()
    {
        var (tenant, other) = (await stack.NewTenantAsync(), await stack.NewTenantAsync());
        var user = await tenant.NewUserAsync();
        (await stack.SendAsync(HttpMethod.Get, Devices, headers: [("X-API-Key", other.PublishableKey), Bearer(user.AccessToken)])).IsProblem(401, "UNAUTHENTICATED");
        (await stack.SendAsync(HttpMethod.Get, Status, headers: [("X-API-Key", other.PublishableKey), Bearer(user.AccessToken)])).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task a_tampered_token_is_refused()
    {
        var tenant = await stack.NewTenantAsync();
        var (user, victim) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var (header, payload, signature) = user.AccessToken.Split('.') is [var h, var p, var s] ? (h, p, s) : throw new FormatException();
        var claims = JsonNode.Parse(Decode(payload))!;
        claims["sub"] = victim.Id;
        var other = victim.AccessToken.Split('.');
        string[] tampered =
        [
            $"{header}.{Encode(claims.ToJsonString())}.{signature}",
            $"{header}.{payload}.{other[2]}",
            $"{header}.{other[1]}.{signature}",
            $"{header}.{payload}.",
            $"{header}.{payload}",
            $"{Encode("""{"alg":"none","typ":"JWT"}""")}.{payload}.",
            $"{Encode("""{"alg":"none","typ":"JWT"}""")}.{payload}.{signature}",
            user.AccessToken[..^4] + "AAAA",
            user.RefreshToken,
            "x",
            new string('x', 4000),
        ];
        foreach (var token in tampered)
        {
            (await stack.SendAsync(HttpMethod.Get, Status, headers: Bearer(token))).IsProblem(401, "UNAUTHENTICATED");
        }

        (await stack.SendAsync(HttpMethod.Get, Status, headers: Bearer(user.AccessToken))).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task the_operators_token_is_no_users()
    {
        (await stack.AsOperatorAsync(HttpMethod.Get, Status)).IsProblem(401, "UNAUTHENTICATED");
        Assert.Equal(HttpStatusCode.Unauthorized, (await stack.AsOperatorAsync(HttpMethod.Get, Devices)).Status);
    }

    [Fact]
    public async Task the_servers_list_opens_to_a_proven_key_or_a_user_and_to_nobody_else()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: ("X-API-Key", tenant.PublishableKey))).Is(HttpStatusCode.OK);
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: Bearer(user.AccessToken))).Is(HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers")).Status);
        (await stack.SendAsync(HttpMethod.Get, "/api/v1/servers", headers: ("X-API-Key", tenant.ApiKey))).IsProblem(401, "INVALID_API_KEY");
    }

    private Task<Answer> SignInAsync(params (string, string)[] headers) =>
        stack.SendAsync(HttpMethod.Post, Login, new { email = "somebody@example.com", password = Scenarios.Password }, headers: headers);

    private static (string, string) Bearer(string token) => ("Authorization", "Bearer " + token);
    private static string Encode(string text) => System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
    private static string Decode(string text) => Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(text));
}
