using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Security;

/// <summary>Refused calls answer with a problem that says which credential failed, and nothing more.</summary>
public sealed class Authentication : IAuthorizationMiddlewareResultHandler
{
    /// <summary>Where an authentication handler leaves the problem that it found.</summary>
    public const string ProblemItem = "cvault.problem";

    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded) return next(context);
        var problem = context.Items[ProblemItem] as ProblemDetails ?? Missing(context, policy);
        return new ProblemResult(problem).ExecuteAsync(context);
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
