using System.Net;
using System.Text.Json.Nodes;

namespace CVault.Tests.Api;

/// <summary>
/// Metacharacters of shells and of SQL in every text that an operation of the OpenAPI document takes (row 28): body, query,
/// path and headers. What would run them leaves a file, on this host or on a server, or a table.
/// </summary>
public sealed class InjectionTests(Stack stack)
{
    private readonly string canary = "cvault_canary_" + Guid.NewGuid().ToString("N")[..12];

    private string[] Payloads =>
    [
        $"$(touch /tmp/{canary})", $"`touch /tmp/{canary}`", $"x; touch /tmp/{canary} #", $"x | touch /tmp/{canary}", $"x\ntouch /tmp/{canary}\n", $"'\"; touch /tmp/{canary}; '\"", $"--option=/tmp/{canary}",
        $"'; create table cvault.{canary} (x int); --", $"x') ; create table cvault.{canary} (x int); --", $"$1); create table cvault.{canary} (x int); --", "' or '1'='1", "*DEFAULT*", "\\'; select pg_sleep(5); --", "%27%3B", "{0}${x}%s@p0:p0?",
    ];

    [Fact]
    public async Task nothing_that_is_sent_is_ever_run()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000 });
        var user = await tenant.NewUserAsync();
        var member = (await stack.SignUpAsync()).Owner;
        var device = (await user.NewDeviceAsync()).Id;
        var document = (await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json")).Is(HttpStatusCode.OK).Json;
        var (tried, broken, servers) = (0, new List<string>(), new List<string>());
        foreach (var (path, item) in document["paths"]!.AsObject())
        {
            foreach (var (verb, operation) in item!.AsObject())
            {
                var method = new HttpMethod(verb.ToUpperInvariant());
                var name = operation!["operationId"]?.ToString() ?? $"{verb} {path}";
                (string, string)[] who = path.StartsWith("/api/v1/tenant", StringComparison.Ordinal) ? [("Authorization", "Bearer " + member.AccessToken)] : path.StartsWith("/admin", StringComparison.Ordinal)
                    ? [("Authorization", "Bearer " + Stack.OperatorToken)]
                    : [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret), ("Authorization", "Bearer " + user.AccessToken)];
                var bare = Segments(path, _ => path.Contains("/devices/", StringComparison.Ordinal) ? device : Guid.CreateVersion7().ToString());
                // A removal that names the thing itself would be none of an attack.
                var texts = TextsOf(document, operation).ToArray();
                foreach (var payload in Payloads)
                {
                    if (path.Contains('{', StringComparison.Ordinal)) await TryAsync(Segments(path, _ => Uri.EscapeDataString(payload)), null);
                    foreach (var parameter in (operation["parameters"] as JsonArray ?? []).Where(p => p!["in"]?.ToString() == "query").Select(p => p!["name"]!.ToString()))
                    {
                        await TryAsync($"{bare}?{parameter}={Uri.EscapeDataString(payload)}", null);
                    }

                    foreach (var text in texts)
                    {
                        var body = Sample(texts, device);
                        body[text] = payload;
                        await TryAsync(bare, body);
                    }

                    async Task TryAsync(string target, JsonObject? body)
                    {
                        tried++;
                        (string, string)[] key = method == HttpMethod.Post && !payload.Contains('\n', StringComparison.Ordinal) ? [("Idempotency-Key", payload + tried)] : [];
                        var answer = await stack.SendAsync(method, target, body, headers: [.. who, .. key, ("X-Request-Id", payload.Replace('\n', ' ')), ("User-Agent", payload.Replace('\n', ' '))]);
                        if ((int)answer.Status >= 500 && !(name == "registerServer" && answer.Status == HttpStatusCode.BadGateway)) broken.Add($"{name} {target} {body?.ToJsonString()}: {(int)answer.Status} {answer.Body}");
                        if (name == "registerServer" && answer.Status == HttpStatusCode.Created) servers.Add(answer.Text("id"));
                    }
                }
            }
        }

        foreach (var payload in Payloads.Where(p => !p.Contains('\n', StringComparison.Ordinal)))
        {
            foreach (var header in new[] { "X-API-Key", "X-API-Secret", "Authorization", "Accept", "X-Forwarded-For", "Origin" })
            {
                tried++;
                var answer = await stack.SendAsync(HttpMethod.Get, "/api/v1/devices", headers: [("X-API-Key", tenant.ApiKey), (header, payload), (header, "Bearer " + payload)]);
                if ((int)answer.Status >= 500) broken.Add($"header {header}: {payload}: {(int)answer.Status} {answer.Body}");
            }
        }

        foreach (var server in servers) await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/retire");
        // What was taken as a name goes on to a server with the next peer.
        await (await tenant.NewUserAsync()).NewDeviceAsync($"$(touch /tmp/{canary})");

        TestContext.Current.TestOutputHelper?.WriteLine($"{tried} requests with metacharacters, 0 executions");
        Assert.True(tried > 500, $"Only {tried} requests were made.");
        Assert.True(broken.Count == 0, string.Join('\n', broken.Take(20)));
        Assert.Empty(Directory.EnumerateFileSystemEntries("/tmp", canary + "*"));
        if (Stack.HasLab)
        {
            foreach (var host in new[] { "vpn1", "vpn2" }) Assert.NotEqual(0, (await Stack.OnAsync(host, ["ls", "/tmp/" + canary], mayFail: true)).ExitCode);
        }

        await using var table = stack.Database.CreateCommand($"select to_regclass('cvault.{canary}') is null and to_regclass('{canary}') is null");
        Assert.Equal(true, await table.ExecuteScalarAsync());
    }

    private static string Segments(string path, Func<string, string> fill) => string.Join('/', path.Split('/').Select(s => s.StartsWith('{') ? fill(s) : s));

    /// <summary>The members of the operation's body that take a text.</summary>
    private static IEnumerable<string> TextsOf(JsonNode document, JsonNode operation)
    {
        var schema = operation["requestBody"]?["content"]?["application/json"]?["schema"];
        // An optional body is either nothing or a reference.
        var reference = schema?["$ref"] ?? (schema?["oneOf"] as JsonArray ?? schema?["anyOf"] as JsonArray)?.Select(s => s!["$ref"]).FirstOrDefault(r => r is not null);
        if (reference is not null) schema = document["components"]!["schemas"]![reference.ToString().Split('/')[^1]];
        return (schema?["properties"] as JsonObject ?? []).Where(p => p.Value?["type"]?.ToJsonString().Contains("string", StringComparison.Ordinal) != false).Select(p => p.Key);
    }

    /// <summary>A body that gets past the validation of its other members, where a name tells what they take.</summary>
    private static JsonObject Sample(string[] members, string device)
    {
        var body = new JsonObject();
        foreach (var member in members)
        {
            JsonNode? value = member switch
            {
                "email" => $"user-{Guid.NewGuid():N}@example.com",
                "password" => Scenarios.Password,
                "device_id" => device,
                "device_name" or "name" or "display_name" => "Sample " + Guid.NewGuid().ToString("N")[..8],
                "region" => "nowhere",
                "endpoint_host" => "203.0.113.1",
                "transport" => "simulated",
                _ => null,
            };
            if (value is not null) body[member] = value;
        }

        if (body.ContainsKey("transport")) body["capacity"] = 0;
        return body;
    }
}
