using System.Net;
using System.Net.Http.Headers;

namespace CVault.Tests.Api;

/// <summary>Whatever is sent, a failure is a problem with a code and a request id, and shows nothing of the inside.</summary>
public sealed class ErrorTests(Stack stack)
{
    private const string Devices = "/api/v1/devices";

    public static TheoryData<string, string> Bodies => new()
    {
        { "nothing", "" },
        { "no JSON", "device_name=Laptop" },
        { "half an object", """{"device_name":"Lap""" },
        { "a trailing comma", """{"device_name":"Laptop",}""" },
        { "two values", """{"device_name":"Laptop"}{"device_name":"Laptop"}""" },
        { "a comment", """{"device_name":"Laptop"/* hello */}""" },
        { "null", "null" },
        { "an array", """[{"device_name":"Laptop"}]""" },
        { "a string", "\"Laptop\"" },
        { "a number for a name", """{"device_name":7}""" },
        { "an object for a name", """{"device_name":{"$type":"System.IO.FileInfo"}}""" },
        { "a key twice", """{"device_name":"One","device_name":"Two"}""" },
        { "a lone surrogate", """{"device_name":"\ud800"}""" },
        { "a deep tree", "{\"device_name\":" + new string('[', 500) + new string(']', 500) + "}" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task a_body_that_is_not_what_the_endpoint_takes_is_refused(string what, string body)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(HttpMethod.Post, Devices, body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.True(refused.BadFields.Length > 0, $"{what}: no field is named in {refused.Body}");
        SaysNothingOfTheInside(refused);
    }

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task so_it_is_with_an_idempotency_key(string what, string body)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(HttpMethod.Post, Devices, body, idempotencyKey: what);
        refused.IsProblem(400, "VALIDATION_FAILED");
        SaysNothingOfTheInside(refused);
    }

    [Fact]
    public async Task bytes_that_are_no_UTF8_are_refused()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await SendBytesAsync(user, [.. "{\"device_name\":\""u8, 0xff, 0xfe, 0xc0, .. "\"}"u8]);
        refused.IsProblem(400, "VALIDATION_FAILED");
        SaysNothingOfTheInside(refused);
    }

    [Theory]
    [InlineData("POST", "/api/v1/devices", """{"device_name":"a\u0000b"}""")]
    [InlineData("POST", "/api/v1/devices", """{"device_name":"x","server_region":"us\u0000east"}""")]
    [InlineData("POST", "/api/v1/auth/register", """{"email":"a\u0000@example.com","password":"long enough"}""")]
    [InlineData("POST", "/api/v1/auth/login", """{"email":"a\u0000@example.com","password":"long enough"}""")]
    [InlineData("POST", "/api/v1/auth/login", """{"email":"a@example.com","password":"long\u0000enough"}""")]
    [InlineData("POST", "/api/v1/auth/refresh", """{"refresh_token":"cvr_\u0000"}""")]
    public async Task a_NUL_in_a_text_never_breaks_the_server(string method, string path, string body)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(new HttpMethod(method), path, body);
        Assert.InRange((int)refused.Status, 400, 499);
        refused.IsProblem((int)refused.Status, refused.Code!);
        SaysNothingOfTheInside(refused);
    }

    /// <summary>What PostgreSQL refuses as it binds a statement leaves the connection unusable for its next user (see <see cref="PreparedStatementTests"/>).</summary>
    [Fact]
    public async Task a_caller_who_sends_what_cannot_be_stored_harms_nobody_else()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 200 });
        var (one, other) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        for (var round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => one.SendAsync(HttpMethod.Post, Devices, """{"device_name":"x","server_region":"us\u0000east"}""")));
            var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => other.RegisterDeviceAsync(region: "us-east")));
            Assert.All(answers, a => a.Is(HttpStatusCode.Created));
        }
    }

    [Fact]
    public async Task a_body_of_more_than_64_KB_is_too_large()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        foreach (var key in new[] { null, "a-key" })
        {
            var refused = await user.SendAsync(HttpMethod.Post, Devices, $$"""{"device_name":"{{new string('x', 66 * 1024)}}"}""", key);
            refused.IsProblem(413, "PAYLOAD_TOO_LARGE");
            SaysNothingOfTheInside(refused);
        }
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/xml")]
    public async Task a_body_that_is_not_called_JSON_is_of_an_unsupported_type(string mediaType)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await SendBytesAsync(user, "{\"device_name\":\"Laptop\"}"u8.ToArray(), mediaType);
        refused.IsProblem(415, "UNSUPPORTED_MEDIA_TYPE");
        SaysNothingOfTheInside(refused);
    }

    [Theory]
    [InlineData("PUT", "/api/v1/devices")]
    [InlineData("DELETE", "/api/v1/devices")]
    [InlineData("PATCH", "/api/v1/vpn/connect")]
    [InlineData("GET", "/api/v1/auth/login")]
    [InlineData("DELETE", "/health")]
    public async Task a_method_that_a_path_does_not_take_is_not_allowed(string method, string path)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(new HttpMethod(method), path);
        refused.IsProblem(405, "METHOD_NOT_ALLOWED");
        Assert.NotEmpty(refused.Headers["Allow"]);
        SaysNothingOfTheInside(refused);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/api/v1/nothing")]
    [InlineData("/api/v2/devices")]
    [InlineData("/admin")]
    [InlineData("/api/v1/devices/x/y/z")]
    [InlineData("/..%2f..%2fetc/passwd")]
    public async Task a_path_that_is_none_is_not_found_whoever_asks(string path)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        foreach (var answer in new[] { await user.SendAsync(HttpMethod.Get, path), await stack.SendAsync(HttpMethod.Get, path), await stack.AsOperatorAsync(HttpMethod.Post, path, new { }) })
        {
            answer.IsProblem(404, "NOT_FOUND");
            SaysNothingOfTheInside(answer);
        }
    }

    /// <summary>The framework writes problems only for those who accept JSON, and otherwise leaves them as they are.</summary>
    [Theory]
    [InlineData("application/xml")]
    [InlineData("image/png")]
    [InlineData("text/html;q=0.1")]
    public async Task a_problem_has_the_same_form_whatever_the_caller_accepts(string accept)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var badQuery = await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status?device_id=10.8.0.2", headers: ("Accept", accept));
        badQuery.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["device_id"], badQuery.BadFields);
        SaysNothingOfTheInside(badQuery);
        (await user.SendAsync(HttpMethod.Get, $"{Devices}/{Guid.NewGuid()}", headers: ("Accept", accept))).IsProblem(404, "NOT_FOUND");
        (await user.SendAsync(HttpMethod.Put, Devices, headers: ("Accept", accept))).IsProblem(405, "METHOD_NOT_ALLOWED");
    }

    [Fact]
    public async Task a_problem_that_the_database_found_has_the_same_form()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var taken = await user.Tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = user.Email, password = Scenarios.Password });
        taken.IsProblem(409, "EMAIL_TAKEN");
        Assert.Equal("nosniff", taken.Headers["X-Content-Type-Options"]);
        Assert.DoesNotContain(user.Email, taken.Body, StringComparison.OrdinalIgnoreCase);
        SaysNothingOfTheInside(taken);
    }

    [Fact]
    public async Task the_callers_request_id_comes_back_when_it_is_sane_and_another_one_else()
    {
        async Task<string> AskAsync(string path, params (string, string)[] headers) => (await stack.SendAsync(HttpMethod.Get, path, headers: headers)).Headers["X-Request-Id"];
        Assert.Equal("my-request.1", await AskAsync("/health", ("X-Request-Id", "my-request.1")));
        Assert.Equal("my-request.1", await AskAsync("/nowhere", ("X-Request-Id", "my-request.1")));
        foreach (var insane in new[] { new string('x', 129), "a b", "<script>" })
        {
            Assert.True(Guid.TryParse(await AskAsync("/health", ("X-Request-Id", insane)), out _), $"The id {insane} was not replaced.");
        }

        Assert.NotEqual(await AskAsync("/health"), await AskAsync("/health"));
    }

    private async Task<Answer> SendBytesAsync(TestUser user, byte[] body, string mediaType = "application/json")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Stack.Url, Devices)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(mediaType);
        request.Headers.Add("X-API-Key", user.Tenant.PublishableKey);
        request.Headers.Add("Authorization", "Bearer " + user.AccessToken);
        using var response = await stack.Http.SendAsync(request);
        return new Answer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(),
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(",", h.Value), StringComparer.OrdinalIgnoreCase));
    }

    private static void SaysNothingOfTheInside(Answer answer) => Assert.All(
        new[] { "System.", "CVault.", "Wolverine", "Marten", "Npgsql", "Exception", "   at ", "stack", "select ", "insert ", "traceId", "trace_id", "LineNumber", "BytePosition" },
        word => Assert.DoesNotContain(word, answer.Body, StringComparison.OrdinalIgnoreCase));
}
