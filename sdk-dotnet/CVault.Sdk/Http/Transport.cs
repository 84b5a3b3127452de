using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace CVault.Sdk;

/// <summary>The only place that speaks HTTP: headers, attempts, waits, and what an answer means.</summary>
internal sealed class Transport
{
    /// <summary>Longer than this nobody is made to wait for <c>Retry-After</c>.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(250), LongestWait = TimeSpan.FromSeconds(8);

    /// <summary>Bytes of an answer; the API's are far smaller.</summary>
    private const int LongestAnswer = 16_000_000;

    private readonly Func<HttpClient> http;
    private readonly Uri root;
    private readonly string? key, secret, userAgent;
    private readonly TimeSpan timeout;
    private readonly int maxRetries;
    private readonly Action<CVaultLogEntry>? log;

    public Transport(CVaultOptions options, string? key, string? secret)
    {
        root = RootOf(options.BaseUrl);
        if (options.Timeout <= TimeSpan.Zero) throw new ArgumentException("Timeout must be more than nothing.", nameof(options));
        if (options.MaxRetries < 0) throw new ArgumentException("MaxRetries must be 0 or more.", nameof(options));
        (this.key, this.secret, timeout, maxRetries, log) = (key, secret, options.Timeout, options.MaxRetries, options.Log);
        var client = options.HttpClient;
        http = options.HttpClientFactory ?? (client is not null ? () => client : () => OwnClient(root.Scheme));
        // A browser would ask the API whether it may be sent, and hear that it may not.
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Create("BROWSER"))) userAgent = UserAgentOf(options.UserAgent);
    }

    /// <summary>Sends until there is an answer to give or nothing more to try.</summary>
    /// <param name="call">What to send.</param>
    /// <param name="read">What to make of the body of a good answer.</param>
    /// <param name="token">The user's or member's access token.</param>
    /// <param name="idempotencyKey">Of a POST: the same in each attempt.</param>
    /// <param name="options">The caller's.</param>
    /// <param name="cancellation">Ends attempts and waits.</param>
    public async Task<T> SendAsync<T>(Call call, Func<byte[], T> read, string? token, string? idempotencyKey, RequestOptions? options, CancellationToken cancellation)
    {
        var most = options?.MaxRetries ?? maxRetries;
        var lost = false;
        for (var attempt = 1; ; attempt++)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                return await AttemptAsync(call, read, token, idempotencyKey, options?.Timeout ?? timeout, attempt, cancellation).ConfigureAwait(false);
            }
            catch (CVaultException e) when (lost && call.Gone is not null && e is { Status: 404, Code: CVaultErrorCodes.NotFound })
            {
                return read(call.Gone!);
            }
            catch (CVaultException e) when (attempt <= most && MayPass(e, idempotencyKey is not null) && !(e.RetryAfter > Patience))
            {
                lost |= e.Status != 429; // What had too many before it was not done.
                var wait = WaitAfter(attempt);
                await Task.Delay(e.RetryAfter > wait ? e.RetryAfter.Value : wait, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task<T> AttemptAsync<T>(
        Call call, Func<byte[], T> read, string? token, string? idempotencyKey, TimeSpan timeout, int attempt, CancellationToken cancellation)
    {
        using var request = RequestOf(call, token, idempotencyKey);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timeout);
        var watch = Stopwatch.StartNew();
        var asked = request.RequestUri!;
        HttpResponseMessage? response = null;
        byte[]? body;
        try
        {
            response = await http().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
            body = await BodyAsync(response, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            response?.Dispose();
            // With the caller's token, not the linked one that nobody knows.
            cancellation.ThrowIfCancellationRequested();
            var timedOut = e is OperationCanceledException || limit.IsCancellationRequested;
            Tell(new CVaultLogEntry(call.Method.Method, call.Path, attempt, 0, null, watch.Elapsed, timedOut ? "timeout" : e.GetType().Name));
            throw new CVaultException(CVaultErrorCodes.NetworkError, timedOut ? "The API did not answer in time." : "The API cannot be reached.", e) { TimedOut = timedOut };
        }

        using (response)
        {
            var status = (int)response.StatusCode;
            var requestId = response.Headers.TryGetValues("X-Request-Id", out var ids) ? ids.FirstOrDefault() : null;
            Tell(new CVaultLogEntry(call.Method.Method, call.Path, attempt, status, requestId, watch.Elapsed, null));
            if (body is null) throw new CVaultException(CVaultErrorCodes.UnexpectedAnswer, "The answer is longer than any of the API's.") { Status = status, RequestId = requestId };
            if (response.RequestMessage?.RequestUri is { } answered && (answered.Scheme != asked.Scheme || answered.Authority != asked.Authority))
            {
                throw new CVaultException(CVaultErrorCodes.UnexpectedAnswer, "The HttpClient followed a redirect to another host, with the key. It must follow none: AllowAutoRedirect = false.") { Status = status, RequestId = requestId };
            }

            if (status is < 200 or > 299) throw ErrorOf(response, body, requestId);
            var mediaType = response.Content?.Headers.ContentType?.MediaType;
            if (!string.Equals(mediaType, call.Accept, StringComparison.OrdinalIgnoreCase)) throw Unexpected(status, requestId, null);
            try
            {
                return read(body);
            }
            catch (JsonException e)
            {
                throw Unexpected(status, requestId, e);
            }
        }
    }

    /// <summary>The whole body; null for one that is too long.</summary>
    private static async Task<byte[]?> BodyAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        if (response.Content is null) return [];
        // Not every stream of .NET Framework hears of the cancellation while it reads.
        using var end = cancellation.Register(response.Dispose);
        using var stream = await response.Content.ReadAsStreamAsync().ConfigureAwait(false);
        using var body = new MemoryStream();
        var buffer = new byte[16_384];
        int read;
        while ((read = await ReadAsync(stream, buffer, cancellation).ConfigureAwait(false)) > 0)
        {
            if (body.Length + read > LongestAnswer) return null;
            body.Write(buffer, 0, read);
        }

        return body.ToArray();
    }

    private void Tell(CVaultLogEntry entry)
    {
        try
        {
            log?.Invoke(entry);
        }
        catch (Exception)
        {
            // A log is no reason for a call to fail.
        }
    }

    private HttpRequestMessage RequestOf(Call call, string? token, string? idempotencyKey)
    {
        var request = new HttpRequestMessage(call.Method, new Uri(root, call.PathAndQuery.Substring(1)));
        var headers = request.Headers;
        headers.Accept.Add(new MediaTypeWithQualityHeaderValue(call.Accept));
        if (key is not null) headers.Add("X-API-Key", key);
        if (secret is not null) headers.Add("X-API-Secret", secret);
        if (token is not null) headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (idempotencyKey is not null) headers.TryAddWithoutValidation("Idempotency-Key", idempotencyKey);
        if (userAgent is not null) headers.TryAddWithoutValidation("User-Agent", userAgent);
        if (call.Body is { } body)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        return request;
    }

    /// <summary>Whether another attempt may fare better.</summary>
    private static bool MayPass(CVaultException e, bool keyed) => e.Status switch
    {
        0 => e.Code == CVaultErrorCodes.NetworkError,
        408 or 429 or 500 or 502 or 503 or 504 => true,
        // Other conflicts say nothing of when to come back: this is the first request with the same key, still under way.
        409 => keyed && e is { Code: CVaultErrorCodes.Conflict, RetryAfter: not null },
        _ => false,
    };

    /// <summary>Twice as long each time, and never the same for two who failed together.</summary>
    private static TimeSpan WaitAfter(int attempt)
    {
        var wait = Math.Min(LongestWait.TotalMilliseconds, FirstWait.TotalMilliseconds * Math.Pow(2, attempt - 1));
        return TimeSpan.FromMilliseconds(wait * (0.5 + Jitter() / 2));
    }

    private static CVaultException ErrorOf(HttpResponseMessage response, byte[] body, string? requestId)
    {
        var status = (int)response.StatusCode;
        var retryAfter = RetryAfterOf(response);
        if (response.Content?.Headers.ContentType?.MediaType is "application/problem+json" or "application/json" && ProblemOf(body) is { } problem)
        {
            return new CVaultException(problem.Code, problem.Message)
            {
                Status = status, RequestId = problem.RequestId ?? requestId, Errors = problem.Errors, RetryAfter = retryAfter,
            };
        }

        var (code, message) = status switch
        {
            429 => (CVaultErrorCodes.RateLimited, "Too many requests."),
            503 => (CVaultErrorCodes.ServiceUnavailable, "The service is not available."),
            >= 300 and < 400 => (CVaultErrorCodes.UnexpectedAnswer, "The API answered with a redirect, which is not followed. Check BaseUrl."),
            _ => (CVaultErrorCodes.UnexpectedAnswer, $"The answer is not the API's (status {status.ToString(CultureInfo.InvariantCulture)})."),
        };
        return new CVaultException(code, message) { Status = status, RequestId = requestId, RetryAfter = retryAfter };
    }

    /// <summary>A problem of RFC 9457 with a code; null for anything else.</summary>
    private static (string Code, string Message, string? RequestId, IReadOnlyDictionary<string, IReadOnlyList<string>> Errors)? ProblemOf(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var problem = document.RootElement;
            if (problem.ValueKind != JsonValueKind.Object || Text(problem, "code") is not { } code) return null;
            var errors = new Dictionary<string, IReadOnlyList<string>>();
            if (problem.TryGetProperty("errors", out var fields) && fields.ValueKind == JsonValueKind.Object)
            {
                foreach (var field in fields.EnumerateObject())
                {
                    if (field.Value.ValueKind == JsonValueKind.Array) errors[field.Name] = [.. field.Value.EnumerateArray().Select(m => m.ToString())];
                }
            }

            return (code, Text(problem, "detail") ?? Text(problem, "title") ?? code, Text(problem, "request_id"), errors);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter for half a character, which JSON may have and a string may not.
            return null;
        }

        static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    private static CVaultException Unexpected(int status, string? requestId, Exception? inner) =>
        new(CVaultErrorCodes.UnexpectedAnswer, "The answer is not what the API answers.", inner) { Status = status, RequestId = requestId };

    private static TimeSpan? RetryAfterOf(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - DateTimeOffset.UtcNow is var wait && wait > TimeSpan.Zero ? wait : TimeSpan.Zero,
        // More seconds than are a number.
        _ when response.Headers.TryGetValues("Retry-After", out var values) && values.First() is { Length: > 0 } text && text.All(c => c is >= '0' and <= '9') => TimeSpan.FromSeconds(int.MaxValue),
        _ => null,
    };

    private static Uri RootOf(Uri? url)
    {
        if (url is not { IsAbsoluteUri: true }) throw new ArgumentException("BaseUrl is missing, or is no absolute URL.");
        if (url.Scheme != "https" && !(url.Scheme == "http" && url.IsLoopback)) throw new ArgumentException("BaseUrl must be https: keys and tokens would be seen on their way. http is for this machine alone.");
        if (url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0) throw new ArgumentException("BaseUrl has more than scheme, host, port and path.");
        return new Uri(url.GetLeftPart(UriPartial.Path).TrimEnd('/') + "/");
    }

    private static string UserAgentOf(string? more)
    {
        if (more?.Any(c => c is < ' ' or > '~') == true) throw new ArgumentException("UserAgent has a character that a header cannot have.");
        var version = typeof(Transport).Assembly.GetName().Version!.ToString(3);
        return $"cvault-sdk-dotnet/{version}" + (string.IsNullOrWhiteSpace(more) ? "" : " " + more);
    }

#if NET
    private static ValueTask<int> ReadAsync(Stream stream, byte[] buffer, CancellationToken cancellation) => stream.ReadAsync(buffer, cancellation);

    /// <summary>For all clients that bring none: connections are shared, and renewed so that a new address of the host is noticed.</summary>
    private static HttpClient NewClient(bool useProxy) =>
        new(OperatingSystem.IsBrowser()
            ? new HttpClientHandler()
            : new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = useProxy, PooledConnectionLifetime = TimeSpan.FromMinutes(2) })
        { Timeout = Timeout.InfiniteTimeSpan };

    private static double Jitter() => Random.Shared.NextDouble();
#else
    private static Task<int> ReadAsync(Stream stream, byte[] buffer, CancellationToken cancellation) => stream.ReadAsync(buffer, 0, buffer.Length, cancellation);

    private static HttpClient NewClient(bool useProxy) =>
        new(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = useProxy }) { Timeout = Timeout.InfiniteTimeSpan };

    private static readonly Random Dice = new();

    private static double Jitter()
    {
        lock (Dice) return Dice.NextDouble();
    }
#endif

    /// <summary>http is for this machine alone: a proxy would be told keys and passwords in the clear.</summary>
    private static readonly Lazy<HttpClient> SharedHere = new(() => NewClient(useProxy: false)), Shared = new(() => NewClient(useProxy: true));

    private static HttpClient OwnClient(string scheme) => scheme == "http" ? SharedHere.Value : Shared.Value;
}
