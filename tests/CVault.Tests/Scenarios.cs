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

    /// <summary>A business that signed itself up, with its owner; their email is verified by the mail unless a test says no.</summary>
    public static async Task<(TestTenant Tenant, TestMember Owner)> SignUpAsync(this Stack stack, bool verify = true, string? email = null, string name = "Acme")
    {
        email ??= NewAddress();
        var answer = (await stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/signup", new { business_name = name, email, password = Password })).Is(HttpStatusCode.Created);
        var tenant = new TestTenant(stack, answer.Text("tenant_id"), answer.Text("api_key"), answer.Text("api_secret"), answer.Text("publishable_key"));
        var owner = new TestMember(stack, tenant.Id, answer.Text("member_id"), email, answer.Text("access_token"), answer.Text("refresh_token"));
        if (verify) (await stack.VerifyAsync(TokenIn(await stack.MailToAsync(email, "verify")))).Is(HttpStatusCode.OK);
        return (tenant, owner);
    }

    public static Task<Answer> VerifyAsync(this Stack stack, string token) => stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/verify", new { token });

    public static Task<Answer> LogInMemberAsync(this Stack stack, string email, string password = Password) =>
        stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/login", new { email, password });

    public static Task<Answer> AcceptAsync(this Stack stack, string token, string password = Password) =>
        stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/invitations/accept", new { token, password });

    public static string NewAddress() => $"member-{Guid.NewGuid():N}@example.com";

    /// <summary>What /health tells. It answers 503 when PostgreSQL takes longer than its patience, as it may on a busy machine: asked again then.</summary>
    public static async Task<Answer> HealthAsync(this Stack stack)
    {
        Answer? health = null;
        await Stack.EventuallyAsync("/health answers 200", TimeSpan.FromSeconds(30), async () => (health = await stack.SendAsync(HttpMethod.Get, "/health")).Status == HttpStatusCode.OK);
        return health!;
    }

    public static Task<Answer> AsOperatorAsync(this Stack stack, HttpMethod method, string path, object? body = null, string? idempotencyKey = null) =>
        stack.SendAsync(method, path, body, idempotencyKey, ("Authorization", "Bearer " + Stack.OperatorToken));

    /// <summary>The text of the latest mail to an address that has this in it, waited for; <see cref="TokenIn"/> takes its token out.</summary>
    public static async Task<string> MailToAsync(this Stack stack, string address, string contains = "")
    {
        string? text = null;
        await Stack.EventuallyAsync($"a mail to {address} with \"{contains}\"", TimeSpan.FromSeconds(30), async () =>
        {
            text = (await stack.MailsToAsync(address)).LastOrDefault(t => t.Contains(contains, StringComparison.Ordinal));
            return text is not null;
        });
        return text!;
    }

    /// <summary>The texts of the mails to an address until now, in the order in which they came.</summary>
    public static async Task<string[]> MailsToAsync(this Stack _, string address)
    {
        var texts = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Stack.Mail, $"*-{address}.eml").OrderBy(f => int.Parse(Path.GetFileName(f).Split('-')[0], System.Globalization.CultureInfo.InvariantCulture)))
        {
            using var mail = await MimeKit.MimeMessage.LoadAsync(file);
            texts.Add(mail.Subject + "\n" + mail.TextBody);
        }

        return [.. texts];
    }

    /// <summary>The one-time token of a mail, which stands on a line of its own.</summary>
    public static string TokenIn(string mail) =>
        mail.Split('\n').Select(l => l.Trim()).SingleOrDefault(l => l.StartsWith("cvt_", StringComparison.Ordinal)) ?? throw new Xunit.Sdk.XunitException("No token stands in: " + mail);

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

/// <summary>A member of a tenant's staff, logged in.</summary>
public sealed record TestMember(Stack Stack, string TenantId, string Id, string Email, string AccessToken, string RefreshToken)
{
    public Task<Answer> SendAsync(HttpMethod method, string path, object? body = null, string? idempotencyKey = null) =>
        Stack.SendAsync(method, path, body, idempotencyKey, ("Authorization", "Bearer " + AccessToken));

    public Task<Answer> InviteAsync(string email, string role) => SendAsync(HttpMethod.Post, "/api/v1/tenant/invitations", new { email, role });

    /// <summary>Another member of the same tenant, invited by this one.</summary>
    public async Task<TestMember> NewColleagueAsync(string role, string? email = null)
    {
        email ??= Scenarios.NewAddress();
        var before = (await Stack.MailsToAsync(email)).Length;
        (await InviteAsync(email, role)).Is(HttpStatusCode.Created);
        await Stack.EventuallyAsync("the invitation's mail", TimeSpan.FromSeconds(30), async () => (await Stack.MailsToAsync(email)).Length > before);
        var answer = (await Stack.AcceptAsync(Scenarios.TokenIn((await Stack.MailsToAsync(email))[^1]))).Is(HttpStatusCode.Created);
        return new TestMember(Stack, TenantId, answer.Text("member_id"), email, answer.Text("access_token"), answer.Text("refresh_token"));
    }

    /// <summary>Whether the access token still opens what every member may see.</summary>
    public async Task<bool> IsInAsync() => (await SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).Status == HttpStatusCode.OK;
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

    /// <summary>
    /// Registers as an app does: who is told that the service is too busy asks again. One of many at once may wait in vain
    /// for a connection, or for a row that another holds. Without a key, of which only a few of a tenant are let in at once.
    /// </summary>
    public async Task<Answer> RegisterDevicePatientlyAsync(string name, string region)
    {
        for (var tries = 1; ; tries++)
        {
            var answer = await RegisterDeviceAsync(name, region);
            if (answer.Code is not ("SERVER_UNAVAILABLE" or "SERVICE_UNAVAILABLE") || tries == 5) return answer;
            await Task.Delay(TimeSpan.FromMilliseconds(200 * tries));
        }
    }

    /// <summary>A new device, which its server has confirmed.</summary>
    public async Task<TestDevice> NewDeviceAsync(string name = "Laptop", string? region = null)
    {
        var answer = await Tenant.Stack.LiveAsync((await RegisterDeviceAsync(name, region)).Is(HttpStatusCode.Created));
        return new TestDevice(answer.Text("device_id"), answer.Text("public_key"), answer.Text("assigned_ip"), answer.Text("config"), answer.Text("server_region"));
    }
}

public sealed record TestDevice(string Id, string PublicKey, string AssignedIp, string Config, string Region)
{
    /// <summary>The lab's server of the device's region.</summary>
    public string LabServer => Region == "us-east" ? "vpn1" : "vpn2";
}
