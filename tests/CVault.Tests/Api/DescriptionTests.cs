using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Tests.Api;

/// <summary>What the API says of itself: its description, its keys and its health.</summary>
public sealed class DescriptionTests(Stack stack)
{
    [Fact]
    public async Task the_description_is_OpenAPI_3_1_with_every_endpoint_of_the_specification()
    {
        var document = await DocumentAsync();
        Assert.StartsWith("3.1", document["openapi"]!.ToString(), StringComparison.Ordinal);
        var operations = Operations(document).Select(o => $"{o.Method} {o.Path}").ToArray();
        foreach (var promised in new[]
        {
            "post /admin/tenants", "get /admin/tenants/{id}", "patch /admin/tenants/{id}", "delete /admin/tenants/{id}",
            "post /api/v1/auth/register", "post /api/v1/auth/login", "post /api/v1/auth/refresh",
            "post /api/v1/devices", "get /api/v1/devices", "post /api/v1/vpn/connect", "post /api/v1/vpn/disconnect", "get /api/v1/vpn/status", "get /api/v1/servers",
            "get /api/v1/usage", "get /api/v1/tenant/dashboard/stats", "get /api/v1/tenant/dashboard/usage", "get /api/v1/tenant/dashboard/activity",
        })
        {
            Assert.Contains(promised, operations);
        }
    }

    [Fact]
    public async Task every_operation_has_a_name_of_its_own()
    {
        var names = Operations(await DocumentAsync()).Select(o => o.Operation["operationId"]?.ToString() ?? $"{o.Method} {o.Path} has none").ToArray();
        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.All(names, n => Assert.Matches("^[a-z][A-Za-z]+$", n));
    }

    [Fact]
    public async Task every_failure_is_described_as_a_problem_with_a_code()
    {
        foreach (var (method, path, operation) in Operations(await DocumentAsync()))
        {
            var failures = operation["responses"]!.AsObject().Where(r => r.Key[0] is '4' or '5').ToArray();
            Assert.True(failures.Length > 0, $"{method} {path} describes no failure.");
            foreach (var (status, response) in failures)
            {
                var schema = response!["content"]?["application/problem+json"]?["schema"];
                Assert.True(schema?["properties"]?["code"] is not null && schema["properties"]?["request_id"] is not null, $"{method} {path} does not describe its {status} as a problem with code and request_id.");
            }

            if (operation["security"] is JsonArray { Count: > 0 }) Assert.True(operation["responses"]!["401"] is not null, $"{method} {path} takes credentials and does not describe 401.");
        }
    }

    [Fact]
    public async Task a_creation_is_described_as_201_alone_and_a_body_as_what_it_is()
    {
        var document = await DocumentAsync();
        foreach (var operation in Operations(document).Where(o => o.Operation["operationId"]!.ToString() is "createTenant" or "registerUser" or "registerDevice" or "registerServer"))
        {
            Assert.Equal(operation.Operation["operationId"]!.ToString() == "registerUser" ? ["201", "202"] : ["201"], operation.Operation["responses"]!.AsObject().Select(r => r.Key).Where(k => k[0] == '2'));
        }

        Assert.Equal("202", Operations(document).Single(o => o.Operation["operationId"]!.ToString() == "resyncServer").Operation["responses"]!.AsObject().Single(r => r.Key[0] == '2').Key);
        var disconnect = Operations(document).Single(o => o.Operation["operationId"]!.ToString() == "disconnect").Operation;
        Assert.True(disconnect["requestBody"]?["content"]?["application/json"] is not null, "disconnect takes a body with a device_id, and the description does not say so.");
        Assert.False(disconnect["requestBody"]!["required"]?.GetValue<bool>() ?? false);
    }

    [Fact]
    public async Task no_type_of_the_inside_is_described() => Assert.Empty(
        (await DocumentAsync())["components"]!["schemas"]!.AsObject().Select(s => s.Key).Intersect(["IResult", "Reply", "PeerChange", "ProblemDetails", "HttpContext", "JsonElement"]));

    [Fact]
    public async Task every_operation_of_a_tenant_or_operator_names_its_credentials()
    {
        var document = await DocumentAsync();
        var schemes = document["components"]!["securitySchemes"]!.AsObject().Select(s => s.Key).ToHashSet();
        foreach (var (method, path, operation) in Operations(document).Where(o => o.Path.StartsWith("/api", StringComparison.Ordinal) || o.Path.StartsWith("/admin", StringComparison.Ordinal)))
        {
            var named = (operation["security"] as JsonArray ?? []).SelectMany(s => s!.AsObject().Select(m => m.Key)).ToArray();
            // What makes a member a member can ask for no member's token.
            if (operation["operationId"]!.ToString() is "signUp" or "verifyEmail" or "logInMember" or "refreshMemberTokens" or "forgotMemberPassword" or "resetMemberPassword" or "acceptInvitation")
            {
                Assert.Empty(named);
                continue;
            }

            Assert.True(named.Length > 0, $"{method} {path} names no credential.");
            Assert.Subset(schemes, named.ToHashSet());
            Assert.True(!path.StartsWith("/admin", StringComparison.Ordinal) || named is ["operator_token"], $"{method} {path} is the operator's.");
        }
    }

    [Fact]
    public async Task every_reference_leads_somewhere()
    {
        var document = await DocumentAsync();
        var known = document["components"]!["schemas"]!.AsObject().Select(s => "#/components/schemas/" + s.Key).ToHashSet();
        Assert.Empty(References(document).Where(r => r.StartsWith("#/components/schemas/", StringComparison.Ordinal) && !known.Contains(r)).Distinct());
    }

    [Fact]
    public async Task the_description_can_be_browsed()
    {
        var answer = await stack.SendAsync(HttpMethod.Get, "/docs");
        if (answer.Status is HttpStatusCode.Found or HttpStatusCode.MovedPermanently) answer = await stack.SendAsync(HttpMethod.Get, new Uri(new Uri(Stack.Url, "/docs"), answer.Headers["Location"]).PathAndQuery);
        answer.Is(HttpStatusCode.OK);
        Assert.StartsWith("text/html", answer.Headers["Content-Type"], StringComparison.Ordinal);
        Assert.Contains("CVault API", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task anyone_can_verify_a_users_token_with_the_published_keys()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var published = (await stack.SendAsync(HttpMethod.Get, "/.well-known/jwks.json")).Is(HttpStatusCode.OK);
        foreach (var key in published.Json["keys"]!.AsArray()) Assert.Equal(["alg", "crv", "kid", "kty", "use", "x", "y"], key!.AsObject().Select(m => m.Key).Order());

        var result = await new JsonWebTokenHandler().ValidateTokenAsync(user.AccessToken, new TokenValidationParameters
        {
            IssuerSigningKeys = new JsonWebKeySet(published.Body).GetSigningKeys(), ValidIssuer = Stack.Url.ToString().TrimEnd('/'), ValidAudience = "cvault:user", TryAllIssuerSigningKeys = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        Assert.Equal((user.Id, user.Tenant.Id), ((string)result.Claims["sub"], (string)result.Claims["tid"]));
        using var another = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.False((await new JsonWebTokenHandler().ValidateTokenAsync(user.AccessToken, new TokenValidationParameters
        {
            IssuerSigningKey = new ECDsaSecurityKey(another), ValidateIssuer = false, ValidateAudience = false,
        })).IsValid);
    }

    [Fact]
    public async Task health_tells_of_the_database_and_the_servers_to_anyone()
    {
        var health = await stack.HealthAsync();
        Assert.Contains(health.Text("status"), new[] { "healthy", "degraded" });
        Assert.Equal(("true", "true"), (health.Text("db"), health.Text("wg")));
        Assert.True(health.Json["servers"]!["total"]!.GetValue<int>() >= 2);
        Assert.Equal(DateTimeOffset.UtcNow, DateTimeOffset.Parse(health.Text("timestamp")), TimeSpan.FromMinutes(1));
        Assert.EndsWith("Z", health.Text("timestamp").Replace("+00:00", "Z", StringComparison.Ordinal), StringComparison.Ordinal);
        (await stack.SendAsync(HttpMethod.Get, "/health/live")).Is(HttpStatusCode.OK);
    }

    private async Task<JsonNode> DocumentAsync() => (await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json")).Is(HttpStatusCode.OK).Json;

    private static IEnumerable<(string Method, string Path, JsonNode Operation)> Operations(JsonNode document) =>
        document["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Select(o => (o.Key, p.Key, o.Value!)));

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject o => o.SelectMany(m => m.Key == "$ref" ? [m.Value!.ToString()] : References(m.Value)),
        JsonArray a => a.SelectMany(References),
        _ => [],
    };
}
