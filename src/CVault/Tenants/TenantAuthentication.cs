using System.Security.Claims;
using System.Text.Encodings.Web;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace CVault.Tenants;

/// <summary>
/// Reads the credentials of a tenant's call: <c>X-API-Key</c> with or without <c>X-API-Secret</c>, and a user's
/// bearer token. Whatever is sent must be right, even where less would do, and all of it of one tenant.
/// One read of the database for key and tenant where a token names the tenant, else one for each.
/// </summary>
public sealed class TenantAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder,
    IDocumentStore store, LookupKey lookup, Tokens tokens, AttemptLimits attempts)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Tenant";

    /// <summary>The kind that a secret key's id has without its secret: it names the tenant and proves nothing.</summary>
    public const string IdentifiedOnly = "identified";

    private const string TenantItem = "cvault.tenant";

    /// <summary>The tenant as it was read with the request's credential.</summary>
    public static Tenant TenantOf(HttpContext http) => (Tenant)http.Items[TenantItem]!;

    /// <summary>The same, for where there need not be one: an operator's call, or nobody's.</summary>
    public static Tenant? TenantOrNone(HttpContext http) => http.Items[TenantItem] as Tenant;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var keyId = Request.Headers["X-API-Key"].ToString();
        var secret = Request.Headers["X-API-Secret"].ToString();
        var bearer = Request.Headers.Authorization.ToString() is var header && header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            ? header["Bearer ".Length..].Trim()
            : "";
        if (keyId.Length == 0 && secret.Length == 0 && bearer.Length == 0) return AuthenticateResult.NoResult();

        if (keyId.Length > 64 || (keyId.Length == 0 && secret.Length > 0)) return Refuse(Problems.InvalidApiKey());
        var token = bearer.Length > 0 ? await tokens.VerifyAsync(bearer) : null;
        if (bearer.Length > 0 && token is null) return Refuse(Problems.Unauthenticated());

        // A token that holds was not guessed; of keys from an address that guesses too much none is looked up any more.
        if (token is null && attempts.Blocked(Context) is { } blocked) return Refuse(blocked);

        var (key, tenant) = await ReadAsync(keyId, token?.TenantId, Context.RequestAborted);
        var claims = new List<Claim>();
        if (keyId.Length > 0)
        {
            if (key is null || key.RevokedAt is not null) return Refuse(Problems.InvalidApiKey());
            if (secret.Length > 0 && !key.SecretMatches(secret, lookup)) return Refuse(Problems.InvalidApiKey());
            claims.Add(new Claim(Actor.KeyClaim, key.Id));
            claims.Add(new Claim(Actor.KeyKindClaim, secret.Length > 0 ? "secret" : key.Kind == ApiKeyKind.Publishable ? "publishable" : IdentifiedOnly));
        }

        if (token is { } user)
        {
            if (key is not null && key.TenantId != user.TenantId) return Refuse(Problems.Unauthenticated());
            claims.Add(new Claim(Actor.UserClaim, user.UserId.ToString()));
        }

        if (tenant is null) return Refuse(Problems.InvalidApiKey());
        if (tenant.IsSuspended) return Refuse(Problems.TenantSuspended());

        Context.Items[TenantItem] = tenant;
        claims.Add(new Claim(Actor.TenantClaim, tenant.Id.ToString()));
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(new ClaimsIdentity(claims, SchemeName)), SchemeName));
    }

    private async Task<(ApiKey? Key, Tenant? Tenant)> ReadAsync(string keyId, Guid? tenantId, CancellationToken cancellation)
    {
        if (tenantId is { } named)
        {
            await using var session = store.QuerySession(named.ToString());
            if (keyId.Length == 0) return (null, await session.LoadAsync<Tenant>(named, cancellation));
            var batch = session.CreateBatchQuery();
            var (key, tenant) = (batch.Load<ApiKey>(keyId), batch.Load<Tenant>(named));
            await batch.Execute(cancellation);
            return (await key, await tenant);
        }

        await using var platform = store.QuerySession();
        if (await platform.LoadAsync<ApiKey>(keyId, cancellation) is not { } found) return default;
        await using var own = store.QuerySession(found.TenantId.ToString());
        return (found, await own.LoadAsync<Tenant>(found.TenantId, cancellation));
    }

    private AuthenticateResult Refuse(Microsoft.AspNetCore.Mvc.ProblemDetails problem)
    {
        Context.Items[Authentication.ProblemItem] = problem;
        return AuthenticateResult.Fail(Problems.CodeOf(problem));
    }
}
