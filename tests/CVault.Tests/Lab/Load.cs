using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>What became of one request: it was done, it surely was not, or nobody can say.</summary>
public enum Outcome { Ok, Refused, Unknown }

/// <summary>One request of a load as its client saw it.</summary>
/// <param name="Begun">When it was sent, as <see cref="Stopwatch.GetTimestamp"/> tells.</param>
public sealed record Attempt(string Key, Outcome Outcome, Answer? Answer, long Begun, TimeSpan Took)
{
    /// <summary>Whether all of it lay between two moments.</summary>
    public bool Within(long from, long to) => Begun >= from && Begun + Took.TotalSeconds * Stopwatch.Frequency <= to;
}

/// <summary>
/// Registrations by clients that each repeat a request, with its same <c>Idempotency-Key</c>, until it is answered 201.
/// Every attempt is recorded, as Jepsen does, for <see cref="Oracle"/> to compare.
/// </summary>
/// <param name="nodes">Which of several nodes an attempt goes to, in turn; null: the stack's one.</param>
public sealed class Load(IReadOnlyList<TestUser> users, int registrations, IReadOnlyList<Uri>? nodes = null)
{
    public const int Clients = 8;
    private readonly string run = Guid.NewGuid().ToString("N");
    private int acknowledged;
    private uint turn;

    public ConcurrentQueue<Attempt> Attempts { get; } = new();

    /// <summary>How long a client goes on with one registration.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>How many registrations have been acknowledged so far.</summary>
    public int Progress => Volatile.Read(ref acknowledged);

    public IEnumerable<Acknowledged> Acknowledged => Attempts.Where(a => a.Outcome == Outcome.Ok).Select(a => Lab.Acknowledged.Of(a.Answer!)).DistinctBy(d => d.DeviceId);

    /// <summary>How many registrations were asked for, however often.</summary>
    public int Keys => Attempts.Select(a => a.Key).Distinct().Count();

    /// <summary>The work is shared out evenly.</summary>
    /// <param name="enough">Ends the load early, between two registrations.</param>
    public Task RunAsync(CancellationToken enough = default) => Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
    {
        for (var i = client; i < registrations && !enough.IsCancellationRequested; i += Clients)
        {
            var start = Stopwatch.GetTimestamp();
            while (await AttemptAsync(i) != Outcome.Ok)
            {
                if (Stopwatch.GetElapsedTime(start) > Patience) Assert.Fail($"Registration {i} was not acknowledged within {Patience.TotalSeconds} s");
                await Task.Delay(150);
            }
        }
    })));

    /// <summary>Sends again, once, each request that some attempt left unanswered or refused, and a sample of the others.</summary>
    public async Task RepeatAsync()
    {
        var troubled = Attempts.Where(a => a.Outcome != Outcome.Ok).Select(a => a.Key).Distinct().ToHashSet();
        foreach (var key in troubled.Concat(Attempts.Select(a => a.Key).Distinct().Where(k => !troubled.Contains(k)).Take(40)))
        {
            Assert.Equal(Outcome.Ok, await AttemptAsync(int.Parse(key.Split('-')[1])));
        }
    }

    /// <summary>The same key was always answered with the same device; nothing was answered that a client cannot act upon.</summary>
    public void IsConsistent()
    {
        foreach (var key in Attempts.Where(a => a.Outcome == Outcome.Ok).GroupBy(a => a.Key))
        {
            var devices = key.Select(a => $"{a.Answer!.Text("device_id")} ({a.Answer.Text("assigned_ip")})").Distinct().ToArray();
            Assert.True(devices.Length == 1, $"Idempotency-Key {key.Key} was answered with {devices.Length} devices: {string.Join(", ", devices)}");
        }

        var bad = Attempts.Where(a => a is { Outcome: Outcome.Refused, Answer: { } answer } && !IsHonest(answer)).Select(a => a.Answer!).ToArray();
        Assert.True(bad.Length == 0, $"{bad.Length} answers were neither 201 nor a 503 or 409 to repeat after, such as {bad.FirstOrDefault()?.Body}");
    }

    /// <summary>What 99 of 100 of these did not take longer than.</summary>
    public static TimeSpan P99(IEnumerable<Attempt> attempts)
    {
        var took = attempts.Select(a => a.Took).Order().ToArray();
        return took.Length == 0 ? TimeSpan.Zero : took[(int)Math.Ceiling(took.Length * 0.99) - 1];
    }

    public override string ToString() => string.Join(", ", Attempts.GroupBy(a => a.Outcome).Select(g => $"{g.Count()} {g.Key}"));

    private static bool IsHonest(Answer answer) =>
        (answer.Status == HttpStatusCode.ServiceUnavailable && answer.Code is "SERVICE_UNAVAILABLE" or "SERVER_UNAVAILABLE" && answer.Headers.ContainsKey("Retry-After"))
        || (answer.Status == HttpStatusCode.Conflict && answer.Code == "CONFLICT");

    private async Task<Outcome> AttemptAsync(int number)
    {
        var key = $"{run}-{number}";
        var start = Stopwatch.GetTimestamp();
        Answer? answer = null;
        var sent = true;
        try
        {
            var node = nodes?[(int)(Interlocked.Increment(ref turn) % (uint)nodes.Count)] ?? Stack.Url;
            answer = await Node.RegisterDeviceAsync(users[number % users.Count], node, $"Device {number}", idempotencyKey: key);
        }
        catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError)
        {
            sent = false;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // It may have been done before the connection broke, or not.
        }

        var outcome = answer?.Status == HttpStatusCode.Created ? Outcome.Ok : answer is null && sent ? Outcome.Unknown : Outcome.Refused;
        Attempts.Enqueue(new Attempt(key, outcome, answer, start, Stopwatch.GetElapsedTime(start)));
        if (outcome == Outcome.Ok) Interlocked.Increment(ref acknowledged);
        return outcome;
    }
}
