using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using CVault.Security;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Scalar.AspNetCore;
using IPNetwork = System.Net.IPNetwork;

namespace CVault.Api;

/// <summary>What HTTP itself may and must be: who is believed about where a call came from, https, headers, sizes, and bodies that say nothing unheard.</summary>
public static partial class Hygiene
{
    private const int MaxBody = 64 * 1024;
    private const string Nothing = "default-src 'none'; frame-ancestors 'none'";

    /// <summary>
    /// Sizes and patience. What breaks them before a request is one (400, 408, 414, 431) Kestrel answers by itself, with no body;
    /// what breaks them later is a problem like any other.
    /// </summary>
    public static void Limit(KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxRequestBodySize = MaxBody;
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestHeaderCount = 64;
        limits.MaxRequestHeadersTotalSize = 16 * 1024;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(5));
    }

    /// <summary>
    /// A body that is announced as too large is answered before anything else is looked at, and the connection ends with the
    /// answer: what is still on its way would be taken for the next request, and that would fail without a word.
    /// </summary>
    public static void UseSizeLimit(this IApplicationBuilder app) => app.Use((http, next) =>
    {
        if (http.Request.ContentLength is not > MaxBody) return next(http);
        http.Response.Headers.Connection = "close";
        return new ProblemResult(Problems.OfStatus(413)).ExecuteAsync(http);
    });

    /// <summary><c>CVAULT_TRUSTED_PROXIES</c>: addresses and networks, by commas.</summary>
    /// <exception cref="FormatException">One is neither; the message names it.</exception>
    public static IReadOnlyList<IPNetwork> Proxies(string? text) =>
        [.. (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(entry =>
            IPAddress.TryParse(entry, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
            : IPNetwork.TryParse(entry, out var network) ? network
            : throw new FormatException($"CVAULT_TRUSTED_PROXIES: {entry} is no address and no network."))];

    /// <summary><c>X-Forwarded-For</c> and <c>-Proto</c>, from these alone, each hop checked. The middleware would believe everybody if it were given nobody.</summary>
    public static void UseTrustedProxies(this IApplicationBuilder app, IReadOnlyList<IPNetwork> proxies)
    {
        if (proxies.Count == 0) return;
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = 8 };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var network in proxies) options.KnownIPNetworks.Add(network);
        app.UseForwardedHeaders(options);
    }

    /// <summary>
    /// Outside development what did not come by https is refused, never redirected: the key that it carried has already been
    /// seen on its way, and its sender should hear of it. A load balancer's look at <c>/health</c> carries none.
    /// </summary>
    public static void UseHttpsOnly(this IApplicationBuilder app, bool demanded) => app.Use((http, next) =>
    {
        if (http.Request.IsHttps) http.Response.OnStarting(() =>
        {
            http.Response.Headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
            return Task.CompletedTask;
        });
        else if (demanded && !http.Request.Path.StartsWithSegments("/health")) return new ProblemResult(Problems.HttpsRequired()).ExecuteAsync(http);
        return next(http);
    });

    /// <summary>What keeps a browser from making more of an answer than it is. Set as the answer starts, since an exception's handler clears what was set before.</summary>
    public static void UseSecurityHeaders(this IApplicationBuilder app) => app.Use((http, next) =>
    {
        http.Response.OnStarting(() =>
        {
            var headers = http.Response.Headers;
            headers.XContentTypeOptions = "nosniff";
            headers.XFrameOptions = "DENY";
            headers["Referrer-Policy"] = "no-referrer";
            headers["Cross-Origin-Resource-Policy"] = "same-origin";
            headers["Permissions-Policy"] = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()";
            headers.ContentSecurityPolicy = http.Request.Path.StartsWithSegments("/docs") ? OfDocs(http) : Nothing;
            if (http.Request.Path.StartsWithSegments("/api") || http.Request.Path.StartsWithSegments("/admin")) headers.CacheControl = "no-store";
            return Task.CompletedTask;
        });
        return next(http);
    });

    /// <summary>The one page: its scripts by a nonce and from here, styles as its components write them, and calls to this API alone.</summary>
    private static string OfDocs(HttpContext http) =>
        "default-src 'none'; script-src 'self'" + (http.Items[ScalarOptions.NonceHttpContextItemKey] is string nonce ? $" 'nonce-{nonce}'" : "")
        + "; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>
    /// Bodies are what the endpoint takes and nothing more: an unknown member is refused by name, rather than dropped while its
    /// sender believes that it counted. Read once here, of at most 64 KiB, and given on as it came.
    /// </summary>
    public static void UseStrictBodies(this IApplicationBuilder app) => app.Use(async (http, next) =>
    {
        var metadata = http.GetEndpoint()?.Metadata;
        var optional = metadata?.GetMetadata<OptionalBodyAttribute>();
        if ((optional?.Type ?? metadata?.GetMetadata<IAcceptsMetadata>()?.RequestType) is { } type && type != typeof(void))
        {
            var body = new MemoryStream();
            http.Response.RegisterForDispose(body);
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
            http.Request.Body = body;
            if (optional is null || !IsBlank(body))
            {
                // Of a body that must be there, routing has looked at the type.
                var problem = optional is not null && !http.Request.HasJsonContentType() ? Problems.OfStatus(415) : Problem(body, type);
                if (problem is not null)
                {
                    await new ProblemResult(problem).ExecuteAsync(http);
                    return;
                }
            }

            body.Position = 0;
        }

        await next(http);
    });

    private static bool IsBlank(MemoryStream body) => body.GetBuffer().AsSpan(0, (int)body.Length).IndexOfAnyExcept(" \t\r\n"u8) < 0;

    private static ProblemDetails? Problem(MemoryStream body, Type type)
    {
        try
        {
            JsonSerializer.Deserialize(body.GetBuffer().AsSpan(0, (int)body.Length), type, Reply.Json);
            return null;
        }
        catch (JsonException e)
        {
            // Of the exception only the path, and of that the first member: its message names types.
            if (Member().Match(e.Path ?? "") is not { Success: true } member) return Problems.Validation(("body", "The body is not the JSON that this endpoint takes."));
            var name = member.Groups[1].Value;
            return Problems.Validation((name, Reply.Json.GetTypeInfo(type).Properties.Any(p => p.Name == name) ? "Its type or form is wrong: /docs shows it." : "There is no such member."));
        }
    }

    [GeneratedRegex(@"^\$\.([A-Za-z_][A-Za-z0-9_-]{0,63})(?:$|[.\[])")]
    private static partial Regex Member();
}
