using Microsoft.AspNetCore.Http;

namespace CVault.Client.Ui;

/// <summary>
/// Stands before everything that the interface serves. Any page that the user has open, of whatever site, can send requests
/// to 127.0.0.1; none but our own gets past here. Each check is enough against one kind of them, and all are made:
/// a name that was made to point here (DNS rebinding) has another Host; another origin's page has another Origin and says so
/// in Sec-Fetch-Site; a form cannot send JSON; a page on another port has the cookie, but not the page key.
/// </summary>
public static class PageGuard
{
    public const string PageKeyHeader = "X-Page-Key";

    /// <summary>Where the calls are; all else is files of pages, which hold nothing of the user's.</summary>
    public const string Calls = "/ui";

    private const int LargestBody = 16 * 1024;

    /// <summary>Named after the port, so that two clients do not take each other's.</summary>
    public static string CookieName(HttpContext http) => $"cvault-client-{http.Connection.LocalPort}";

    public static async Task InvokeAsync(HttpContext http, UiAccess access, RequestDelegate next)
    {
        SetHeaders(http.Response.Headers);
        if (Refusal(http, access) is not { } refusal)
        {
            await next(http);
            return;
        }

        http.Response.StatusCode = refusal.Status;
        await http.Response.WriteAsJsonAsync(new { refusal.Code, refusal.Message }, Json.Options);
    }

    private static (int Status, string Code, string Message)? Refusal(HttpContext http, UiAccess access)
    {
        var (request, headers) = (http.Request, http.Request.Headers);
        var self = $"127.0.0.1:{http.Connection.LocalPort}";
        var post = HttpMethods.IsPost(request.Method);
        // Whatever a route answers is a call, in whichever letters it was asked for: routes do not tell A from a.
        var call = http.GetEndpoint() is not null || request.Path.StartsWithSegments(Calls);

        if (headers.Host.Count != 1 || headers.Host != self) return (421, "WRONG_HOST", "This is not the host that you asked for.");
        if (!post && !HttpMethods.IsGet(request.Method) && !(HttpMethods.IsHead(request.Method) && !call)) return (405, "METHOD_NOT_ALLOWED", "GET and POST only.");

        // Browsers send Origin with every POST; whoever does not is no page of ours.
        if (headers.Origin.Count > 0 ? headers.Origin != $"http://{self}" : post) return (403, "FOREIGN_ORIGIN", "Only this client's own page may do that.");

        // "none" is an address that the user typed or opened from the terminal, which only ever asks for a page.
        if (headers.TryGetValue("Sec-Fetch-Site", out var site) && site != "same-origin" && (call || site != "none")) return (403, "FOREIGN_ORIGIN", "Only this client's own page may do that.");

        // The same for framing, where the browser says so; frame-ancestors is for the rest.
        if (headers.TryGetValue("Sec-Fetch-Dest", out var use) && use is [not null] && use[0] is "iframe" or "frame" or "embed" or "object") return (403, "FRAMED", "This page is not shown inside another.");

        if (!call) return post ? (405, "METHOD_NOT_ALLOWED", "Pages are read only.") : null;
        if (post && request.ContentType?.Split(';')[0].Trim() is not "application/json") return (415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json.");
        if (post && request.ContentLength is null or > LargestBody) return (413, "PAYLOAD_TOO_LARGE", "The request body is too large.");
        if (request.Path == Calls + "/session") return null; // where the token is traded
        return access.Allows(request.Cookies[CookieName(http)], headers[PageKeyHeader])
            ? null
            : (401, "LINK_NEEDED", "Open the link that cvault-client ui prints; press Enter there for another one.");
    }

    private static void SetHeaders(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy =
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
        headers.XFrameOptions = "DENY";
        headers.XContentTypeOptions = "nosniff";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Embedder-Policy"] = "require-corp";
    }
}
