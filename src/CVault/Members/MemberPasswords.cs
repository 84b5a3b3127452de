using CVault.Mail;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Members;

/// <summary>Body of <c>tenant/auth/password/forgot</c>.</summary>
public sealed record ForgottenMemberPassword(string? Email)
{
    public override string ToString() => nameof(ForgottenMemberPassword);
}

/// <summary>The verified account that a forgotten password belongs to; none for an email without one.</summary>
public sealed record ForgetfulMember(MemberCredentials? Credentials);

/// <summary><c>POST /api/v1/tenant/auth/password/forgot</c>: a mail with a token, if there is an account; the same answer and time if not.</summary>
public static class ForgotMemberPassword
{
    public static ProblemDetails Validate(ForgottenMemberPassword? command) =>
        command is null ? Body.Missing() : MemberInput.EmailErrors(command.Email).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    public static async Task<(ForgetfulMember?, ProblemDetails)> LoadAsync(
        ForgottenMemberPassword command, HttpContext http, IDocumentSession session, LookupKey lookup, AttemptLimits attempts, CancellationToken cancellation)
    {
        var index = Emails.IndexOfMember(lookup, command.Email!);
        if (await attempts.TakeAsync(AttemptKind.Mail, index, http, cancellation) is { } refused) return (null, refused);
        return (new ForgetfulMember(await MemberCredentials.VerifiedAsync(session, index, cancellation)), WolverineContinue.NoProblems);
    }

    /// <summary>Without an account the same rows are written: a token of nobody's and a mail to nobody.</summary>
    [WolverinePost("/api/v1/tenant/auth/password/forgot", OperationId = "forgotMemberPassword"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<MailSentView>(202)]
    public static (Reply, Changes, OutgoingMessages) Post(
        ForgottenMemberPassword command, ForgetfulMember member, LookupKey lookup, MasterKey master, MailSettings mails, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var (tenantId, id) = member.Credentials is { } known ? (known.TenantId, known.Id) : (Guid.Empty, Guid.NewGuid());
        var (token, tokenRow) = OneTimeTokens.Issue(OneTimeKind.MemberPassword, tenantId, id, now + MemberMails.ResetLifetime, lookup, master);
        var mail = MemberMails.Reset(mails, Emails.Normalize(command.Email!), token);
        var (mailRow, due) = Mails.Send(member.Credentials is null ? MemberMails.ToNobody : mail, master, now);
        var changes = new Changes();
        changes.Add(tokenRow);
        changes.Add(mailRow);
        log.Write(SecurityEvent.PasswordResetRequested, http, ("kind", "member"), ("member", member.Credentials?.Id));
        return (new Reply(202, new MailSentView()), changes, [due]);
    }
}

/// <summary>Body of <c>tenant/auth/password/reset</c>: the token of the mail.</summary>
public sealed record MemberPasswordReset(string? Token, string? Password)
{
    public override string ToString() => nameof(MemberPasswordReset);
}

public sealed record PasswordChangedView(bool PasswordChanged = true);

/// <summary>Whose password it becomes, and its hash.</summary>
[NeverLogged]
public sealed record NewMemberPassword(MemberCredentials Credentials, string Hash)
{
    public override string ToString() => nameof(NewMemberPassword);

    /// <summary>The new hash, and the end of every login and of every other token that would set a password.</summary>
    public Changes Change()
    {
        var changes = new Changes();
        changes.Add(MartenOps.Store(Credentials with { PasswordHash = Hash }));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberPassword, Credentials.Id));
        changes.Add(RefreshToken.EndAllOf(Credentials.Id));
        return changes;
    }
}

/// <summary><c>POST /api/v1/tenant/auth/password/reset</c>: a new password for the mail's token. Ends every login of the member.</summary>
public static class ResetMemberPassword
{
    public static ProblemDetails Validate(MemberPasswordReset? command) =>
        command is null ? Body.Missing() : MemberInput.TokenErrors(command.Token).Concat(Passwords.ErrorsOf(command.Password, null)).ToArray() is { Length: > 0 } errors
            ? Problems.Validation(errors)
            : WolverineContinue.NoProblems;

    public static async Task<(NewMemberPassword?, ProblemDetails)> LoadAsync(
        MemberPasswordReset command, IDocumentSession session, LookupKey lookup, MasterKey master, Passwords passwords, AttemptLimits attempts, TimeProvider time, CancellationToken cancellation)
    {
        // Before anything is locked.
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        if (await OneTimeTokens.SpendAsync(session, OneTimeKind.MemberPassword, command.Token!, lookup, master, time.GetUtcNow(), cancellation) is not { } spent
            || await session.LoadAsync<MemberCredentials>(spent.Subject, cancellation) is not { } credentials)
        {
            return (null, Problems.InvalidOneTimeToken());
        }

        if (credentials.OwnEmail(lookup, command.Password!) is { } problem) return (null, problem);
        // Whoever has the mailbox is let in again, however often others guessed.
        await attempts.ForgiveAsync(AttemptKind.SignIn, credentials.EmailIndex, cancellation);
        return (new NewMemberPassword(credentials, hash), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/password/reset", OperationId = "resetMemberPassword"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<PasswordChangedView>(200)]
    public static (Reply, Changes) Post(MemberPasswordReset command, NewMemberPassword password, SecurityLog log, HttpContext http)
    {
        log.Write(SecurityEvent.PasswordReset, http, ("kind", "member"), ("tenant", password.Credentials.TenantId), ("member", password.Credentials.Id));
        return (Reply.Ok(new PasswordChangedView()) with { ChangesCredentials = true }, password.Change());
    }
}

/// <summary>Body of <c>tenant/auth/password</c>.</summary>
public sealed record MemberPasswordChange(string? CurrentPassword, string? NewPassword)
{
    public override string ToString() => nameof(MemberPasswordChange);
}

/// <summary><c>POST /api/v1/tenant/auth/password</c>: another password. Ends every login of the member; the answer begins a new one.</summary>
public static class ChangeMemberPassword
{
    public static ProblemDetails Validate(MemberPasswordChange? command)
    {
        if (command is null) return Body.Missing();
        var errors = Passwords.ErrorsOf(command.NewPassword, null, "new_password").ToList();
        if (string.IsNullOrEmpty(command.CurrentPassword)) errors.Add(("current_password", "Your password of now is required."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(NewMemberPassword?, ProblemDetails)> LoadAsync(
        MemberPasswordChange command, IDocumentSession session, LookupKey lookup, Passwords passwords, AttemptLimits attempts, SecurityLog log, HttpContext http, CancellationToken cancellation)
    {
        // Whoever has a stolen token must not find the password by it.
        var account = "member:" + http.User.MemberId();
        if (await attempts.TakeAsync(AttemptKind.SignIn, account, http, cancellation) is { } refused) return (null, refused);
        var credentials = await session.LoadAsync<MemberCredentials>(http.User.MemberId(), cancellation);
        if (!Passwords.IsPossible(command.CurrentPassword) || !await MemberCredentials.IsRightAsync(credentials, command.CurrentPassword!, session, passwords, cancellation))
        {
            log.Write(SecurityEvent.SignInFailed, http, ("kind", "password change"));
            return (null, Problems.InvalidCredentials());
        }

        await attempts.ForgiveAsync(AttemptKind.SignIn, account, cancellation);
        if (credentials!.OwnEmail(lookup, command.NewPassword!, "new_password") is { } own) return (null, own);
        return (new NewMemberPassword(credentials!, await passwords.HashAsync(command.NewPassword!, cancellation)), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/password", OperationId = "changeMemberPassword"), Authorize(Policies.VerifiedMember)]
    [ProducesResponseType<MemberTokenView>(200)]
    public static (Reply, Changes) Post(MemberPasswordChange command, NewMemberPassword password, LookupKey lookup, Tokens tokens, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var refresh = RefreshToken.NewFamily(Audience.Member, password.Credentials.Id, password.Credentials.TenantId, time.GetUtcNow());
        var changes = password.Change();
        changes.Add(refresh.Store(lookup));
        log.Write(SecurityEvent.PasswordChanged, http, ("session", refresh.Family));
        return (Reply.Ok(MemberTokenView.Of(refresh, tokens)) with { ChangesCredentials = true }, changes);
    }
}
