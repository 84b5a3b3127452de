using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

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

/// <summary>Which credentials of a tenant an endpoint demands.</summary>
/// <param name="Key">An API key must be there.</param>
/// <param name="ProvenKey">And it must prove itself: publishable, or with its secret.</param>
/// <param name="User">A user's token must be there.</param>
public sealed record CredentialRequirement(bool Key, bool ProvenKey, bool User) : IAuthorizationRequirement, IAuthorizationHandler
{
    public Task HandleAsync(AuthorizationHandlerContext context)
    {
        var kind = context.User.FindFirstValue(Actor.KeyKindClaim);
        var user = context.User.HasClaim(c => c.Type == Actor.UserClaim);
        var keyHolds = ProvenKey ? kind is "secret" or "publishable" : !Key || kind is not null;
        var any = context.User.HasClaim(c => c.Type == Actor.TenantClaim);
        if (any && keyHolds && (!User || user)) context.Succeed(this);
        return Task.CompletedTask;
    }
}

/// <summary>An API key that proves itself, or a user's token.</summary>
public sealed record AnyCredential : IAuthorizationRequirement, IAuthorizationHandler
{
    public Task HandleAsync(AuthorizationHandlerContext context)
    {
        if (context.User.HasClaim(c => c.Type == Actor.UserClaim) || context.User.FindFirstValue(Actor.KeyKindClaim) is "secret" or "publishable") context.Succeed(this);
        return Task.CompletedTask;
    }
}

/// <summary>The operator token: <c>Authorization: Bearer</c>, compared in constant time.</summary>
public sealed class OperatorAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, OperatorToken token)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Operator";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return Task.FromResult(AuthenticateResult.NoResult());
        if (!token.Matches(header["Bearer ".Length..].Trim())) return Task.FromResult(AuthenticateResult.Fail("operator token"));
        var identity = new ClaimsIdentity([new Claim(Actor.OperatorClaim, "true")], SchemeName);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName)));
    }
}

/// <summary>The secret of whoever runs CVault. At least 32 characters.</summary>
public sealed class OperatorToken
{
    private readonly byte[] hash;

    public OperatorToken(string token)
    {
        if (token.Length < 32) throw new ArgumentException("The operator token has at least 32 characters. Make one with: openssl rand -base64 32", nameof(token));
        hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
    }

    public bool Matches(string candidate) => CryptographicOperations.FixedTimeEquals(hash, SHA256.HashData(Encoding.UTF8.GetBytes(candidate)));
}
