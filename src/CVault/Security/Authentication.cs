using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Infrastructure;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace CVault.Security;

/// <summary>Refused calls answer with a problem that says which credential failed, and nothing more.</summary>
public sealed class Authentication(AttemptLimits attempts, SecurityLog log) : IAuthorizationMiddlewareResultHandler
{
    /// <summary>Where an authentication handler leaves the problem that it found.</summary>
    public const string ProblemItem = "cvault.problem";

    public async Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded)
        {
            await next(context);
            return;
        }

        var found = context.Items[ProblemItem] as ProblemDetails;
        var problem = found ?? Missing(context, policy);
        log.Write(EventOf(problem, policy), context, ("code", Problems.CodeOf(problem)), ("route", $"{context.Request.Method} {(context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText}"), ("key", KeyOf(context)));
        // A credential that was sent and is wrong, not one that is missing: somebody may be guessing.
        if (found?.Status == 401) problem = await attempts.FailedAsync(context) ?? problem;
        await new ProblemResult(problem).ExecuteAsync(context);
    }

    private static SecurityEvent EventOf(ProblemDetails problem, AuthorizationPolicy policy) => Problems.CodeOf(problem) switch
    {
        _ when policy.Requirements.OfType<ClaimsAuthorizationRequirement>().Any(r => r.ClaimType == Actor.OperatorClaim) => SecurityEvent.OperatorRefused,
        "INVALID_API_KEY" => SecurityEvent.KeyRefused,
        "UNAUTHENTICATED" => SecurityEvent.TokenRefused,
        _ => SecurityEvent.AccessRefused,
    };

    /// <summary>The key's id as it was sent, where it looks like one; anything else may be a secret in the wrong place.</summary>
    private static string KeyOf(HttpContext context) =>
        context.Request.Headers["X-API-Key"].ToString() is { Length: > 4 and <= 64 } id && id[..4] is "cvk_" or "cvp_" && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? id : "-";

    private static ProblemDetails Missing(HttpContext context, AuthorizationPolicy policy)
    {
        // A key that is all that it can be, and may not do this.
        if (policy.Requirements.OfType<SecretKeyOnly>().Any()) return context.User.FindFirst(Actor.KeyKindClaim)?.Value == "publishable" ? Problems.Forbidden() : Problems.InvalidApiKey();
        var demanded = policy.Requirements.OfType<CredentialRequirement>().FirstOrDefault();
        // A key's id that proves nothing was sent where a proven key, or a user, was needed.
        if (demanded is null && context.User.HasClaim(c => c.Type == Actor.KeyClaim)) return Problems.InvalidApiKey();
        if (demanded is null) return context.User.Identity?.IsAuthenticated == true ? Problems.Forbidden() : Problems.Unauthenticated();
        if (demanded.Key && !context.User.HasClaim(c => c.Type == Actor.KeyClaim)) return Problems.InvalidApiKey();
        if (demanded.User && !context.User.HasClaim(c => c.Type == Actor.UserClaim)) return Problems.Unauthenticated();
        if (demanded.Key) return Problems.InvalidApiKey();
        return Problems.Unauthenticated();
    }
}
