using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace CVault.Bench;

/// <summary>What a closed loop saw.</summary>
/// <param name="Live">Answers 201 with <c>peer_status: live</c> inside the window.</param>
/// <param name="Pending">Answers 201 that said <c>pending</c>.</param>
/// <param name="Failed">Everything else, by what it was.</param>
/// <param name="Seconds">The window.</param>
/// <param name="Ms">How long each live answer took, in milliseconds.</param>
public sealed record Run(int Live, int Pending, IReadOnlyDictionary<string, int> Failed, double Seconds, IReadOnlyCollection<double> Ms)
{
    public double PerSecond => Live / Seconds;
    /// <summary>All answers 201, those after the window too.</summary>
    public int Registered => Ms.Count + Pending;
    public string FailedText => string.Join(", ", Failed.Select(f => $"{f.Value} x {f.Key}"));
}

/// <summary>
/// Apps that register devices over HTTP with a publishable key and a user's token. It shares the machine's cores with
/// what it measures, so it does little: one <see cref="HttpClient"/>, one body for all, and of the answer it looks for
/// two words.
/// </summary>
public sealed class Load : IDisposable
{
    private const string Password = "correct horse battery";
    private const int Tenants = 4, UsersPerTenant = 50, MostDevices = 1000;
    private static readonly byte[] Body = """{"device_name":"Laptop","server_region":"us-east"}"""u8.ToArray();
    private static readonly TimeSpan TokensAreFresh = TimeSpan.FromMinutes(5);

    private sealed class User(string key, string access, string refresh)
    {
        public string Key { get; } = key;
        public string Access { get; set; } = access;
        public string Refresh { get; set; } = refresh;
    }

    private readonly Stack stack;
    private readonly HttpClient http;
    private readonly int concurrency;
    private readonly List<User> users = [];
    private readonly ConcurrentStack<(int User, Guid Device)> devices = [];
    private long tokensFrom;
    private int next;

    public Load(Stack stack, int concurrency)
    {
        this.stack = stack;
        this.concurrency = concurrency;
        http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = concurrency, UseProxy = false, UseCookies = false, AllowAutoRedirect = false,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(10), ActivityHeadersPropagator = null,
        })
        { BaseAddress = stack.Url, Timeout = TimeSpan.FromSeconds(30) };
    }

    public void Dispose() => http.Dispose();

    public async Task SignUpAsync()
    {
        for (var t = 0; t < Tenants; t++)
        {
            var tenant = await stack.AsOperatorAsync(HttpMethod.Post, "/admin/tenants", new { name = "Bench " + t, max_devices_per_user = MostDevices, requests_per_minute = 1_000_000_000 });
            string Of(string member) => tenant[member]!.ToString();
            for (var u = 0; u < UsersPerTenant; u++)
            {
                var user = await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email = $"user-{u}@bench.example", password = Password }, ("X-API-Key", Of("api_key")), ("X-API-Secret", Of("api_secret")));
                users.Add(new User(Of("publishable_key"), user["access_token"]!.ToString(), user["refresh_token"]!.ToString()));
            }
        }

        // Neighbours in the list are of different tenants, as neighbours in time are.
        var mixed = users.Select((user, i) => (user, i)).OrderBy(p => p.i % UsersPerTenant).Select(p => p.user).ToArray();
        users.Clear();
        users.AddRange(mixed);
        tokensFrom = Stopwatch.GetTimestamp();
    }

    /// <summary>Access tokens last 15 minutes. Never inside what is measured.</summary>
    public async Task FreshTokensAsync()
    {
        if (Stopwatch.GetElapsedTime(tokensFrom) < TokensAreFresh) return;
        foreach (var user in users)
        {
            var answer = await stack.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = user.Refresh }, ("X-API-Key", user.Key));
            (user.Access, user.Refresh) = (answer["access_token"]!.ToString(), answer["refresh_token"]!.ToString());
        }

        tokensFrom = Stopwatch.GetTimestamp();
    }

    /// <summary>As many clients as the concurrency, each with its next registration as soon as its last is answered.</summary>
    /// <param name="seconds">How long; a client ends with the registration that it is at.</param>
    /// <param name="most">No more registrations than this.</param>
    public async Task<Run> LoopAsync(double seconds, int most = int.MaxValue)
    {
        await FreshTokensAsync();
        var (start, left) = (Stopwatch.GetTimestamp(), most);
        var tallies = await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            var tally = new Tally();
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds && Interlocked.Decrement(ref left) >= 0)
            {
                var began = Stopwatch.GetTimestamp();
                var outcome = await RegisterAsync();
                tally.Add(outcome, Stopwatch.GetElapsedTime(began).TotalMilliseconds, Stopwatch.GetElapsedTime(start).TotalSeconds <= seconds);
            }

            return tally;
        })));
        return Tally.Sum(tallies, Math.Min(seconds, Stopwatch.GetElapsedTime(start).TotalSeconds));
    }

    /// <summary>One at a time, with a pause before each.</summary>
    public async Task<Run> OneByOneAsync(int count, TimeSpan pause)
    {
        await FreshTokensAsync();
        var tally = new Tally();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < count; i++)
        {
            await Task.Delay(pause);
            var began = Stopwatch.GetTimestamp();
            tally.Add(await RegisterAsync(), Stopwatch.GetElapsedTime(began).TotalMilliseconds, inside: true);
        }

        return Tally.Sum([tally], Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Removes this many of the devices that were registered, the newest first.</summary>
    public async Task RevokeAsync(int count)
    {
        await FreshTokensAsync();
        var left = count;
        await Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0 && devices.TryPop(out var device))
            {
                using var request = Request(HttpMethod.Delete, "/api/v1/devices/" + device.Device, users[device.User]);
                using var response = await http.SendAsync(request);
                response.EnsureSuccessStatusCode();
            }
        })));
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, User user)
    {
        var request = new HttpRequestMessage(method, path);
        request.Headers.TryAddWithoutValidation("X-API-Key", user.Key);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + user.Access);
        return request;
    }

    /// <summary>"live", "pending", or in words what else it was.</summary>
    private async Task<string> RegisterAsync()
    {
        var number = (int)((uint)Interlocked.Increment(ref next) % (uint)users.Count);
        using var request = Request(HttpMethod.Post, "/api/v1/devices", users[number]);
        request.Content = new ByteArrayContent(Body) { Headers = { ContentType = Json } };
        try
        {
            using var response = await http.SendAsync(request);
            var bytes = await response.Content.ReadAsByteArrayAsync();
            if (response.StatusCode != HttpStatusCode.Created) return (int)response.StatusCode + " " + After(bytes, "\"code\":\""u8, '"');
            devices.Push((number, Guid.Parse(After(bytes, "\"device_id\":\""u8, '"'))));
            return After(bytes, "\"peer_status\":\""u8, '"');
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return e.GetType().Name;
        }
    }

    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private static string After(ReadOnlySpan<byte> text, ReadOnlySpan<byte> before, char end)
    {
        var at = text.IndexOf(before);
        if (at < 0) return "";
        text = text[(at + before.Length)..];
        return Encoding.ASCII.GetString(text[..text.IndexOf((byte)end)]);
    }

    private sealed class Tally
    {
        private readonly List<double> ms = [];
        private readonly Dictionary<string, int> failed = [];
        private int live, pending;

        /// <param name="outcome">As <see cref="RegisterAsync"/> says it.</param>
        /// <param name="took">Milliseconds.</param>
        /// <param name="inside">Answered within the window; one after it tells of latency, not of throughput.</param>
        public void Add(string outcome, double took, bool inside)
        {
            if (outcome == "live")
            {
                ms.Add(took);
                if (inside) live++;
            }
            else if (outcome == "pending") pending++;
            else failed[outcome] = failed.GetValueOrDefault(outcome) + 1;
        }

        public static Run Sum(IReadOnlyCollection<Tally> all, double seconds) => new(
            all.Sum(t => t.live), all.Sum(t => t.pending),
            all.SelectMany(t => t.failed).GroupBy(f => f.Key).ToDictionary(g => g.Key, g => g.Sum(f => f.Value)),
            seconds, [.. all.SelectMany(t => t.ms)]);
    }
}
