using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CVault.Tests;

/// <summary>What tests arrange, as verbs, through the API alone.</summary>
public static class Scenarios
{
    public const string Password = "correct horse battery";

    /// <summary>A tenant of the test's own, with the settings given as in <c>POST /admin/tenants</c>.</summary>
    public static async Task<TestTenant> NewTenantAsync(this Stack stack, object? settings = null)
    {
        var body = settings is null ? new JsonObject() : JsonSerializer.SerializeToNode(settings)!.AsObject();
        body.TryAdd("name", "Test " + Guid.NewGuid());
        // Tests that are not about the limit ask as often as they like.
        body.TryAdd("requests_per_minute", 1_000_000);
        var answer = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", body);
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        return new TestTenant(stack, answer.Text("id"), answer.Text("api_key"), answer.Text("api_secret"), answer.Text("publishable_key"));
    }

    public static Task<Answer> AsOperatorAsync(this Stack stack, HttpMethod method, string path, object? body = null, string? idempotencyKey = null) =>
        stack.SendAsync(method, path, body, idempotencyKey, ("Authorization", "Bearer " + Stack.OperatorToken));

    /// <summary>Sends a request with just these headers. A string body is sent as it is.</summary>
    public static async Task<Answer> SendAsync(
        this Stack stack, HttpMethod method, string path, object? body = null, string? idempotencyKey = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Stack.Url, path));
        if (body is string text) request.Content = new StringContent(text, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        else if (body is not null) request.Content = JsonContent.Create(body, body.GetType());
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        using var response = await stack.Http.SendAsync(request);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        var headersRead = response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(",", h.Value), StringComparer.OrdinalIgnoreCase);
        return new Answer(response.StatusCode, bytes, headersRead);
    }
}

/// <summary>What the API answered.</summary>
public sealed record Answer(HttpStatusCode Status, byte[] Bytes, IReadOnlyDictionary<string, string> Headers)
{
    public string Body => Encoding.UTF8.GetString(Bytes);
    public JsonNode Json => JsonNode.Parse(Bytes)!;
    public string Text(string member) => Json[member]?.ToString() ?? throw new Xunit.Sdk.XunitException($"No {member} in: {Body}");

    /// <summary>The problem's code, or null for a success.</summary>
    public string? Code => (int)Status >= 400 ? Json["code"]?.ToString() : null;

    /// <summary>The problem without the request's id: what is equal where callers may not tell two cases apart.</summary>
    public string ButRequestId
    {
        get
        {
            var json = Json.AsObject();
            json.Remove("request_id");
            return (int)Status + json.ToJsonString();
        }
    }

    /// <summary>The fields that a validation problem names.</summary>
    public string[] BadFields => [.. (Json["errors"] as JsonObject ?? []).Select(e => e.Key).Order(StringComparer.Ordinal)];

    /// <summary>Fails unless the answer is this problem, in the contract's form.</summary>
    public void IsProblem(int status, string code)
    {
        Assert.True((int)Status == status && Code == code, $"Expected {status} {code}, got {(int)Status}: {Body}");
        Assert.StartsWith("application/problem+json", Headers["Content-Type"], StringComparison.Ordinal);
        Assert.True(Headers.GetValueOrDefault("X-Request-Id") == Text("request_id"), $"X-Request-Id is {Headers.GetValueOrDefault("X-Request-Id", "missing")}, and the body says: {Body}");
    }

    public Answer Is(HttpStatusCode status)
    {
        Assert.True(Status == status, $"Expected {(int)status}, got {(int)Status}: {Body}");
        return this;
    }
}

public sealed record TestTenant(Stack Stack, string Id, string ApiKey, string ApiSecret, string PublishableKey)
{
    /// <summary>As the tenant's server: key and secret.</summary>
    public Task<Answer> SendAsync(HttpMethod method, string path, object? body = null, string? idempotencyKey = null) =>
        Stack.SendAsync(method, path, body, idempotencyKey, ("X-API-Key", ApiKey), ("X-API-Secret", ApiSecret));

    /// <summary>A new user, logged in.</summary>
    public async Task<TestUser> NewUserAsync(string? email = null)
    {
        email ??= $"user-{Guid.NewGuid():N}@example.com";
        var answer = await SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email, password = Scenarios.Password });
        answer.Is(HttpStatusCode.Created);
        return new TestUser(this, answer.Text("user_id"), email, answer.Text("access_token"), answer.Text("refresh_token"));
    }
}

public sealed record TestUser(TestTenant Tenant, string Id, string Email, string AccessToken, string RefreshToken)
{
    /// <summary>As the user's app: publishable key and the user's token.</summary>
    public Task<Answer> SendAsync(HttpMethod method, string path, object? body = null, string? idempotencyKey = null, params (string, string)[] headers) =>
        Tenant.Stack.SendAsync(method, path, body, idempotencyKey, [("X-API-Key", Tenant.PublishableKey), ("Authorization", "Bearer " + AccessToken), .. headers]);

    public Task<Answer> RegisterDeviceAsync(string name = "Laptop", string? region = null, string? publicKey = null, string? idempotencyKey = null) =>
        SendAsync(HttpMethod.Post, "/api/v1/devices", new { device_name = name, server_region = region, public_key = publicKey }, idempotencyKey);

    /// <summary>A new device, which its server has confirmed.</summary>
    public async Task<TestDevice> NewDeviceAsync(string name = "Laptop", string? region = null)
    {
        var answer = (await RegisterDeviceAsync(name, region)).Is(HttpStatusCode.Created);
        Assert.Equal("live", answer.Text("peer_status"));
        return new TestDevice(answer.Text("device_id"), answer.Text("public_key"), answer.Text("assigned_ip"), answer.Text("config"), answer.Text("server_region"));
    }
}

public sealed record TestDevice(string Id, string PublicKey, string AssignedIp, string Config, string Region)
{
    /// <summary>The lab's server of the device's region.</summary>
    public string LabServer => Region == "us-east" ? "vpn1" : "vpn2";
}
