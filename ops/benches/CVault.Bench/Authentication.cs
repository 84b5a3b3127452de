using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace CVault.Bench;

/// <summary>
/// What it costs to know who asks: requests a second on one route that needs no database for its answer, without and
/// with credentials, in turns. Beside each, what PostgreSQL committed meanwhile.
/// </summary>
public sealed class Authentication(Stack stack, double seconds, int concurrency)
{
    private const string Path = "/api/v1/servers?limit=0";
    private const int Rounds = 3;

    private sealed record Variant(string Name, int Status, (string, string)[] Headers)
    {
        public List<double> PerSecond { get; } = [];
        public List<double> Commits { get; } = [];
    }

    public async Task<string> RunAsync()
    {
        var tenant = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Bench", requests_per_minute = 100_000_000 });
        string Of(string member) => tenant[member]!.ToString();
        (string, string) key = ("X-API-Key", Of("publishable_key"));
        (string, string)[] secret = [("X-API-Key", Of("api_key")), ("X-API-Secret", Of("api_secret"))];
        var user = await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = "user@bench.example", password = "long enough for anyone" }, secret);
        var token = ("Authorization", "Bearer " + user["access_token"]);
        Variant[] variants =
        [
            new("no credential (401)", 401, []),
            new("publishable key (400)", 400, [key]),
            new("key and secret (400)", 400, secret),
            new("user's token (400)", 400, [token]),
            new("key and user's token (400)", 400, [key, token]),
        ];

        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = concurrency, UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null }) { BaseAddress = stack.Url };
        foreach (var variant in variants) await LoopAsync(http, variant, 2, record: false);
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var variant in variants) await LoopAsync(http, variant, seconds, record: true);
        }

        return Table(variants);
    }

    private async Task LoopAsync(HttpClient http, Variant variant, double forSeconds, bool record)
    {
        Console.Error.WriteLine($"    {variant.Name}");
        var (before, start) = (await CommitsAsync(), Stopwatch.GetTimestamp());
        var counts = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            var count = 0;
            for (; Stopwatch.GetElapsedTime(start).TotalSeconds < forSeconds; count++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, Path);
                foreach (var (name, value) in variant.Headers) request.Headers.TryAddWithoutValidation(name, value);
                using var response = await http.SendAsync(request);
                if ((int)response.StatusCode != variant.Status) throw new InvalidOperationException($"{variant.Name}: {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
            }

            return count;
        })));
        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        // PostgreSQL tells of a session's work a while after it.
        await Task.Delay(1200);
        if (!record) return;
        variant.PerSecond.Add(counts.Sum() / took);
        variant.Commits.Add((await CommitsAsync() - before) / (double)counts.Sum());
    }

    private Task<long> CommitsAsync() => stack.CountAsync("select xact_commit from pg_stat_database where datname = 'cvault'");

    private string Table(Variant[] variants)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Authentication, {DateTimeOffset.UtcNow:yyyy-MM-dd}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"`ops/bench authentication`: `GET {Path}`, which answers from memory; {concurrency} clients in a closed loop, {Rounds} rounds of {seconds:0} s each, in turns; medians. The load generator shares the {Environment.ProcessorCount} cores: the ratios are what matters.").AppendLine();
        text.AppendLine("| | requests a second | of those without | transactions a request, those of an idle node included |").AppendLine("|---|---:|---:|---:|");
        foreach (var v in variants)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"| {v.Name} | {Median(v.PerSecond):N0} | {Median(v.PerSecond) / Median(variants[0].PerSecond):0.00} | {Median(v.Commits):0.000} |");
        }

        return text.ToString();
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
