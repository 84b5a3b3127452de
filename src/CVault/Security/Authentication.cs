using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Security;

/// <summary>Refused calls answer with a problem that says which credential failed, and nothing more.</summary>
public sealed class Authentication(AttemptLimits attempts) : IAuthorizationMiddlewareResultHandler
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

        var problem = context.Items[ProblemItem] as ProblemDetails;
        // A credential that was sent and is wrong, not one that is missing: somebody may be guessing.
        if (problem?.Status == 401) problem = await attempts.FailedAsync(context) ?? problem;
        await new ProblemResult(problem ?? Missing(context, policy)).ExecuteAsync(context);
    }

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
