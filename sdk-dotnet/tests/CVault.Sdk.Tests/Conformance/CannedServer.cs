using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tests.Conformance;

/// <summary>
/// A server on loopback that expects the exchanges of one case, in their order, and gives their answers. What it did not
/// expect it remembers.
/// </summary>
internal sealed class CannedServer : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly JsonElement[] exchanges;
    private readonly TaskCompletionSource[] whole, ended;
    private readonly List<string> faults = [];
    private readonly Lock sync = new();
    private readonly SemaphoreSlim arrivals = new(0);
    private readonly List<Dictionary<string, string>> headersOf = [];
    private Dictionary<string, string> last = [];
    private int at, alike, arrived;

    private CannedServer(WebApplication app, JsonElement[] exchanges, int steps)
    {
        (this.app, this.exchanges) = (app, exchanges);
        whole = [.. exchanges.Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))];
        ended = [.. Enumerable.Range(0, steps).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously))];
    }

    public Uri Url => new(app.Urls.Single());

    public static async Task<CannedServer> StartAsync(JsonElement[] exchanges, int steps)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var server = new CannedServer(app, exchanges, steps);
        app.Run(server.AnswerAsync);
        await app.StartAsync();
        return server;
    }

    /// <summary>Waits until so many requests have come.</summary>
    public async Task ArrivedAsync(int many, CancellationToken cancellation)
    {
        while (Volatile.Read(ref arrived) < many) await arrivals.WaitAsync(cancellation);
    }

    /// <summary>Lets go of the answers that wait for this step.</summary>
    public void StepEnded(int step) => ended[step].SetResult();

    /// <summary>All that was not as it should have been.</summary>
    public IReadOnlyList<string> Faults()
    {
        lock (sync) return at == exchanges.Length ? [.. faults] : [.. faults, $"{exchanges.Length - at} of {exchanges.Length} exchanges did not happen, the first {exchanges[at].GetProperty("expect")}"];
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        using var memory = new MemoryStream();
        await http.Request.Body.CopyToAsync(memory);
        var body = Encoding.UTF8.GetString(memory.ToArray());
        JsonElement exchange;
        Task all;
        lock (sync)
        {
            if (at == exchanges.Length)
            {
                faults.Add($"Unexpected: {http.Request.Method} {http.Request.Path}");
                http.Abort();
                return;
            }

            exchange = exchanges[at];
            all = whole[at].Task;
            Check(exchange.GetProperty("expect"), http.Request, body);
            if (++alike == (exchange.TryGetProperty("times", out var times) ? times.GetInt32() : 1))
            {
                whole[at].SetResult();
                (at, alike) = (at + 1, 0);
                headersOf.Add(last);
            }

            arrived++;
        }

        arrivals.Release();
        if (exchange.TryGetProperty("hold", out var hold) && hold.GetBoolean()) await all.WaitAsync(TimeSpan.FromSeconds(30));
        var answer = exchange.GetProperty("answer");
        if (answer.TryGetProperty("after_step", out var step)) await ended[step.GetInt32()].Task.WaitAsync(TimeSpan.FromSeconds(30));
        await WriteAsync(answer, http);
    }

    private void Check(JsonElement expect, HttpRequest request, string body)
    {
        var what = $"{request.Method} {request.Path}{request.QueryString}";
        if (expect.GetProperty("method").GetString() != request.Method || expect.GetProperty("path").GetString() != request.Path) faults.Add($"{what} instead of {expect.GetProperty("method")} {expect.GetProperty("path")}");
        var headers = request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());
        if (expect.TryGetProperty("headers", out var wanted))
        {
            foreach (var header in wanted.EnumerateObject())
            {
                var value = headers.GetValueOrDefault(header.Name, "");
                var earlier = headersOf.LastOrDefault()?.GetValueOrDefault(header.Name) ?? "";
                var good = header.Value.GetString() switch
                {
                    "*" => value.Length > 0,
                    "same" => value.Length > 0 && value == earlier,
                    "new" => value.Length > 0 && value != earlier,
                    ['s', 'a', 'm', 'e', ' ', .. var place] => value.Length > 0 && value == headersOf[int.Parse(place)].GetValueOrDefault(header.Name, ""),
                    var exact => value == exact,
                };
                if (!good) faults.Add($"{what}: header {header.Name} is \"{value}\", not {header.Value}");
            }
        }

        foreach (var absent in expect.TryGetProperty("absent", out var none) ? none.EnumerateArray() : [])
        {
            if (headers.ContainsKey(absent.GetString()!)) faults.Add($"{what}: header {absent} is there");
        }

        if (expect.TryGetProperty("query", out var query))
        {
            var has = request.Query.ToDictionary(q => q.Key, q => q.Value.ToString());
            var differs = query.EnumerateObject().Count() != has.Count || query.EnumerateObject().Any(q => !Same(has.GetValueOrDefault(q.Name, ""), q.Value.GetString()!));
            if (differs) faults.Add($"{what}: the query is not {query}");
        }

        if (expect.TryGetProperty("body", out var expected))
        {
            if (body.Length == 0 || !JsonElement.DeepEquals(JsonDocument.Parse(body).RootElement, expected)) faults.Add($"{what}: the body is {body}, not {expected}");
        }

        last = headers;
    }

    /// <summary>Times are instants, however they are written.</summary>
    private static bool Same(string a, string b) =>
        a == b || (b.Contains('T', StringComparison.Ordinal) && DateTimeOffset.TryParse(a, out var one) && DateTimeOffset.TryParse(b, out var other) && one == other);

    public static async Task WriteAsync(JsonElement answer, HttpContext http)
    {
        if (answer.TryGetProperty("delay_ms", out var delay))
        {
            try
            {
                await Task.Delay(delay.GetInt32(), http.RequestAborted);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }

        if (answer.TryGetProperty("drop", out var drop) && drop.GetBoolean())
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = answer.GetProperty("status").GetInt32();
        byte[] bytes = [];
        if (answer.TryGetProperty("body", out var json)) (bytes, http.Response.ContentType) = (Encoding.UTF8.GetBytes(json.GetRawText()), "application/json");
        else if (answer.TryGetProperty("text", out var text)) bytes = Encoding.UTF8.GetBytes(text.GetString()!);
        else if (answer.TryGetProperty("base64", out var base64)) bytes = base64.GetBytesFromBase64();
        foreach (var header in answer.TryGetProperty("headers", out var headers) ? headers.EnumerateObject() : default) http.Response.Headers[header.Name] = header.Value.ToString();
        var cut = answer.TryGetProperty("cut", out var broken) && broken.GetBoolean();
        http.Response.ContentLength = bytes.Length + (cut ? 100 : 0);
        await http.Response.Body.WriteAsync(bytes);
        await http.Response.Body.FlushAsync();
        if (cut) http.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
    }
}
