using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CVault.Sdk.Tests.Conformance;

/// <summary>Every case of <c>sdk-conformance.json</c>, which other SDKs pass too.</summary>
public class ConformanceTests
{
    public static readonly Dictionary<string, JsonElement> All = new[]
    {
        Path.Combine(Repository.Root, "sdk-conformance.json"), Path.Combine(Repository.Sdk, "tests", "CVault.Sdk.Tests", "Conformance", "portal-conformance.json"),
    }.SelectMany(CasesOf).ToDictionary(c => c.GetProperty("name").GetString()!);

    /// <summary>Members by their names in this SDK, whatever they are called on the wire.</summary>
    private static readonly JsonSerializerOptions BySdkName = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver
        {
            Modifiers =
            {
                type =>
                {
                    foreach (var property in type.Properties)
                    {
                        if (property.AttributeProvider is System.Reflection.MemberInfo member) property.Name = JsonNamingPolicy.SnakeCaseLower.ConvertName(member.Name);
                    }
                },
            },
        },
    };

    private static IEnumerable<JsonElement> CasesOf(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement.GetProperty("cases").EnumerateArray();

    public static TheoryData<string> Names() => [.. All.Keys];

    [Theory, MemberData(nameof(Names))]
    public async Task A_case_goes_as_it_is_written(string name)
    {
        var of = All[name];
        await using var server = await CannedServer.StartAsync([.. of.GetProperty("exchanges").EnumerateArray()], of.GetProperty("steps").GetArrayLength());
        var store = new MemoryTokenStore();
        if (of.TryGetProperty("session", out var session) && session.ValueKind == JsonValueKind.Object)
        {
            await store.SetAsync(new CVaultSession
            {
                UserId = session.GetProperty("user_id").GetGuid(), AccessToken = session.GetProperty("access_token").GetString()!,
                RefreshToken = session.GetProperty("refresh_token").GetString()!, ExpiresAt = DateTimeOffset.UtcNow.AddSeconds(session.GetProperty("expires_in").GetInt32()),
            });
        }

        var events = new List<string>();
        var call = Client(of.GetProperty("client").GetString()!, server.Url, store, events);
        var background = new List<Task>();
        foreach (var (i, step) in of.GetProperty("steps").EnumerateArray().Index())
        {
            if (step.TryGetProperty("when_arrived", out var many)) await server.ArrivedAsync(many.GetInt32(), new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
            var all = Task.WhenAll(Enumerable.Range(0, step.TryGetProperty("parallel", out var parallel) ? parallel.GetInt32() : 1).Select(_ => StepAsync(call, step)));
            if (step.TryGetProperty("background", out var behind) && behind.GetBoolean()) background.Add(EndAsync(all, i));
            else await EndAsync(all, i);
        }

        async Task EndAsync(Task all, int step)
        {
            await all;
            server.StepEnded(step);
        }

        await Task.WhenAll(background);
        Assert.Empty(server.Faults());
        if (of.TryGetProperty("after", out var after)) AssertSubset(after.GetProperty("session"), ToJson(await store.GetAsync()), "session");
        if (of.TryGetProperty("events", out var raised)) Assert.Equal(raised.EnumerateArray().Select(e => e.GetString()), events);
    }

    private static Func<string, Args, RequestOptions?, Task<object?>> Client(string kind, Uri url, ITokenStore store, List<string> events)
    {
        if (kind == "member")
        {
            var member = new CVaultMemberClient(new CVaultMemberOptions { BaseUrl = url, TokenStore = store });
            return (call, args, options) => Calls.InvokeAsync(member, call, args, options);
        }

        CVaultUserClient client = kind == "server"
            ? new CVaultServerClient(new CVaultServerOptions { BaseUrl = url, ApiKey = "cvk_test", ApiSecret = "cvs_test", TokenStore = store })
            : new CVaultClient(new CVaultClientOptions { BaseUrl = url, ApiKey = "cvp_test", TokenStore = store });
        client.Connected += (_, _) => events.Add("connected");
        client.Disconnected += (_, _) => events.Add("disconnected");
        client.Error += (_, _) =>
        {
            lock (events) events.Add("error");
        };
        return (call, args, options) => Calls.InvokeAsync(client, call, args, options);
    }

    private static async Task StepAsync(Func<string, Args, RequestOptions?, Task<object?>> call, JsonElement step)
    {
        RequestOptions? options = step.TryGetProperty("options", out var o)
            ? new RequestOptions
            {
                IdempotencyKey = o.TryGetProperty("idempotency_key", out var key) ? key.GetString() : null,
                MaxRetries = o.TryGetProperty("max_retries", out var most) ? most.GetInt32() : null,
                Timeout = o.TryGetProperty("timeout_ms", out var limit) ? TimeSpan.FromMilliseconds(limit.GetInt32()) : null,
            }
            : null;
        var watch = Stopwatch.StartNew();
        try
        {
            var result = await call(step.GetProperty("call").GetString()!, new Args(step.TryGetProperty("args", out var args) ? args : default), options);
            Assert.False(step.TryGetProperty("error", out var missing), $"There should have been {missing}.");
            if (step.TryGetProperty("result", out var expected)) AssertSubset(expected, ToJson(result), step.GetProperty("call").GetString()!);
        }
        catch (CVaultException e)
        {
            Assert.True(step.TryGetProperty("error", out var expected), e.ToString());
            var error = JsonSerializer.SerializeToElement(new Dictionary<string, object?>
            {
                ["code"] = e.Code, ["status"] = e.Status, ["message"] = e.Message, ["request_id"] = e.RequestId, ["errors"] = e.Errors,
                ["retry_after"] = e.RetryAfter?.TotalSeconds, ["timed_out"] = e.TimedOut,
            });
            AssertSubset(expected, error, "error");
        }

        if (step.TryGetProperty("at_least_ms", out var least)) Assert.True(watch.ElapsedMilliseconds >= least.GetInt32(), $"It took {watch.ElapsedMilliseconds} ms.");
    }

    private static JsonElement ToJson(object? value) => value is byte[] bytes
        ? JsonSerializer.SerializeToElement(new { base64 = Convert.ToBase64String(bytes) })
        : JsonSerializer.SerializeToElement(value, value?.GetType() ?? typeof(object), BySdkName);

    private static void AssertSubset(JsonElement expected, JsonElement actual, string where)
    {
        switch (expected.ValueKind)
        {
            case JsonValueKind.Object:
                Assert.True(actual.ValueKind == JsonValueKind.Object, $"{where} is {actual}");
                foreach (var member in expected.EnumerateObject())
                {
                    AssertSubset(member.Value, actual.TryGetProperty(member.Name, out var value) ? value : default, $"{where}.{member.Name}");
                }

                break;
            case JsonValueKind.Array:
                Assert.True(actual.ValueKind == JsonValueKind.Array && actual.GetArrayLength() == expected.GetArrayLength(), $"{where} is {actual}");
                foreach (var (e, a) in expected.EnumerateArray().Zip(actual.EnumerateArray())) AssertSubset(e, a, where + "[]");
                break;
            case JsonValueKind.Null:
                Assert.True(actual.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined, $"{where} is {actual}");
                break;
            case JsonValueKind.String when expected.GetString()!.Contains('T', StringComparison.Ordinal) && expected.TryGetDateTimeOffset(out var time):
                Assert.True(actual.TryGetDateTimeOffset(out var at) && at == time, $"{where} is {actual}");
                break;
            default:
                Assert.True(JsonElement.DeepEquals(expected, actual), $"{where} is {actual}, not {expected}");
                break;
        }
    }
}
