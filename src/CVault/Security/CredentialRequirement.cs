using System.Security.Claims;
using Microsoft.AspNetCore.Authorization;

namespace CVault.Security;

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

/// <summary>A secret API key, with its secret.</summary>
public record SecretKeyOnly : IAuthorizationRequirement, IAuthorizationHandler
{
    public virtual Task HandleAsync(AuthorizationHandlerContext context)
    {
        if (context.User.FindFirstValue(Actor.KeyKindClaim) is "secret") context.Succeed(this);
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
