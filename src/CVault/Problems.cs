using Microsoft.AspNetCore.Mvc;

namespace CVault;

/// <summary>
/// Every problem that the API answers, each with its stable <c>code</c> (RFC 9457, section 4.5 of the specification
/// and the contract). A code, once published, keeps its meaning and its status.
/// </summary>
public static class Problems
{
    public static ProblemDetails InvalidApiKey() => Of(401, "INVALID_API_KEY", "The API key or secret is missing, unknown or revoked.");
    public static ProblemDetails Unauthenticated() => Of(401, "UNAUTHENTICATED", "A valid bearer token is needed.");
    public static ProblemDetails InvalidCredentials() => Of(401, "INVALID_CREDENTIALS", "The email or the password is wrong.");
    public static ProblemDetails Forbidden() => Of(403, "FORBIDDEN", "This credential may not do that.");
    public static ProblemDetails OriginRefused() => Of(403, "ORIGIN_NOT_ALLOWED", "Pages of this origin may not use this key. Add the origin to the key's allowed origins.");
    public static ProblemDetails TenantSuspended() => Of(403, "TENANT_SUSPENDED", "The account of this business is suspended.");
    public static ProblemDetails EmailUnverified() => Of(403, "EMAIL_UNVERIFIED", "The owner has yet to verify their email: the link is in the mail that was sent at sign-up.");
    public static ProblemDetails UserLimitExceeded() => Of(403, "USER_LIMIT_EXCEEDED", "The tenant has as many users as its plan allows.");
    public static ProblemDetails BandwidthLimitExceeded() => Of(403, "BANDWIDTH_LIMIT_EXCEEDED", "The business has moved as many bytes this month as its plan allows.");
    public static ProblemDetails DeviceLimitExceeded() => Of(403, "DEVICE_LIMIT_EXCEEDED", "The user has as many devices as the tenant allows.");

    /// <summary>Unknown, another tenant's, another user's or revoked: always these same bytes, so that nobody can tell which.</summary>
    public static ProblemDetails NotFound() => Of(404, "NOT_FOUND", "There is no such thing here.");

    /// <summary>A one-time token of a mail that is unknown, used, expired or of another kind.</summary>
    public static ProblemDetails InvalidOneTimeToken() => Of(400, "INVALID_TOKEN", "This token was used already, has expired or is none. Ask for another mail.");

    /// <summary>A webhook that is not signed, not by whom it should be, or too long ago.</summary>
    public static ProblemDetails InvalidSignature() => Of(400, "INVALID_SIGNATURE", "The signature is missing, wrong or too old.");

    public static ProblemDetails LastOwner() => Of(409, "LAST_OWNER", "A tenant always keeps one owner. Make another member an owner first.");
    public static ProblemDetails EmailTaken() => Of(409, "EMAIL_TAKEN", "This email cannot be registered.");
    public static ProblemDetails Conflict(string why) => Of(409, "CONFLICT", why);
    public static ProblemDetails IdempotencyKeyReused() => Of(422, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used with another request body.");

    /// <summary>Answered with <c>Retry-After</c>. Nothing was changed.</summary>
    public static ProblemDetails RateLimited() => Of(429, "RATE_LIMITED", "Too many requests. Try again when Retry-After says.");

    /// <summary>An API key that came in the clear has been seen on its way: it is refused, not redirected.</summary>
    public static ProblemDetails HttpsRequired() => Of(403, "HTTPS_REQUIRED", "This API is spoken to by https only.");

    public static ProblemDetails ServerUnavailable() => Of(503, "SERVER_UNAVAILABLE", "No VPN server can take this device now.");
    public static ProblemDetails ServerUnreachable() => Of(502, "SERVER_UNREACHABLE", "The server does not answer over SSH. Check its address, its firewall and that ops/server/bootstrap was given CVault's key.");
    public static ProblemDetails PoolExhausted() => Of(503, "POOL_EXHAUSTED", "Every server that could take this device is full.");

    /// <summary>The tenant's identity provider does not answer, or not with what OpenID Connect Discovery asks for.</summary>
    public static ProblemDetails IssuerUnavailable() => Of(503, "ISSUER_UNAVAILABLE", "The identity provider of this business cannot be reached. Try again shortly.");

    /// <summary>What PDFs are made with is not installed on the node; the same invoice can be had as JSON and CSV.</summary>
    public static ProblemDetails PdfUnavailable(string why) => Of(503, "PDF_UNAVAILABLE", why);

    /// <summary>The database does not answer. Nothing was acknowledged; the client may repeat the request.</summary>
    public static ProblemDetails DatabaseUnavailable() => Of(503, "SERVICE_UNAVAILABLE", "The service cannot reach its database. Try again shortly.");
    public static ProblemDetails UsageBehind() => Of(503, "USAGE_BEHIND", "What was used is being counted anew. Try again in some minutes.");

    public static ProblemDetails Internal() => Of(500, "INTERNAL_ERROR", "Something went wrong here. It was logged under the request id.");

    /// <summary>Input of the wrong shape: 400, with what is wrong with each field under <c>errors</c>.</summary>
    public static ProblemDetails Validation(params IEnumerable<(string Field, string Message)> errors)
    {
        var problem = Of(400, "VALIDATION_FAILED", "The request is not valid.");
        problem.Extensions["errors"] = errors.GroupBy(e => e.Field, e => e.Message)
            .ToDictionary(g => g.Key, g => g.ToArray(), StringComparer.Ordinal);
        return problem;
    }

    /// <summary>A problem of the HTTP layer itself (405, 413, 415 and the like).</summary>
    public static ProblemDetails OfStatus(int status) => status switch
    {
        400 => Validation(("body", "The request could not be read.")),
        401 => Unauthenticated(),
        403 => Forbidden(),
        404 => NotFound(),
        405 => Of(405, "METHOD_NOT_ALLOWED", "This resource has no such method."),
        408 => Of(408, "REQUEST_TIMEOUT", "The request came too slowly."),
        409 => Conflict("Another request changed the same thing. Try again."),
        406 => Of(406, "NOT_ACCEPTABLE", "None of the accepted media types can be had."),
        413 => Of(413, "PAYLOAD_TOO_LARGE", "The request body is too large."),
        415 => Of(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."),
        429 => RateLimited(),
        _ => Of(status, status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST", "The request failed."),
    };

    /// <summary>The stable code of a problem, for logs and tests.</summary>
    public static string CodeOf(ProblemDetails problem) => (string)problem.Extensions["code"]!;

    private static ProblemDetails Of(int status, string code, string title) => new()
    {
        Status = status,
        Title = title,
        Type = "about:blank",
        Extensions = { ["code"] = code },
    };
}

/// <summary>
/// A problem found inside a transaction that must not commit: thrown where a database rule speaks, mapped to its
/// response at the edge. Expected outcomes that can be returned are returned instead.
/// </summary>
public sealed class ProblemException(ProblemDetails problem) : Exception(Problems.CodeOf(problem))
{
    public ProblemDetails Problem { get; } = problem;
}
