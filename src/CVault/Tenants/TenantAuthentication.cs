using System.Security.Claims;
using System.Text.Encodings.Web;
using CVault.Security;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace CVault.Tenants;

/// <summary>
/// Reads the credentials of a tenant's call: <c>X-API-Key</c> with or without <c>X-API-Secret</c>, and a user's
/// bearer token. Whatever is sent must be right, even where less would do, and all of it of one tenant.
/// Key and tenant come from memory (<see cref="CredentialCache"/>): no read of the database once they are known.
/// </summary>
public sealed class TenantAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder,
    CredentialCache credentials, SecurityFeed feed, LookupKey lookup, Tokens tokens, TimeProvider time)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Tenant";

    /// <summary>The kind that a secret key's id has without its secret: it names the tenant and proves nothing.</summary>
    public const string IdentifiedOnly = "identified";

    internal const string TenantItem = "cvault.tenant";

    /// <summary>The tenant as it was read with the request's credential.</summary>
    public static Tenant TenantOf(HttpContext http) => (Tenant)http.Items[TenantItem]!;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keyId = Request.Headers["X-API-Key"].ToString();
        var secret = Request.Headers["X-API-Secret"].ToString();
        var bearer = Request.Headers.Authorization.ToString() is var header && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? header["Bearer ".Length..].Trim()
            : "";
        if (keyId.Length == 0 && secret.Length == 0 && bearer.Length == 0) return AuthenticateResult.NoResult();

        if (keyId.Length > 64 || (keyId.Length == 0 && secret.Length > 0)) return Refuse(Problems.InvalidApiKey());
        var token = bearer.Length > 0 ? await tokens.VerifyAsync(bearer, Audience.User) : null;
        if (bearer.Length > 0 && token is null) return Refuse(Problems.Unauthenticated());

        var key = keyId.Length > 0 ? await credentials.KeyAsync(keyId, Context.RequestAborted) : null;
        var tenant = (token?.TenantId ?? key?.TenantId) is { } id ? await credentials.TenantAsync(id, Context.RequestAborted) : null;
        var claims = new List<Claim>();
        if (keyId.Length > 0)
        {
            if (key is null || !key.IsLive(time.GetUtcNow())) return Refuse(Problems.InvalidApiKey());
            if (secret.Length > 0 && !key.SecretMatches(secret, lookup)) return Refuse(Problems.InvalidApiKey());
            // A page of another site has the key from our tenant's page, where everybody can read it.
            if (key.Kind == ApiKeyKind.Publishable && Request.Headers.Origin.ToString() is { Length: > 0 } origin && !key.Allows(origin)) return Refuse(Problems.OriginRefused());
            claims.Add(new Claim(Actor.KeyClaim, key.Id));
            claims.Add(new Claim(Actor.KeyKindClaim, secret.Length > 0 ? "secret" : key.Kind == ApiKeyKind.Publishable ? "publishable" : IdentifiedOnly));
        }

        if (token is { } user)
        {
            if (key is not null && key.TenantId != user.TenantId) return Refuse(Problems.Unauthenticated());
            // Asked of what was read since: a tenant was just looked up, which makes sure of that.
            if (feed.IsEnded(user.Session)) return Refuse(Problems.Unauthenticated());
            claims.Add(new Claim(Actor.UserClaim, user.Subject.ToString()));
            claims.Add(new Claim(Actor.SessionClaim, user.Session.ToString()));
        }

        if (tenant is null) return Refuse(Problems.InvalidApiKey());
        if (tenant.IsSuspended) return Refuse(Problems.TenantSuspended());
        if (!tenant.Verified) return Refuse(Problems.EmailUnverified());

        Context.Items[TenantItem] = tenant;
        claims.Add(new Claim(Actor.TenantClaim, tenant.Id.ToString()));
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, SchemeName)), SchemeName));
    }

    private AuthenticateResult Refuse(Microsoft.AspNetCore.Mvc.ProblemDetails problem)
    {
        Context.Items[Authentication.ProblemItem] = problem;
        return AuthenticateResult.Fail(Problems.CodeOf(problem));
    }
}
