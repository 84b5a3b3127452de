using System.Security.Claims;
using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/logout</c>.</summary>
/// <param name="RefreshToken">Of the login that ends; absent: that of the access token.</param>
[NeverLogged]
public sealed record Logout(string? RefreshToken)
{
    public override string ToString() => nameof(Logout);
}

/// <summary>
/// <c>POST /api/v1/auth/logout</c>: ends a login, its refresh tokens at once and its access tokens within seconds. The
/// login is that of the access token beside the key, of the refresh token in the body, or both. Ending what has ended is no error.
/// </summary>
public static class LogoutUser
{
    public static async Task<(Logout?, ProblemDetails)> LoadAsync(HttpContext http, ClaimsPrincipal principal, CancellationToken cancellation)
    {
        var command = await http.Request.BodyOrDefaultAsync<Logout>(cancellation) ?? new Logout(null);
        return command.RefreshToken is { Length: > 0 and <= 256 } || (command.RefreshToken is null && principal.HasClaim(c => c.Type == Actor.SessionClaim))
            ? (command, WolverineContinue.NoProblems)
            : (null, Problems.Validation(("refresh_token", "A refresh token, or a user's access token beside the key, is required.")));
    }

    [WolverinePost("/api/v1/auth/logout", OperationId = "logoutUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<OutcomeView>(200), OptionalBody(typeof(Logout))]
    public static (Reply, Changes) Post([NotBody] Logout command, ClaimsPrincipal principal, LookupKey lookup)
    {
        var changes = new Changes();
        if (principal.HasClaim(c => c.Type == Actor.SessionClaim)) changes.Add(RefreshToken.End(principal.SessionId()));
        if (command.RefreshToken is { } token) changes.Add(RefreshToken.EndFamilyOf(lookup, Audience.User, principal.TenantId(), token));
        return (Reply.Ok(new OutcomeView("logged_out")) with { ChangesCredentials = true, Noted = new(SecurityEvent.SignedOut) }, changes);
    }
}
