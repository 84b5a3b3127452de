using System.Security.Claims;
using System.Text.Encodings.Web;
using CVault.Security;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace CVault.Tenants;

/// <summary>
/// Reads a member's bearer token, for <c>/api/v1/tenant</c>. What the member may do is asked of the tenant as it is now
/// (<see cref="TenantAuthentication.TenantOf"/>), never of the token.
/// </summary>
public sealed class MemberAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, CredentialCache credentials, SecurityFeed feed, Tokens tokens)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Member";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return AuthenticateResult.NoResult();
        if (await tokens.VerifyAsync(header["Bearer ".Length..].Trim(), Audience.Member) is not { } token) return Refuse(Problems.Unauthenticated());
        if (await credentials.TenantAsync(token.TenantId, Context.RequestAborted) is not { } tenant || feed.IsEnded(token.Session)) return Refuse(Problems.Unauthenticated());
        if (!tenant.Members.ContainsKey(token.Subject)) return Refuse(Problems.Unauthenticated());
        if (tenant.IsSuspended && !(tenant.MaySettle && Settles())) return Refuse(Problems.TenantSuspended());

        Context.Items[TenantAuthentication.TenantItem] = tenant;
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(
            [
                new Claim(Actor.MemberClaim, token.Subject.ToString()), new Claim(Actor.TenantClaim, tenant.Id.ToString()), new Claim(Actor.SessionClaim, token.Session.ToString()),
            ], SchemeName)), SchemeName));
    }

    /// <summary>Whether it is asked what is owed, or about the member's own login.</summary>
    private bool Settles() => Context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>()?.Policy is Policies.Billing or Policies.Member;

    private AuthenticateResult Refuse(Microsoft.AspNetCore.Mvc.ProblemDetails problem)
    {
        Context.Items[Authentication.ProblemItem] = problem;
        return AuthenticateResult.Fail(Problems.CodeOf(problem));
    }
}
