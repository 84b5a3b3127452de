using System.Globalization;
using System.Security.Claims;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Api;

/// <summary>
/// The limits of a tenant's calls, right after its credentials were found good: all of its requests, and of those the
/// ones that authenticate somebody. What they refuse has changed nothing.
/// </summary>
public static class RateLimits
{
    public static void UseRateLimits(this WebApplication app)
    {
        var (limits, attempts, calls, log) = (app.Services.GetRequiredService<RequestLimits>(), app.Services.GetRequiredService<AttemptLimits>(),
            app.Services.GetRequiredService<ApiCalls>(), app.Services.GetRequiredService<SecurityLog>());
        app.Use(async (http, next) =>
        {
            var tenant = TenantAuthentication.TenantOrNone(http);
            if (tenant is not null)
            {
                var rule = tenant.Settings.RequestLimit;
                var permit = await limits.TakeAsync("tenant:" + tenant.Id, rule, http.RequestAborted);
                if (permit.Known) Tell(http, rule, permit);
                if (!permit.Granted)
                {
                    if (permit.FirstRefusal) log.Write(SecurityEvent.LimitExceeded, http, ("limit", "tenant"));
                    await new ProblemResult(AttemptLimits.Refuse(http, permit)).ExecuteAsync(http);
                    return;
                }

                var key = http.User.FindFirstValue(Actor.KeyClaim);
                if (calls.Count(tenant.Id, key)) log.Write(SecurityEvent.KeyUsed, http, ("key", key));
            }

            if (Authenticates(http.Request.Path))
            {
                var refused = await attempts.TakeOfAddressAsync(http, http.RequestAborted);
                if (refused is null && tenant is not null) refused = await attempts.TakeOfTenantAsync(tenant.Id, tenant.Settings.RequestLimit.Most, http, http.RequestAborted);
                if (refused is not null)
                {
                    await new ProblemResult(refused).ExecuteAsync(http);
                    return;
                }
            }

            await next(http);
        });
    }

    /// <summary>Sign-up, sign-in and what else gives tokens or mails, of users and of members.</summary>
    private static bool Authenticates(PathString path) => path.StartsWithSegments("/api/v1/auth") || path.StartsWithSegments("/api/v1/tenant/auth");

    /// <summary>
    /// The fields of draft-ietf-httpapi-ratelimit-headers and the three that came before them. As the answer starts, since
    /// an exception's handler clears what was set before.
    /// </summary>
    private static void Tell(HttpContext http, LimitRule rule, Permit permit)
    {
        var (limit, remaining, reset) = (Text(rule.Most), Text(permit.Remaining), Text((int)Math.Ceiling(permit.Reset.TotalSeconds)));
        http.Response.OnStarting(() =>
        {
            var headers = http.Response.Headers;
            headers["RateLimit-Policy"] = $"\"tenant\";q={limit};w={rule.Seconds}";
            headers["RateLimit"] = $"\"tenant\";r={remaining};t={reset}";
            (headers["RateLimit-Limit"], headers["RateLimit-Remaining"], headers["RateLimit-Reset"]) = (limit, remaining, reset);
            return Task.CompletedTask;
        });
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
