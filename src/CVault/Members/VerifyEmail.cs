using CVault.Mail;
using CVault.Security;
using CVault.Tenants;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Members;

/// <summary>Body of <c>tenant/auth/verify</c>: the token of the mail.</summary>
public sealed record VerifyEmail(string? Token)
{
    public override string ToString() => nameof(VerifyEmail);
}

public sealed record EmailVerifiedView(bool EmailVerified = true);

/// <summary><c>POST /api/v1/tenant/auth/verify</c>: the email is its owner's, and the tenant is open.</summary>
public static class VerifyEmailEndpoint
{
    public static ProblemDetails Validate(VerifyEmail? command) =>
        command is null ? Body.Missing() : MemberInput.TokenErrors(command.Token).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    /// <summary>The tenant and the member's credentials. Where another account verified the email first, the commit is refused.</summary>
    public static async Task<(IEventStream<Tenant>?, MemberCredentials?, ProblemDetails)> LoadAsync(
        VerifyEmail command, IDocumentSession session, LookupKey lookup, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        if (await OneTimeTokens.SpendAsync(session, OneTimeKind.MemberEmail, command.Token!, lookup, master, time.GetUtcNow(), cancellation) is not { } spent
            || await session.LoadAsync<MemberCredentials>(spent.Subject, cancellation) is not { } credentials)
        {
            return (null, null, Problems.InvalidOneTimeToken());
        }

        return (await session.ForTenant(spent.TenantId.ToString()).Events.FetchForWriting<Tenant>(spent.TenantId, cancellation), credentials, WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/verify", OperationId = "verifyEmail"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<EmailVerifiedView>(200)]
    public static (Reply, Changes) Post(VerifyEmail command, IEventStream<Tenant> stream, MemberCredentials credentials, SecurityLog log, HttpContext http)
    {
        var changes = new Changes();
        changes.Append(stream, new MemberEmailVerified(credentials.Id));
        changes.Add(MartenOps.Store(credentials with { LoginIndex = credentials.EmailIndex }));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberEmail, credentials.Id));
        log.Write(SecurityEvent.EmailVerified, http, ("tenant", credentials.TenantId), ("member", credentials.Id));
        return (Reply.Ok(new EmailVerifiedView()) with { ChangesCredentials = true }, changes);
    }
}

/// <param name="Email">The member's own.</param>
/// <param name="Taken">Whether it logs in to another tenant.</param>
public sealed record Unverified(string Email, string Business, bool Taken);

public sealed record MailSentView(bool Sent = true);

/// <summary><c>POST /api/v1/tenant/auth/verify/resend</c>: another mail with another token.</summary>
public static class ResendVerification
{
    public static async Task<(Unverified?, ProblemDetails)> LoadAsync(HttpContext http, IDocumentSession session, LookupKey lookup, MasterKey master, CancellationToken cancellation)
    {
        var id = http.User.MemberId();
        var tenant = TenantAuthentication.TenantOf(http);
        if (tenant.Members[id].EmailVerified) return (null, Problems.Conflict("Your email is verified already."));
        if (await DataKeys.LoadAsync(session, master, id, cancellation) is not { } key) return (null, Problems.NotFound());
        var email = key.Open(Emails.Purpose, tenant.Members[id].Email);
        return (new Unverified(email, tenant.Name, await MemberCredentials.VerifiedAsync(session, Emails.IndexOfMember(lookup, email), cancellation) is not null), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/verify/resend", OperationId = "resendVerification"), Authorize(Policies.Member)]
    [ProducesResponseType<MailSentView>(202)]
    public static (Reply, Changes, OutgoingMessages) Post([NotBody] Unverified member, LookupKey lookup, MasterKey master, MailSettings mails, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var (token, tokenRow) = OneTimeTokens.Issue(OneTimeKind.MemberEmail, http.User.TenantId(), http.User.MemberId(), now + MemberMails.VerificationLifetime, lookup, master);
        var (mailRow, due) = Mails.Send(member.Taken ? MemberMails.AlreadySignedUp(mails, member.Email) : MemberMails.Verify(mails, member.Email, member.Business, token), master, now);
        var changes = new Changes();
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberEmail, http.User.MemberId()));
        changes.Add(tokenRow);
        changes.Add(mailRow);
        return (new Reply(202, new MailSentView()), changes, [due]);
    }
}
