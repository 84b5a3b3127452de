using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/oidc</c>.</summary>
/// <param name="IdToken">An ID token of the tenant's identity provider, for the client id that the tenant registered.</param>
public sealed record SignInByIdToken(string? IdToken)
{
    public override string ToString() => nameof(SignInByIdToken);
}

/// <summary>Somebody whom the tenant's identity provider vouches for.</summary>
public sealed record Vouched(Arrival Arrival, IdToken Token);

/// <summary>
/// <c>POST /api/v1/auth/oidc</c>: an ID token (OpenID Connect Core 1.0, 2) for CVault's tokens. The user is found by issuer
/// and <c>sub</c>, and made where there is none yet.
/// </summary>
public static class SignInByIdTokenEndpoint
{
    public static ProblemDetails Validate(SignInByIdToken? command) =>
        command is null ? Body.Missing() : string.IsNullOrEmpty(command.IdToken) || command.IdToken.Length > IdTokens.MostCharacters
            ? Problems.Validation(("id_token", $"An ID token of up to {IdTokens.MostCharacters} characters is required."))
            : WolverineContinue.NoProblems;

    public static async Task<(Vouched?, ProblemDetails)> LoadAsync(
        SignInByIdToken command, HttpContext http, IDocumentSession session, IdTokens tokens, LookupKey lookup, SecurityLog log, CancellationToken cancellation)
    {
        var tenant = TenantAuthentication.TenantOf(http);
        if (tenant.IdentityProvider is not { } provider) return Refused(Problems.Conflict("This tenant has registered no identity provider."));
        IdToken? token;
        try
        {
            token = await tokens.VerifyAsync(provider.Issuer, provider.ClientId, command.IdToken!, cancellation);
        }
        catch (IssuerUnavailableException)
        {
            return Refused(Problems.IssuerUnavailable());
        }

        if (token is null) return Refused(Problems.Unauthenticated());
        var (arrival, problem) = await Outsiders.FindAsync(session, tenant, Outsiders.IndexOfSubject(lookup, session.TenantId, provider.Issuer, token.Subject), cancellation);
        return arrival is null ? Refused(problem) : (new Vouched(arrival, token), problem);

        (Vouched?, ProblemDetails) Refused(ProblemDetails problem)
        {
            log.Write(SecurityEvent.SignInFailed, http, ("method", "oidc"), ("code", Problems.CodeOf(problem)));
            return (null, problem);
        }
    }

    [WolverinePost("/api/v1/auth/oidc", OperationId = "signInByIdToken"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(200), ProducesResponseType<TokenView>(201)]
    public static (Reply, Changes) Post(SignInByIdToken command, [NotBody] Vouched vouched, IDocumentSession session, LookupKey lookup, MasterKey master, Tokens tokens, TimeProvider time) =>
        Outsiders.SignIn(
            vouched.Arrival, "oidc",
            key => new UserAdmitted(null, key.Seal(User.SubjectPurpose, vouched.Token.Subject), vouched.Token.Email is { } email && Emails.IsWellFormed(email) ? key.Seal(Emails.Purpose, Emails.Normalize(email)) : null),
            session.TenantId, lookup, master, tokens, time.GetUtcNow());
}
