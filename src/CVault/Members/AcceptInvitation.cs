using System.Text;
using CVault.Security;
using CVault.Tenants;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Members;

/// <summary>Body of <c>tenant/auth/invitations/accept</c>: the token of the mail, and the password that the new member chooses.</summary>
public sealed record AcceptInvitation(string? Token, string? Password)
{
    public override string ToString() => nameof(AcceptInvitation);
}

/// <param name="Credentials">The new member's.</param>
public sealed record Accepted(IEventStream<Tenant> Stream, MemberCredentials Credentials);

/// <summary><c>POST /api/v1/tenant/auth/invitations/accept</c>: who has the mail becomes a member, logged in.</summary>
public static class AcceptInvitationEndpoint
{
    public static ProblemDetails Validate(AcceptInvitation? command) =>
        command is null ? Body.Missing() : MemberInput.TokenErrors(command.Token).Concat(Passwords.ErrorsOf(command.Password, null)).ToArray() is { Length: > 0 } errors
            ? Problems.Validation(errors)
            : WolverineContinue.NoProblems;

    /// <summary>Spends the token. Where the email has an account already the commit is refused, and the token stays good.</summary>
    public static async Task<(Accepted?, ProblemDetails)> LoadAsync(
        AcceptInvitation command, IDocumentSession session, LookupKey lookup, MasterKey master, Passwords passwords, TimeProvider time, CancellationToken cancellation)
    {
        // Before anything is locked.
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        if (await OneTimeTokens.SpendAsync(session, OneTimeKind.MemberInvitation, command.Token!, lookup, master, time.GetUtcNow(), cancellation) is not { Payload: { } email } spent)
        {
            return (null, Problems.InvalidOneTimeToken());
        }

        var stream = await session.ForTenant(spent.TenantId.ToString()).Events.FetchForWriting<Tenant>(spent.TenantId, cancellation);
        if (stream.Aggregate is not { } tenant || !tenant.Invitations.ContainsKey(spent.Subject)) return (null, Problems.InvalidOneTimeToken());
        if (tenant.IsSuspended) return (null, Problems.TenantSuspended());
        var index = Emails.IndexOfMember(lookup, Encoding.UTF8.GetString(email));
        var credentials = new MemberCredentials(spent.Subject, spent.TenantId, index, index, hash);
        return credentials.OwnEmail(lookup, command.Password!) is { } own ? (null, own) : (new Accepted(stream, credentials), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/invitations/accept", OperationId = "acceptInvitation"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<MemberTokenView>(201)]
    public static (Reply, Changes) Post(AcceptInvitation command, Accepted accepted, LookupKey lookup, Tokens tokens, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var (stream, credentials) = accepted;
        var now = time.GetUtcNow();
        var invitation = stream.Aggregate!.Invitations[credentials.Id];
        var refresh = RefreshToken.NewFamily(Audience.Member, credentials.Id, credentials.TenantId, now);
        var changes = new Changes();
        changes.Append(stream, new MemberJoined(credentials.Id, invitation.Role, invitation.Email, EmailVerified: true, now));
        changes.Add(MartenOps.Insert(credentials));
        changes.Add(refresh.Store(lookup));
        log.Write(SecurityEvent.MemberJoined, http, ("tenant", credentials.TenantId), ("member", credentials.Id), ("role", Names.Of(invitation.Role)));
        return (Reply.Created("/api/v1/tenant/me", MemberTokenView.Of(refresh, tokens)) with { ChangesCredentials = true }, changes);
    }
}
