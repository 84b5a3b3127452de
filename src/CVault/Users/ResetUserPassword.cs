using CVault.Mail;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Attributes;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/password/forgot</c>.</summary>
public sealed record ForgottenPassword(string? Email)
{
    public override string ToString() => nameof(ForgottenPassword);
}

/// <param name="UserId">Whose email it is; of an unknown one, nobody's.</param>
public sealed record Forgetful(Guid UserId);

/// <summary>
/// <c>POST /api/v1/auth/password/forgot</c>: a mail with a token for <c>auth/password/reset</c>, if the email is a user's. The
/// answer is the same if it is not, and so is its time: what differs happens after it.
/// </summary>
public static class ForgotUserPassword
{
    /// <summary>How long the mail's token is good for.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    public static ProblemDetails Validate(ForgottenPassword? command) =>
        command is null ? Body.Missing() : command.Email is null || !Emails.IsWellFormed(command.Email)
            ? Problems.Validation(("email", "A valid email address is required."))
            : WolverineContinue.NoProblems;

    public static async Task<(Forgetful?, ProblemDetails)> LoadAsync(
        ForgottenPassword command, HttpContext http, IDocumentSession session, LookupKey lookup, AttemptLimits attempts, CancellationToken cancellation)
    {
        var index = Emails.IndexOf(lookup, session.TenantId, command.Email!);
        if (await attempts.TakeAsync(AttemptKind.Mail, index, http, cancellation) is { } refused) return (null, refused);
        return (new Forgetful((await session.Query<UserCredentials>().FirstOrDefaultAsync(c => c.EmailIndex == index, cancellation))?.Id ?? Guid.NewGuid()), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/auth/password/forgot", OperationId = "forgotPassword"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<OutcomeView>(202)]
    public static (Reply, OutgoingMessages) Post(ForgottenPassword command, [NotBody] Forgetful forgetful, TimeProvider time) =>
        (new Reply(202, new OutcomeView("reset_sent")) { Noted = new(SecurityEvent.PasswordResetRequested) }, [new PasswordForgotten(forgetful.UserId, Guid.CreateVersion7(time.GetUtcNow()), time.GetUtcNow())]);
}

/// <summary>Writes the mail to a user who forgot their password; the tokens of earlier ones are void.</summary>
[WolverineHandler]
public static class SendPasswordReset
{
    public static async Task<(Changes, OutgoingMessages)> Handle(
        PasswordForgotten message, IDocumentSession session, LookupKey lookup, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        var changes = new Changes();
        var now = time.GetUtcNow();
        // By then its token would be of no use, and whoever waited for it has asked again.
        if (now - message.At > ForgotUserPassword.Patience || await ResetRequests.IsTakenAsync(session, message.RequestId, cancellation)) return (changes, []);
        changes.Add(ResetRequests.Take(message.RequestId, session.TenantId, message.At));
        if (await UserEmail.OfAsync(session, master, message.UserId, cancellation) is not { } email
            || await session.LoadAsync<Tenant>(Guid.Parse(session.TenantId), cancellation) is not { } tenant) return (changes, []);
        var (token, row) = OneTimeTokens.Issue(OneTimeKind.UserPassword, tenant.Id, message.UserId, now + ForgotUserPassword.Patience, lookup, master);
        var (mail, due) = Mails.Send(UserMails.ResetPassword(tenant, email, token), master, now);
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.UserPassword, message.UserId));
        changes.Add(row);
        changes.Add(mail);
        return (changes, [due]);
    }
}

/// <summary>Body of <c>auth/password/reset</c>.</summary>
public sealed record ResetUserPassword(string? Token, string? Password)
{
    public override string ToString() => nameof(ResetUserPassword);
}

/// <summary><c>POST /api/v1/auth/password/reset</c>: another password for whoever has the mail's token. Every login of theirs ends.</summary>
public static class ResetUserPasswordEndpoint
{
    public static ProblemDetails Validate(ResetUserPassword? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (!MailToken.IsPossible(command.Token)) errors.Add(("token", "A token is required."));
        errors.AddRange(Passwords.ErrorsOf(command.Password, null));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(ChangedPassword?, ProblemDetails)> LoadAsync(
        ResetUserPassword command, HttpContext http, IDocumentSession session, LookupKey lookup, MasterKey master, Passwords passwords, AttemptLimits attempts, SecurityLog log, TimeProvider time, CancellationToken cancellation)
    {
        // Hashed before the token's row is locked.
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        var spent = await OneTimeTokens.SpendAsync(session, OneTimeKind.UserPassword, command.Token!, lookup, master, time.GetUtcNow(), cancellation, Guid.Parse(session.TenantId));
        if (spent is null || await session.LoadAsync<UserCredentials>(spent.Subject, cancellation) is not { } credentials)
        {
            log.Write(SecurityEvent.PasswordResetRefused, http);
            return (null, MailToken.Problem());
        }

        // Refused, the token is still good for another one.
        var errors = Passwords.ErrorsOf(command.Password, await UserEmail.OfAsync(session, master, credentials.Id, cancellation)).ToArray();
        if (errors.Length > 0) return (null, Problems.Validation(errors));
        // Whoever has the mailbox is let in again, however often others guessed.
        await attempts.ForgiveAsync(AttemptKind.SignIn, credentials.EmailIndex!, cancellation);
        return await credentials.ReplaceHashAsync(session, hash, cancellation)
            ? (new ChangedPassword(credentials.Id), WolverineContinue.NoProblems)
            : (null, Problems.Conflict("The password was changed meanwhile."));
    }

    [WolverinePost("/api/v1/auth/password/reset", OperationId = "resetPassword"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<OutcomeView>(200)]
    public static (Reply, Changes) Post(ResetUserPassword command, [NotBody] ChangedPassword changed)
    {
        var changes = new Changes();
        changes.Add(RefreshToken.EndAllOf(changed.UserId));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.UserPassword, changed.UserId));
        return (Reply.Ok(new OutcomeView("password_reset")) with { ChangesCredentials = true, Noted = new(SecurityEvent.PasswordReset, changed.UserId) }, changes);
    }
}
