using System.Security.Claims;
using System.Text.Encodings.Web;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace CVault.Tenants;

/// <summary>
/// Reads the credentials of a tenant's call: <c>X-API-Key</c> with or without <c>X-API-Secret</c>, and a user's
/// bearer token. Whatever is sent must be right, even where less would do, and all of it of one tenant.
/// One read of the database for the key, where there is one, and one for the tenant.
/// </summary>
public sealed class TenantAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder,
    IDocumentStore store, LookupKey lookup, Tokens tokens)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Tenant";

    /// <summary>The kind that a secret key's id has without its secret: it names the tenant and proves nothing.</summary>
    public const string IdentifiedOnly = "identified";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keyId = Request.Headers["X-API-Key"].ToString();
        var secret = Request.Headers["X-API-Secret"].ToString();
        var bearer = Request.Headers.Authorization.ToString() is var header && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? header["Bearer ".Length..].Trim()
            : "";
        if (keyId.Length == 0 && secret.Length == 0 && bearer.Length == 0) return AuthenticateResult.NoResult();

        var claims = new List<Claim>();
        Guid? tenantId = null;
        await using var platform = store.QuerySession();
        if (keyId.Length > 0 || secret.Length > 0)
        {
            var key = keyId.Length is > 0 and <= 64 ? await platform.LoadAsync<ApiKey>(keyId, Context.RequestAborted) : null;
            if (key is null || key.RevokedAt is not null) return Refuse(Problems.InvalidApiKey());
            if (secret.Length > 0 && !key.SecretMatches(secret, lookup)) return Refuse(Problems.InvalidApiKey());
            tenantId = key.TenantId;
            claims.Add(new Claim(Actor.KeyClaim, key.Id));
            claims.Add(new Claim(Actor.KeyKindClaim, secret.Length > 0 ? "secret" : key.Kind == ApiKeyKind.Publishable ? "publishable" : IdentifiedOnly));
        }

        if (bearer.Length > 0)
        {
            if (await tokens.VerifyAsync(bearer) is not { } token) return Refuse(Problems.Unauthenticated());
            if (tenantId is { } own && own != token.TenantId) return Refuse(Problems.Unauthenticated());
            tenantId = token.TenantId;
            claims.Add(new Claim(Actor.UserClaim, token.UserId.ToString()));
        }

        await using var session = store.QuerySession(tenantId.ToString()!);
        var tenant = await session.LoadAsync<Tenant>(tenantId!.Value, Context.RequestAborted);
        if (tenant is null) return Refuse(Problems.InvalidApiKey());
        if (tenant.IsSuspended) return Refuse(Problems.TenantSuspended());

        claims.Add(new Claim(Actor.TenantClaim, tenant.Id.ToString()));
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, SchemeName)), SchemeName));
    }

    private AuthenticateResult Refuse(Microsoft.AspNetCore.Mvc.ProblemDetails problem)
    {
        Context.Items[Authentication.ProblemItem] = problem;
        return AuthenticateResult.Fail(Problems.CodeOf(problem));
    }
}
