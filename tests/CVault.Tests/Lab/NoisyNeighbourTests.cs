using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>Row 34 of the plan: one tenant floods two nodes, the other hardly notices.</summary>
[Collection(Alone.Name)]
public sealed class NoisyNeighbourTests(Stack stack, ITestOutputHelper output)
{
    private const int LimitOfA = 120, LimitOfB = 600;

    [Fact]
    public async Task a_tenant_at_fifty_times_its_limit_gets_its_limit_and_the_other_tenant_nothing_of_it()
    {
        LabClient.Required(); // simulated servers are one process's memory, and have no second node
        await using var second = await Node.StartAsync(stack);
        Uri[] nodes = [Stack.Url, second.Url];
        var a = await stack.NewTenantAsync(new { requests_per_minute = LimitOfA });
        var b = await (await stack.NewTenantAsync(new { requests_per_minute = LimitOfB })).NewUserAsync();
        await AtHalfAsync(b, nodes, TimeSpan.FromSeconds(10)); // both nodes are warm

        var without = await AtHalfAsync(b, nodes, Size.Seconds(20, 120));
        var (start, answers) = (Stopwatch.GetTimestamp(), new ConcurrentBag<(double At, Answer Answer)>());
        using var over = new CancellationTokenSource(TimeSpan.FromSeconds(119));
        var flood = Task.WhenAll(nodes.Select(node => EveryAsync(TimeSpan.FromMinutes(1) * nodes.Length / (50 * LimitOfA), async () =>
        {
            var answer = await AskAsync(node, ("X-API-Key", a.ApiKey), ("X-API-Secret", a.ApiSecret));
            answers.Add((Stopwatch.GetElapsedTime(start).TotalSeconds, answer));
        }, over.Token)));
        var with = await AtHalfAsync(b, nodes, TimeSpan.FromSeconds(119));
        await flood;

        // Who could not be counted, since the database was not there for a moment, is let pass and not told what is left (ops/decisions/0016).
        var granted = answers.Where(x => x.Answer.Status == HttpStatusCode.OK && x.Answer.Headers.ContainsKey("RateLimit-Reset")).ToArray();
        foreach (var refused in answers.Where(x => x.Answer.Status != HttpStatusCode.OK)) refused.Answer.IsProblem(429, "RATE_LIMITED");
        // A window begins with the first call and the next one with the first after its end, which a flood makes at once.
        var ends = granted.Select(x => x.At + int.Parse(x.Answer.Headers["RateLimit-Reset"], System.Globalization.CultureInfo.InvariantCulture)).Order().ToArray();
        var windows = new[] { ends.Count(end => end < ends[0] + 30), ends.Count(end => end >= ends[0] + 30) };
        output.WriteLine($"A asked {answers.Count} times ({answers.Count / 119.0 * 60 / LimitOfA:0} times its limit) and got {windows[0]} and {windows[1]} of {LimitOfA} in two windows");
        output.WriteLine($"B asked {with.Count} times, p95 {without.P95:0.0} ms without the flood, {with.P95:0.0} ms with it ({100 * (with.P95 / without.P95 - 1):+0;-0}%)");
        Assert.All(windows, w => Assert.InRange(w, LimitOfA - 1, LimitOfA + 1));
        // Of this noisy machine a hint; the plan's figure at full size.
        Assert.InRange(with.P95, 0, Size.Of((3 * without.P95) + 50, (1.2 * without.P95) + 2));
    }

    /// <summary>B at half of its limit, evenly, on the nodes in turn.</summary>
    private async Task<(int Count, double P95)> AtHalfAsync(TestUser b, Uri[] nodes, TimeSpan time)
    {
        var (took, turn) = (new ConcurrentBag<double>(), 0);
        using var over = new CancellationTokenSource(time);
        await EveryAsync(TimeSpan.FromMinutes(1) / (LimitOfB / 2), async () =>
        {
            var start = Stopwatch.GetTimestamp();
            (await AskAsync(nodes[Interlocked.Increment(ref turn) % nodes.Length], ("X-API-Key", b.Tenant.PublishableKey), ("Authorization", "Bearer " + b.AccessToken))).Is(HttpStatusCode.OK);
            took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }, over.Token);
        var ordered = took.Order().ToArray();
        return (ordered.Length, ordered[(int)Math.Ceiling(ordered.Length * 0.95) - 1]);
    }

    private static async Task EveryAsync(TimeSpan period, Func<Task> act, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(period);
        var acts = new List<Task>();
        try
        {
            while (await timer.WaitForNextTickAsync(cancellation)) acts.Add(act());
        }
        catch (OperationCanceledException)
        {
            // Time is up.
        }

        await Task.WhenAll(acts);
    }

    private async Task<Answer> AskAsync(Uri node, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(node, "/api/v1/servers"));
        foreach (var (name, value) in headers) request.Headers.Add(name, value);
        using var response = await stack.Http.SendAsync(request);
        return new Answer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(),
            response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(",", h.Value), StringComparer.OrdinalIgnoreCase));
    }
}
