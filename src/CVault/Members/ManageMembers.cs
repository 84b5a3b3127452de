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

/// <summary>Body of <c>PATCH tenant/members/{id}</c>.</summary>
public sealed record ChangeRole(string? Role);

/// <summary>Who may change whom: decided on the tenant as it is in the transaction, and again if it changed meanwhile.</summary>
public static class Staff
{
    public static string RoleError { get; } = "One of: " + string.Join(", ", Names.All<Role>()) + ".";

    /// <summary>The tenant of the member who asks, for a decision that its version referees.</summary>
    public static Task<IEventStream<Tenant>> ForWritingAsync(IDocumentSession session, HttpContext http, CancellationToken cancellation) =>
        session.Events.FetchForWriting<Tenant>(http.User.TenantId(), cancellation);

    /// <summary>Why a member's role may not become another (null: none at all); null where it may.</summary>
    public static ProblemDetails? WhyNot(Tenant tenant, Guid actorId, Guid memberId, Role? after)
    {
        if (!tenant.Members.TryGetValue(actorId, out var actor)) return Problems.Unauthenticated();
        if (!tenant.Members.TryGetValue(memberId, out var member)) return Problems.NotFound();
        if (!actor.Role.MayChange(member.Role, after)) return Problems.Forbidden();
        return after != Role.Owner && tenant.IsLastOwner(memberId) ? Problems.LastOwner() : null;
    }
}

/// <summary><c>PATCH /api/v1/tenant/members/{memberId}</c>: another role, which holds on every node within seconds.</summary>
public static class ChangeMemberRole
{
    public static ProblemDetails Validate(ChangeRole? command) =>
        command is null ? Body.Missing() : Names.TryParse<Role>(command.Role, out _) ? WolverineContinue.NoProblems : Problems.Validation(("role", Staff.RoleError));

    public static async Task<(IEventStream<Tenant>?, DataKey?, ProblemDetails)> LoadAsync(
        ChangeRole command, Guid memberId, HttpContext http, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var stream = await Staff.ForWritingAsync(session, http, cancellation);
        return Staff.WhyNot(stream.Aggregate!, http.User.MemberId(), memberId, Names.Parse<Role>(command.Role)) is { } problem
            ? (null, null, problem)
            : (stream, await DataKeys.LoadAsync(session, master, memberId, cancellation), WolverineContinue.NoProblems);
    }

    [WolverinePatch("/api/v1/tenant/members/{memberId:guid}", OperationId = "changeMemberRole"), Authorize(Roles.May + nameof(Permission.ManageMembers))]
    [ProducesResponseType<MemberView>(200)]
    public static (Reply, Changes) Patch(ChangeRole command, Guid memberId, IEventStream<Tenant> stream, DataKey key, SecurityLog log, HttpContext http)
    {
        var member = stream.Aggregate!.Members[memberId];
        var role = Names.Parse<Role>(command.Role);
        var changes = new Changes();
        if (role != member.Role)
        {
            changes.Append(stream, new MemberRoleChanged(memberId, role));
            Inviting.RevokeThoseOf(changes, stream, memberId, role);
            log.Write(SecurityEvent.MemberRoleChanged, http, ("member", memberId), ("from", Names.Of(member.Role)), ("to", Names.Of(role)));
        }

        return (Reply.Ok(MemberView.Of(memberId, member with { Role = role }, key)) with { ChangesCredentials = true }, changes);
    }
}

/// <summary><c>DELETE /api/v1/tenant/members/{memberId}</c>: the person is gone, and so are their logins, their password and their email.</summary>
public static class RemoveMember
{
    public static async Task<(IEventStream<Tenant>?, DataKey?, ProblemDetails)> LoadAsync(Guid memberId, HttpContext http, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var stream = await Staff.ForWritingAsync(session, http, cancellation);
        return Staff.WhyNot(stream.Aggregate!, http.User.MemberId(), memberId, after: null) is { } problem
            ? (null, null, problem)
            : (stream, await DataKeys.LoadAsync(session, master, memberId, cancellation), WolverineContinue.NoProblems);
    }

    [WolverineDelete("/api/v1/tenant/members/{memberId:guid}", OperationId = "removeMember"), Authorize(Roles.May + nameof(Permission.ManageMembers))]
    [ProducesResponseType<MemberView>(200)]
    public static (Reply, Changes) Delete(Guid memberId, [NotBody] IEventStream<Tenant> stream, [NotBody] DataKey key, SecurityLog log, HttpContext http)
    {
        var view = MemberView.Of(memberId, stream.Aggregate!.Members[memberId], key);
        var changes = new Changes();
        changes.Append(stream, new MemberRemoved(memberId));
        Inviting.RevokeThoseOf(changes, stream, memberId, after: null);
        changes.Add(new DeleteCredentials(memberId));
        changes.Add(DataKeys.Erase(memberId, stream.Id.ToString()));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberPassword, memberId));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.MemberEmail, memberId));
        changes.Add(RefreshToken.EndAllOf(memberId));
        log.Write(SecurityEvent.MemberRemoved, http, ("member", memberId), ("role", view.Role));
        return (Reply.Ok(view) with { ChangesCredentials = true }, changes);
    }

    private sealed record DeleteCredentials(Guid MemberId) : IMartenOp
    {
        public void Execute(IDocumentSession session) => session.Delete<MemberCredentials>(MemberId);
    }
}
