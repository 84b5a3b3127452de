using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using CVault.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CVault.Tests.Api;

/// <summary>HTTP itself: what every answer carries, what no request may be, and who is believed.</summary>
public sealed class HygieneTests(Stack stack, ITestOutputHelper output)
{
    private static readonly Dictionary<string, string> Everywhere = new()
    {
        ["X-Content-Type-Options"] = "nosniff", ["X-Frame-Options"] = "DENY", ["Referrer-Policy"] = "no-referrer", ["Cross-Origin-Resource-Policy"] = "same-origin",
        ["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'",
    };

    [Fact]
    public async Task every_answer_tells_browsers_to_make_nothing_more_of_it()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var answers = new[]
        {
            await stack.SendAsync(HttpMethod.Get, "/health"), await stack.SendAsync(HttpMethod.Get, "/nowhere"), await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json"),
            await user.SendAsync(HttpMethod.Get, "/api/v1/devices"), await user.SendAsync(HttpMethod.Post, "/api/v1/devices", "no JSON"), await stack.SendAsync(HttpMethod.Get, "/api/v1/devices"),
            await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers"), await user.SendAsync(HttpMethod.Put, "/api/v1/devices"),
            await user.SendAsync(HttpMethod.Post, "/api/v1/devices", $$"""{"device_name":"{{new string('x', 66 * 1024)}}"}"""),
        };
        foreach (var answer in answers)
        {
            foreach (var (name, value) in Everywhere) Assert.Equal(value, answer.Headers.GetValueOrDefault(name));
            Assert.NotEmpty(answer.Headers["Permissions-Policy"]);
            Assert.DoesNotContain("Server", answer.Headers.Keys);
            Assert.DoesNotContain("X-Powered-By", answer.Headers.Keys);
            Assert.DoesNotContain("Strict-Transport-Security", answer.Headers.Keys); // by http it would mean nothing
        }

        foreach (var own in answers[3..7]) Assert.Equal("no-store", own.Headers["Cache-Control"]);
    }

    [Fact]
    public async Task by_https_browsers_are_told_to_stay_with_it()
    {
        var answer = await stack.SendAsync(HttpMethod.Get, "/health", headers: [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "198.18.0.1")]);
        Assert.Equal("max-age=31536000; includeSubDomains", answer.Headers["Strict-Transport-Security"]);
    }

    [Fact]
    public async Task the_page_of_the_description_allows_its_own_scripts_by_a_nonce_that_is_used_once()
    {
        var pages = new[] { await stack.SendAsync(HttpMethod.Get, "/docs/"), await stack.SendAsync(HttpMethod.Get, "/docs/") };
        var nonces = pages.Select(p => System.Text.RegularExpressions.Regex.Match(p.Headers["Content-Security-Policy"], "script-src 'self' 'nonce-([^']{20,})'").Groups[1].Value).ToArray();
        Assert.NotEqual(nonces[0], nonces[1]);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(System.Text.RegularExpressions.Regex.Count(pages[i].Body, "<script"), System.Text.RegularExpressions.Regex.Count(pages[i].Body, $"nonce=\"{nonces[i]}\""));
            Assert.DoesNotContain("http", pages[i].Body.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    /// <summary>In a real browser, with the page's scripts under its policy.</summary>
    [Fact]
    public async Task the_page_of_the_description_shows_the_operations_in_a_browser()
    {
        var browser = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);
        Assert.SkipUnless(browser is not null, "This machine has no Chromium, and ops/test could not install it.");
        var profile = Directory.CreateTempSubdirectory("cvault-docs-");
        try
        {
            var start = new System.Diagnostics.ProcessStartInfo(browser, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir=" + profile.FullName, "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom", new Uri(Stack.Url, "/docs/").ToString()])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            };
            using var process = System.Diagnostics.Process.Start(start)!;
            var (dom, log) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(90));
            await process.WaitForExitAsync(patience.Token);
            Assert.Contains("/api/v1/auth/login", await dom, StringComparison.Ordinal);
            Assert.DoesNotContain("Content Security Policy", await log, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            profile.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("https", "127.0.0.1", true, 200)]
    [InlineData("http", "127.0.0.1", true, 403)]
    [InlineData("", "127.0.0.1", true, 403)]
    [InlineData("https", "", true, 403)] // nobody is trusted, so anyone could say so
    [InlineData("https", "10.0.0.0/8, 2001:db8::/32", true, 403)]
    [InlineData("https", "10.0.0.0/8,127.0.0.0/8", true, 200)]
    [InlineData("", "", false, 200)]
    public async Task outside_development_what_did_not_come_by_https_is_refused_unless_a_trusted_proxy_says_so(string proto, string trusted, bool demanded, int status)
    {
        await using var app = await ServeAsync(trusted, demanded);
        using var answer = await SendAsync(app, "/api/v1/anything", proto, "203.0.113.7");
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(status == 200 && proto == "https", answer.Headers.Contains("Strict-Transport-Security"));
        Assert.Null(answer.Headers.Location);
        if (status == 403)
        {
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
            Assert.Equal("HTTPS_REQUIRED", JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["code"]!.ToString());
        }

        using var health = await SendAsync(app, "/health/live", "", "");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Theory]
    [InlineData("127.0.0.1", "203.0.113.7", "203.0.113.7")]
    [InlineData("127.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7")] // what the caller wrote himself stands before what the proxy added
    [InlineData("127.0.0.1,10.0.0.0/8", "6.6.6.6, 203.0.113.7, 10.1.2.3", "203.0.113.7")]
    [InlineData("127.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7")]
    [InlineData("", "203.0.113.7", "127.0.0.1")]
    [InlineData("10.0.0.0/8", "203.0.113.7", "127.0.0.1")]
    public async Task the_callers_address_is_what_the_last_trusted_proxy_saw(string trusted, string forwarded, string seen)
    {
        await using var app = await ServeAsync(trusted, demanded: false);
        using var answer = await SendAsync(app, "/", "https", forwarded);
        Assert.Equal(seen, await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("proxy.example.com")]
    [InlineData("10.0.0.0/33")]
    [InlineData("127.0.0.1;10.0.0.1")]
    public void a_trusted_proxy_that_is_none_is_an_error(string text) => Assert.Contains(text, Assert.Throws<FormatException>(() => Hygiene.Proxies(text)).Message, StringComparison.Ordinal);

    /// <summary>Row 27 of the plan: what a caller may not set, added to the body of each operation.</summary>
    [Fact]
    public async Task a_member_that_an_operation_does_not_take_is_refused_by_name()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var member = (await stack.SignUpAsync()).Owner;
        var before = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + user.Tenant.Id)).Json.AsObject();
        var (tried, offences) = (0, new List<string>());
        foreach (var operation in (await Operation.AllAsync(stack)).Where(o => o.BodySchema is not null))
        {
            var known = operation.BodySchema!["properties"]!.AsObject().Select(p => p.Key).ToHashSet();
            foreach (var (name, value) in new (string, JsonNode)[]
            {
                ("tenant_id", Guid.NewGuid().ToString()), ("status", "active"), ("user_limit", 1000), ("requests_per_minute", 1000), ("role", "owner"), ("id", user.Id), ("user_id", user.Id),
                ("is_admin", true), ("password_hash", "x"), ("created_at", "2020-01-01T00:00:00Z"), ("__proto__", new JsonObject()),
            })
            {
                if (known.Contains(name)) continue;
                var body = operation.SampleBody();
                body[name] = value;
                var answer = await stack.SendAsync(operation.Method, operation.PathWith(Guid.NewGuid().ToString()), body, headers: operation.Credentials(user, member));
                tried++;
                if (answer.Code != "VALIDATION_FAILED" || !answer.BadFields.SequenceEqual([name])) offences.Add($"{operation.Name} answers {(int)answer.Status} to a {name}: {answer.Body}");
            }
        }

        output.WriteLine($"{tried} bodies with one member too many");
        Assert.True(offences.Count == 0, string.Join('\n', offences));
        Assert.True(tried > 50);
        var after = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + user.Tenant.Id)).Json.AsObject();
        foreach (var view in new[] { before, after }) view.Remove("api_calls_this_month");
        Assert.Equal(before.ToJsonString(), after.ToJsonString());
    }

    [Fact]
    public async Task an_answer_has_no_member_that_the_description_does_not_tell_of()
    {
        var operations = (await Operation.AllAsync(stack)).ToDictionary(o => o.Name);
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync();
        var server = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers")).Json["servers"]![0]!["id"]!.ToString();
        var answers = new (string Operation, Answer Answer)[]
        {
            ("createTenant", await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Acme" })),
            ("getTenant", await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)),
            ("updateTenant", await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { name = "Acme" })),
            ("listServers", await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers")),
            ("getServer", await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + server)),
            ("listPeers", await stack.AsOperatorAsync(HttpMethod.Get, $"/admin/servers/{server}/peers")),
            ("registerUser", await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = $"user-{Guid.NewGuid():N}@example.com", password = Scenarios.Password })),
            ("loginUser", await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })),
            ("registerDevice", await user.RegisterDeviceAsync("Phone")),
            ("listDevices", await user.SendAsync(HttpMethod.Get, "/api/v1/devices")),
            ("getDevice", await user.SendAsync(HttpMethod.Get, "/api/v1/devices/" + device.Id)),
            ("getDeviceConfig", await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")),
            ("connect", await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })),
            ("getStatus", await user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")),
            ("disconnect", await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect")),
            ("rotateKey", await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{device.Id}/rotate-key", new { })),
            ("listAvailableServers", await user.SendAsync(HttpMethod.Get, "/api/v1/servers")),
            ("revokeDevice", await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)),
        };
        var offences = new List<string>();
        foreach (var (name, answer) in answers)
        {
            Assert.True((int)answer.Status < 300, $"{name}: {answer.Body}");
            var schema = operations[name].AnswerSchema(answer.Status);
            Assert.True(schema is not null, $"{name} does not describe its {(int)answer.Status}.");
            offences.AddRange(Undocumented(operations[name], answer.Json, schema, name));
        }

        Assert.True(offences.Count == 0, string.Join('\n', offences));
    }

    [Fact]
    public async Task every_method_on_every_path_is_described_or_not_allowed()
    {
        // .../api-keys/regenerate is also a key's path, where the key is called so.
        static bool Takes(Operation o, string path) => o.Path == path || (o.Path == "/api/v1/tenant/api-keys/{keyId}" && path == "/api/v1/tenant/api-keys/regenerate");
        var operations = await Operation.AllAsync(stack);
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        foreach (var path in operations.Select(o => o.Path).Distinct())
        {
            foreach (var method in new[] { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "NONSENSE" }.Except(operations.Where(o => Takes(o, path)).Select(o => o.Method.Method)))
            {
                var answer = await user.SendAsync(new HttpMethod(method), operations.First(o => o.Path == path).PathWith(Guid.NewGuid().ToString()));
                Assert.True(answer.Status == HttpStatusCode.MethodNotAllowed, $"{method} {path} answers {(int)answer.Status}");
                Assert.NotEmpty(answer.Headers["Allow"]);
                if (method != "HEAD") answer.IsProblem(405, "METHOD_NOT_ALLOWED");
            }
        }
    }

    [Fact]
    public async Task every_body_that_is_not_called_JSON_is_of_an_unsupported_type_on_every_operation()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var member = (await stack.SignUpAsync()).Owner;
        foreach (var operation in (await Operation.AllAsync(stack)).Where(o => o.BodySchema is not null))
        {
            using var request = new HttpRequestMessage(operation.Method, new Uri(Stack.Url, operation.PathWith(Guid.NewGuid().ToString()))) { Content = new StringContent("<xml/>", Encoding.UTF8, "application/xml") };
            foreach (var (name, value) in operation.Credentials(user, member)) request.Headers.TryAddWithoutValidation(name, value);
            using var answer = await stack.Http.SendAsync(request);
            Assert.True((415, "application/problem+json") == ((int)answer.StatusCode, answer.Content.Headers.ContentType?.MediaType), $"{operation.Name} answers {(int)answer.StatusCode}");
        }
    }

    [Theory]
    [InlineData("application/xml", 406)]
    [InlineData("image/jpeg, text/html", 406)]
    [InlineData("application/json;q=0", 406)]
    [InlineData("application/json;q=0, text/*;q=0, image/png;q=0, */*", 406)]
    [InlineData("*/*;q=0, text/plain", 200)]
    [InlineData("text/plain", 200)]
    [InlineData("image/*", 200)]
    [InlineData("application/xml, */*;q=0.1", 200)]
    public async Task where_the_caller_may_choose_a_type_one_that_is_not_to_be_had_is_not_acceptable(string accept, int status)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        var answer = await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config", headers: ("Accept", accept));
        Assert.Equal(status, (int)answer.Status);
        if (status == 406) answer.IsProblem(406, "NOT_ACCEPTABLE");
    }

    [Theory]
    [InlineData("a line of 9 KiB", 414)]
    [InlineData("headers of 20 KiB", 431)]
    [InlineData("eighty headers", 431)]
    [InlineData("no host", 400)]
    [InlineData("no HTTP", 400)]
    public async Task what_is_no_request_is_refused_by_the_server_itself(string what, int status)
    {
        var answer = await SendRawAsync(what switch
        {
            "a line of 9 KiB" => $"GET /health?{new string('x', 9 * 1024)} HTTP/1.1\r\nHost: x\r\n\r\n",
            "headers of 20 KiB" => $"GET /health HTTP/1.1\r\nHost: x\r\nX-A: {new string('x', 10 * 1024)}\r\nX-B: {new string('x', 10 * 1024)}\r\n\r\n",
            "eighty headers" => "GET /health HTTP/1.1\r\nHost: x\r\n" + string.Concat(Enumerable.Range(0, 80).Select(i => $"X-{i}: x\r\n")) + "\r\n",
            "no host" => "GET /health HTTP/1.1\r\n\r\n",
            _ => "\u0016\u0003\u0001\u0002 hello\r\n\r\n",
        });
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Kestrel", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task a_client_that_sends_its_body_drop_by_drop_is_not_waited_for()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        var answer = await SendRawAsync(
            $"POST /api/v1/devices HTTP/1.1\r\nHost: x\r\nX-API-Key: {user.Tenant.PublishableKey}\r\nAuthorization: Bearer {user.AccessToken}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", drop: "{");
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds, 4, 40); // a drop each second would take a quarter of an hour
        output.WriteLine($"given up after {System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s: {answer.Split("\r\n")[0]}");
        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("REQUEST_TIMEOUT", answer, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Undocumented(Operation operation, JsonNode? value, JsonNode schema, string where)
    {
        schema = operation.Resolved(schema);
        switch (value)
        {
            case JsonArray items when schema["items"] is { } item:
                foreach (var found in items.SelectMany(i => Undocumented(operation, i, item, where + "[]"))) yield return found;
                break;
            case JsonObject members when schema["properties"] is JsonObject described:
                foreach (var (name, member) in members)
                {
                    if (described[name] is not { } of) yield return $"{where}.{name} is described nowhere.";
                    else foreach (var found in Undocumented(operation, member, of, $"{where}.{name}")) yield return found;
                }

                break;
        }
    }

    /// <summary>These very middlewares in a server of their own, which answers with the address that it sees.</summary>
    private static async Task<WebApplication> ServeAsync(string trusted, bool demanded)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.UseTrustedProxies(Hygiene.Proxies(trusted));
        app.UseSecurityHeaders();
        app.UseHttpsOnly(demanded);
        app.Run(http => http.Response.WriteAsync(http.Connection.RemoteIpAddress!.ToString()));
        await app.StartAsync();
        return app;
    }

    private async Task<HttpResponseMessage> SendAsync(WebApplication app, string path, string proto, string forwardedFor)
    {
        var url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(new Uri(url), path));
        if (proto.Length > 0) request.Headers.Add("X-Forwarded-Proto", proto);
        if (forwardedFor.Length > 0) request.Headers.Add("X-Forwarded-For", forwardedFor);
        return await stack.Http.SendAsync(request);
    }

    /// <summary>Sends these bytes, then a drop each second, and reads until the server closes or has answered.</summary>
    private static async Task<string> SendRawAsync(string request, string? drop = null)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(Stack.Url.Host, Stack.Url.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var answered = CancellationTokenSource.CreateLinkedTokenSource(patience.Token);
        var dripping = DripAsync();
        var read = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await stream.ReadAsync(buffer, patience.Token) is > 0 and var count)
            {
                read.Append(Encoding.Latin1.GetString(buffer, 0, count));
                if (drop is null && read.ToString().Contains("\r\n\r\n", StringComparison.Ordinal)) break;
            }
        }
        catch (IOException)
        {
            // Closed while more of ours was on its way.
        }

        await answered.CancelAsync();
        await dripping;
        return read.ToString();

        async Task DripAsync()
        {
            try
            {
                while (drop is not null)
                {
                    await Task.Delay(1000, answered.Token);
                    await stream.WriteAsync(Encoding.Latin1.GetBytes(drop), answered.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or IOException)
            {
                // The server has had enough.
            }
        }
    }
}
