using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using CVault.Sdk.Tests.Conformance;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tests;

/// <summary>A server on loopback that answers every call with the first good answer that the conformance lists have for it.</summary>
internal sealed partial class AnyOrderServer : IAsyncDisposable
{
    private static readonly Dictionary<string, JsonElement> Answers = AnswersOf(ConformanceTests.All.Values);
    private readonly WebApplication app;

    private AnyOrderServer(WebApplication app) => this.app = app;

    public Uri Url => new(app.Urls.Single());

    /// <summary>Every request that came, with its query.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Answers in place of the lists' when it says so.</summary>
    public Func<HttpContext, Task<bool>>? First { get; set; }

    public static async Task<AnyOrderServer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new AnyOrderServer(app);
        app.Run(server.AnswerAsync);
        await app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        Requests.Enqueue($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
        if (First is { } first && await first(http)) return;
        if (Answers.TryGetValue(KeyOf(http.Request.Method, http.Request.Path, http.Request.Headers.Accept.ToString()), out var answer)) await CannedServer.WriteAsync(answer, http);
        else await CannedServer.WriteAsync(JsonDocument.Parse("""{"status":404,"headers":{"content-type":"application/problem+json"},"body":{"code":"NOT_FOUND","title":"No list has an answer."}}""").RootElement, http);
    }

    private static Dictionary<string, JsonElement> AnswersOf(IEnumerable<JsonElement> cases)
    {
        var answers = new Dictionary<string, JsonElement>();
        foreach (var exchange in cases.SelectMany(c => c.GetProperty("exchanges").EnumerateArray()))
        {
            var (expect, answer) = (exchange.GetProperty("expect"), exchange.GetProperty("answer"));
            var type = answer.TryGetProperty("headers", out var headers) && headers.TryGetProperty("content-type", out var value) ? value.GetString()!.Split(';')[0] : "application/json";
            // The last page of a list, so that reading on comes to an end.
            if (!answer.TryGetProperty("status", out var status) || status.GetInt32() is < 200 or > 299 || answer.TryGetProperty("cut", out _) || type == "text/html") continue;
            if (answer.TryGetProperty("body", out var body) && body.TryGetProperty("next_cursor", out var next) && next.ValueKind == JsonValueKind.String) continue;
            answers.TryAdd(KeyOf(expect.GetProperty("method").GetString()!, expect.GetProperty("path").GetString()!, type), answer);
        }

        return answers;
    }

    private static string KeyOf(string method, string path, string type) => $"{method} {Ids().Replace(path, "{id}")} {type}";

    [GeneratedRegex("[0-9a-f]{8}-[0-9a-f-]{27}|cvk_1")]
    private static partial Regex Ids();
}
