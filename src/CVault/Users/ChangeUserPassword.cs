using System.Security.Claims;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/password</c>.</summary>
public sealed record ChangeUserPassword(string? CurrentPassword, string? NewPassword)
{
    public override string ToString() => nameof(ChangeUserPassword);
}

/// <summary>The old password was right and is no more, once the session commits.</summary>
public sealed record ChangedPassword(Guid UserId);

/// <summary><c>POST /api/v1/auth/password</c>: another password for the logged-in user. Every other login of theirs ends.</summary>
public static class ChangeUserPasswordEndpoint
{
    public static ProblemDetails Validate(ChangeUserPassword? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (string.IsNullOrEmpty(command.CurrentPassword)) errors.Add(("current_password", "The password as it is now is required."));
        errors.AddRange(Passwords.ErrorsOf(command.NewPassword, null, "new_password"));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(ChangedPassword?, ProblemDetails)> LoadAsync(
        ChangeUserPassword command, HttpContext http, ClaimsPrincipal principal, IDocumentSession session, MasterKey master, Passwords passwords, AttemptLimits attempts, SecurityLog log, CancellationToken cancellation)
    {
        var userId = principal.UserId();
        // Whoever has a stolen token must not find the password by it.
        var account = "user:" + userId;
        if (await attempts.TakeAsync(AttemptKind.SignIn, account, http, cancellation) is { } refused) return (null, refused);
        var credentials = await session.LoadAsync<UserCredentials>(userId, cancellation);
        if (!Passwords.IsPossible(command.CurrentPassword) || !await passwords.VerifyAsync(command.CurrentPassword!, credentials?.PasswordHash, cancellation))
        {
            log.Write(SecurityEvent.SignInFailed, http, ("method", "password-change"), ("user", userId));
            return (null, Problems.InvalidCredentials());
        }

        await attempts.ForgiveAsync(AttemptKind.SignIn, account, cancellation);
        var errors = Passwords.ErrorsOf(command.NewPassword, await UserEmail.OfAsync(session, master, userId, cancellation), "new_password").ToArray();
        if (errors.Length > 0) return (null, Problems.Validation(errors));
        return await credentials!.ReplaceHashAsync(session, await passwords.HashAsync(command.NewPassword!, cancellation), cancellation)
            ? (new ChangedPassword(userId), WolverineContinue.NoProblems)
            : (null, Problems.Conflict("The password was changed meanwhile."));
    }

    [WolverinePost("/api/v1/auth/password", OperationId = "changePassword"), Authorize(Policies.User)]
    [ProducesResponseType<OutcomeView>(200)]
    public static (Reply, Changes) Post(ChangeUserPassword command, [NotBody] ChangedPassword changed, ClaimsPrincipal principal)
    {
        var changes = new Changes();
        changes.Add(RefreshToken.EndAllOf(changed.UserId, exceptFamily: principal.SessionId()));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.UserPassword, changed.UserId));
        return (Reply.Ok(new OutcomeView("password_changed")) with { ChangesCredentials = true, Noted = new(SecurityEvent.PasswordChanged, changed.UserId) }, changes);
    }
}

/// <summary>A user's email in the clear.</summary>
public static class UserEmail
{
    /// <summary>Null when the user has none or is no more.</summary>
    public static async Task<string?> OfAsync(IQuerySession session, MasterKey master, Guid userId, CancellationToken cancellation) =>
        await session.LoadAsync<User>(userId, cancellation) is { Status: UserStatus.Active, Email: { } email } && await DataKeys.LoadAsync(session, master, userId, cancellation) is { } key
            ? key.Open(Emails.Purpose, email)
            : null;
}
