using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace CVault.Tenants;

/// <summary>
/// A logged-in member, with a permission where one is named. The role is the one that the member has in the tenant now,
/// not the one of the login. Until the owner's email is verified a tenant's members may only read.
/// </summary>
/// <param name="Permission">What the member must be allowed to; null for what concerns none but themselves.</param>
/// <param name="Verified">Whether the tenant must be verified.</param>
public sealed record MemberRequirement(Permission? Permission, bool Verified) : IAuthorizationRequirement, IAuthorizationHandler
{
    public Task HandleAsync(AuthorizationHandlerContext context)
    {
        if (context.Resource is not HttpContext http || !context.User.HasClaim(c => c.Type == Actor.MemberClaim)) return Task.CompletedTask;
        var tenant = TenantAuthentication.TenantOf(http);
        var problem = !tenant.Members.TryGetValue(context.User.MemberId(), out var member) ? Problems.Unauthenticated()
            : Permission is { } demanded && !member.Role.Has(demanded) ? Problems.Forbidden()
            : Verified && !tenant.Verified ? Problems.EmailUnverified()
            : null;
        if (problem is null) context.Succeed(this);
        else http.Items[Authentication.ProblemItem] = problem;
        return Task.CompletedTask;
    }
}

/// <summary>A secret API key, or a logged-in member who may read what the tenant pays.</summary>
public sealed record BillingReader : SecretKeyOnly
{
    private static readonly MemberRequirement Members = new(Permission.ReadBilling, Verified: false);

    public override async Task HandleAsync(AuthorizationHandlerContext context)
    {
        if (!context.User.HasClaim(c => c.Type == Actor.MemberClaim))
        {
            await base.HandleAsync(context);
            return;
        }

        var asked = new AuthorizationHandlerContext([Members], context.User, context.Resource);
        await Members.HandleAsync(asked);
        if (asked.HasSucceeded) context.Succeed(this);
    }
}
