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

namespace CVault.Members;

/// <summary>Body of <c>POST tenant/invitations</c>.</summary>
public sealed record InviteMember(string? Email, string? Role)
{
    /// <summary>Never prints the email.</summary>
    public override string ToString() => nameof(InviteMember);

    public ProblemDetails Problem() =>
        MemberInput.EmailErrors(Email).Concat(Names.TryParse<Role>(Role, out _) ? [] : [("role", Staff.RoleError)]).ToArray() is { Length: > 0 } errors
            ? Problems.Validation(errors)
            : WolverineContinue.NoProblems;
}

/// <summary>Asks a person to join; the same for a member who asks and for the operator.</summary>
public static class Inviting
{
    /// <summary>Members and open invitations together.</summary>
    private const int Most = 200;

    public static ProblemDetails? WhyNot(Tenant tenant, bool isMember, DateTimeOffset now) =>
        isMember ? Problems.Conflict("A member of this account has this email.")
        : tenant.Members.Count + tenant.Invitations.Values.Count(i => i.ExpiresAt > now) >= Most ? Problems.Conflict($"An account has at most {Most} members and invitations.")
        : null;

    /// <summary>Whether a member of the tenant has this email.</summary>
    public static Task<bool> IsMemberAsync(IDocumentSession session, LookupKey lookup, Guid tenantId, string email, CancellationToken cancellation)
    {
        var index = Emails.IndexOfMember(lookup, email);
        return session.Query<MemberCredentials>().AnyAsync(c => c.EmailIndex == index && c.TenantId == tenantId, cancellation);
    }

    /// <summary>The invitation, its mail and its token; expired ones and what they held are cleared away with it.</summary>
    /// <param name="by">The member who invites; null for the operator.</param>
    /// <param name="from">Who invites, as the mail says it.</param>
    public static (Reply, Changes, OutgoingMessages) Invite(
        InviteMember command, IEventStream<Tenant> stream, Guid? by, string from, string location, LookupKey lookup, MasterKey master, MailSettings mails, DateTimeOffset now)
    {
        var tenant = stream.Aggregate!;
        var id = Guid.CreateVersion7(now);
        var email = Emails.Normalize(command.Email!);
        var invited = new MemberInvited(id, Names.Parse<Role>(command.Role), default, now + MemberMails.InvitationLifetime, by);
        var key = DataKey.Create(id);
        invited = invited with { Email = key.Seal(Emails.Purpose, email) };
        var (token, tokenRow) = OneTimeTokens.Issue(OneTimeKind.MemberInvitation, tenant.Id, id, invited.ExpiresAt, lookup, master, System.Text.Encoding.UTF8.GetBytes(email));
        var (mailRow, due) = Mails.Send(MemberMails.Invite(mails, email, tenant.Name, from, invited.Role, token), master, now);

        var changes = new Changes();
        foreach (var expired in tenant.Invitations.Where(i => i.Value.ExpiresAt <= now).Select(i => i.Key)) Revoke(changes, stream, expired);
        changes.Append(stream, invited);
        changes.Add(DataKeys.Store(key, tenant.Id.ToString(), master));
        changes.Add(tokenRow);
        changes.Add(mailRow);
        var view = new InvitationView { InvitationId = id, Email = email, Role = Names.Of(invited.Role), ExpiresAt = invited.ExpiresAt };
        return (Reply.Created($"{location}/{id}", view) with { ChangesCredentials = true }, changes, [due]);
    }

    /// <summary>Ends the invitations of a member who is to be of that role (null: none), as far as one of that role could not make them.</summary>
    public static void RevokeThoseOf(Changes changes, IEventStream<Tenant> stream, Guid memberId, Role? after)
    {
        foreach (var (id, invitation) in stream.Aggregate!.Invitations)
        {
            if (invitation.By == memberId && after?.MayChange(null, invitation.Role) != true) Revoke(changes, stream, id);
        }
    }

    /// <summary>Ends an invitation, its token and what was kept of the person.</summary>
    public static void Revoke(Changes changes, IEventStream<Tenant> stream, Guid id)
    {
        changes.Append(stream, new InvitationRevoked(id));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberInvitation, id));
        changes.Add(DataKeys.Erase(id, stream.Id.ToString()));
    }
}

/// <summary><c>POST /api/v1/tenant/invitations</c>: a mail with which a person becomes a member. Only an owner invites owners.</summary>
public static class InviteMemberEndpoint
{
    public static ProblemDetails Validate(InviteMember? command) => command?.Problem() ?? Body.Missing();

    public static async Task<(IEventStream<Tenant>?, DataKey?, ProblemDetails)> LoadAsync(
        InviteMember command, HttpContext http, IDocumentSession session, LookupKey lookup, MasterKey master, AttemptLimits attempts, TimeProvider time, CancellationToken cancellation)
    {
        var stream = await Staff.ForWritingAsync(session, http, cancellation);
        var tenant = stream.Aggregate!;
        var actorId = http.User.MemberId();
        if (!tenant.Members.TryGetValue(actorId, out var actor)) return (null, null, Problems.Unauthenticated());
        if (!actor.Role.MayChange(null, Names.Parse<Role>(command.Role))) return (null, null, Problems.Forbidden());
        if (Inviting.WhyNot(tenant, await Inviting.IsMemberAsync(session, lookup, tenant.Id, command.Email!, cancellation), time.GetUtcNow()) is { } problem) return (null, null, problem);
        // Whoever has a tenant could fill a mailbox of anyone's. Counted apart from the mails that its owner asks for.
        var mailbox = "invitation:" + Emails.IndexOfMember(lookup, Emails.MailboxOf(command.Email!));
        if (await attempts.TakeAsync(AttemptKind.Mail, mailbox, http, cancellation) is { } refused) return (null, null, refused);
        return (stream, await DataKeys.LoadAsync(session, master, actorId, cancellation), WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/invitations", OperationId = "inviteMember"), Authorize(Roles.May + nameof(Permission.ManageMembers))]
    [ProducesResponseType<InvitationView>(201)]
    public static (Reply, Changes, OutgoingMessages) Post(
        InviteMember command, IEventStream<Tenant> stream, DataKey key, LookupKey lookup, MasterKey master, MailSettings mails, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var from = key.Open(Emails.Purpose, stream.Aggregate!.Members[http.User.MemberId()].Email);
        var (reply, changes, messages) = Inviting.Invite(command, stream, http.User.MemberId(), from, "/api/v1/tenant/invitations", lookup, master, mails, time.GetUtcNow());
        log.Write(SecurityEvent.MemberInvited, http, ("invitation", ((InvitationView)reply.Body).InvitationId), ("role", command.Role));
        return (reply, changes, messages);
    }
}

/// <summary><c>POST /admin/tenants/{id}/invitations</c>: how a tenant that the operator made gets its first owner.</summary>
public static class InviteByOperator
{
    public static ProblemDetails Validate(InviteMember? command) => command?.Problem() ?? Body.Missing();

    public static async Task<(IEventStream<Tenant>?, ProblemDetails)> LoadAsync(
        InviteMember command, Guid id, IDocumentSession session, LookupKey lookup, TimeProvider time, CancellationToken cancellation)
    {
        var stream = await session.Events.FetchForWriting<Tenant>(id, cancellation);
        if (stream.Aggregate is not { } tenant) return (null, Problems.NotFound());
        return Inviting.WhyNot(tenant, await Inviting.IsMemberAsync(session, lookup, id, command.Email!, cancellation), time.GetUtcNow()) is { } problem
            ? (null, problem)
            : (stream, WolverineContinue.NoProblems);
    }

    [WolverinePost("/admin/tenants/{id:guid}/invitations", OperationId = "inviteMemberOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<InvitationView>(201)]
    public static (Reply, Changes, OutgoingMessages) Post(
        InviteMember command, Guid id, IEventStream<Tenant> stream, LookupKey lookup, MasterKey master, MailSettings mails, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var (reply, changes, messages) = Inviting.Invite(command, stream, null, "CVault", $"/admin/tenants/{id}/invitations", lookup, master, mails, time.GetUtcNow());
        log.Write(SecurityEvent.MemberInvited, http, ("tenant", id), ("invitation", ((InvitationView)reply.Body).InvitationId), ("role", command.Role));
        return (reply, changes, messages);
    }
}

/// <summary><c>DELETE /api/v1/tenant/invitations/{invitationId}</c>: the mail that was sent is good for nothing any more.</summary>
public static class RevokeInvitation
{
    public static async Task<(IEventStream<Tenant>?, ProblemDetails)> LoadAsync(Guid invitationId, HttpContext http, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await Staff.ForWritingAsync(session, http, cancellation);
        var tenant = stream.Aggregate!;
        if (!tenant.Members.TryGetValue(http.User.MemberId(), out var actor)) return (null, Problems.Unauthenticated());
        if (!tenant.Invitations.TryGetValue(invitationId, out var invitation)) return (null, Problems.NotFound());
        return actor.Role.MayChange(invitation.Role, null) ? (stream, WolverineContinue.NoProblems) : (null, Problems.Forbidden());
    }

    [WolverineDelete("/api/v1/tenant/invitations/{invitationId:guid}", OperationId = "revokeInvitation"), Authorize(Roles.May + nameof(Permission.ManageMembers))]
    [ProducesResponseType<InvitationView>(200)]
    public static (Reply, Changes) Delete(Guid invitationId, [NotBody] IEventStream<Tenant> stream, SecurityLog log, HttpContext http)
    {
        var invitation = stream.Aggregate!.Invitations[invitationId];
        var changes = new Changes();
        Inviting.Revoke(changes, stream, invitationId);
        log.Write(SecurityEvent.MemberRemoved, http, ("invitation", invitationId));
        var view = new InvitationView { InvitationId = invitationId, Email = null, Role = Names.Of(invitation.Role), ExpiresAt = invitation.ExpiresAt };
        return (Reply.Ok(view) with { ChangesCredentials = true }, changes);
    }
}
