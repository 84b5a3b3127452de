using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/external</c>.</summary>
/// <param name="ExternalUserId">The tenant's own id of the user: 1 to 255 characters.</param>
/// <param name="Email">To be shown, for a user who comes for the first time; nobody signs in by it.</param>
public sealed record SignInExternal(string? ExternalUserId, string? Email)
{
    /// <summary>Never prints what it holds: the id may name a person.</summary>
    public override string ToString() => nameof(SignInExternal);
}

/// <summary><c>POST /api/v1/auth/external</c>: a tenant's server, which knows its user already, has them logged in.</summary>
public static class SignInExternalEndpoint
{
    public static ProblemDetails Validate(SignInExternal? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (string.IsNullOrWhiteSpace(command.ExternalUserId) || command.ExternalUserId.Length > 255 || command.ExternalUserId.Any(char.IsControl)) errors.Add(("external_user_id", "1 to 255 characters, no control characters."));
        if (command.Email is not null && !Emails.IsWellFormed(command.Email)) errors.Add(("email", "A valid email address, or none."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(Arrival?, ProblemDetails)> LoadAsync(SignInExternal command, HttpContext http, IDocumentSession session, LookupKey lookup, SecurityLog log, CancellationToken cancellation)
    {
        var (arrival, problem) = await Outsiders.FindAsync(session, TenantAuthentication.TenantOf(http), Outsiders.IndexOfExternalId(lookup, session.TenantId, command.ExternalUserId!), cancellation);
        if (arrival is null) log.Write(SecurityEvent.SignInFailed, http, ("method", "external"), ("code", Problems.CodeOf(problem)));
        return (arrival, problem);
    }

    [WolverinePost("/api/v1/auth/external", OperationId = "signInExternal"), Authorize(Policies.SecretKey)]
    [ProducesResponseType<TokenView>(200), ProducesResponseType<TokenView>(201)]
    public static (Reply, Changes) Post(SignInExternal command, [NotBody] Arrival arrival, IDocumentSession session, LookupKey lookup, MasterKey master, Tokens tokens, TimeProvider time) =>
        Outsiders.SignIn(
            arrival, "external",
            key => new UserAdmitted(key.Seal(User.ExternalIdPurpose, command.ExternalUserId!), null, command.Email is { } email ? key.Seal(Emails.Purpose, Emails.Normalize(email)) : null),
            session.TenantId, lookup, master, tokens, time.GetUtcNow());
}
