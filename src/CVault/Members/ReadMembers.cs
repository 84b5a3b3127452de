using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Members;

/// <summary>The member who asks.</summary>
public sealed record MeView
{
    public required Guid MemberId { get; init; }
    public required string? Email { get; init; }

    /// <summary><c>owner</c>, <c>admin</c>, <c>developer</c>, <c>billing</c> or <c>read_only</c>.</summary>
    public required string Role { get; init; }
    public required Guid TenantId { get; init; }
    public required string TenantName { get; init; }

    /// <summary>False until the mail of the sign-up was followed; until then members may only read.</summary>
    public required bool EmailVerified { get; init; }
}

/// <summary>A member, as the tenant's staff sees them.</summary>
public sealed record MemberView
{
    public required Guid MemberId { get; init; }
    public required string? Email { get; init; }

    /// <summary><c>owner</c>, <c>admin</c>, <c>developer</c>, <c>billing</c> or <c>read_only</c>.</summary>
    public required string Role { get; init; }
    public required bool EmailVerified { get; init; }
    public required DateTimeOffset JoinedAt { get; init; }

    /// <param name="key">The member's data key; null leaves the email out.</param>
    public static MemberView Of(Guid id, Member member, DataKey? key) => new()
    {
        MemberId = id, Email = key?.Open(Emails.Purpose, member.Email), Role = Names.Of(member.Role), EmailVerified = member.EmailVerified, JoinedAt = member.JoinedAt,
    };
}

public sealed record MembersView(IReadOnlyList<MemberView> Members, string? NextCursor);

/// <summary>An invitation that somebody may still accept.</summary>
public sealed record InvitationView
{
    public required Guid InvitationId { get; init; }
    public required string? Email { get; init; }

    /// <summary><c>owner</c>, <c>admin</c>, <c>developer</c>, <c>billing</c> or <c>read_only</c>.</summary>
    public required string Role { get; init; }
    public required DateTimeOffset ExpiresAt { get; init; }
}

public sealed record InvitationsView(IReadOnlyList<InvitationView> Invitations, string? NextCursor);

/// <summary><c>GET /api/v1/tenant/me</c>.</summary>
public static class GetMe
{
    [WolverineGet("/api/v1/tenant/me", OperationId = "getMe"), Authorize(Policies.Member)]
    [ProducesResponseType<MeView>(200)]
    public static async Task<Reply> Get(HttpContext http, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        var (id, tenant) = (http.User.MemberId(), TenantAuthentication.TenantOf(http));
        var member = MemberView.Of(id, tenant.Members[id], await DataKeys.LoadAsync(session, master, id, cancellation));
        return Reply.Ok(new MeView { MemberId = id, Email = member.Email, Role = member.Role, TenantId = tenant.Id, TenantName = tenant.Name, EmailVerified = member.EmailVerified });
    }
}

/// <summary><c>GET /api/v1/tenant/members</c>.</summary>
public static class ListMembers
{
    [WolverineGet("/api/v1/tenant/members", OperationId = "listMembers"), Authorize(Roles.May + nameof(Permission.ReadMembers))]
    [ProducesResponseType<MembersView>(200)]
    public static async Task<IResult> Get(int? limit, string? cursor, HttpContext http, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var members = TenantAuthentication.TenantOf(http).Members;
        var (shown, next) = page.Cut([.. members.Keys.InOrder(page)], id => id);
        var keys = await DataKeys.LoadAllAsync(session, master, shown, cancellation);
        return Reply.Ok(new MembersView([.. shown.Select(id => MemberView.Of(id, members[id], keys.GetValueOrDefault(id)))], next));
    }

    /// <summary>As PostgreSQL orders ids: by their text, which is not how .NET compares them.</summary>
    internal static IEnumerable<Guid> InOrder(this IEnumerable<Guid> ids, Page page) =>
        ids.Where(id => string.CompareOrdinal(id.ToString(), page.After.ToString()) > 0).OrderBy(id => id.ToString(), StringComparer.Ordinal).Take(page.Take);
}

/// <summary><c>GET /api/v1/tenant/invitations</c>: those that may still be accepted.</summary>
public static class ListInvitations
{
    [WolverineGet("/api/v1/tenant/invitations", OperationId = "listInvitations"), Authorize(Roles.May + nameof(Permission.ReadMembers))]
    [ProducesResponseType<InvitationsView>(200)]
    public static async Task<IResult> Get(int? limit, string? cursor, HttpContext http, IQuerySession session, MasterKey master, TimeProvider time, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var now = time.GetUtcNow();
        var open = TenantAuthentication.TenantOf(http).Invitations.Where(i => i.Value.ExpiresAt > now).ToDictionary();
        var (shown, next) = page.Cut([.. open.Keys.InOrder(page)], id => id);
        var keys = await DataKeys.LoadAllAsync(session, master, shown, cancellation);
        return Reply.Ok(new InvitationsView(
            [
                .. shown.Select(id => new InvitationView
                {
                    InvitationId = id, Email = keys.GetValueOrDefault(id)?.Open(Emails.Purpose, open[id].Email), Role = Names.Of(open[id].Role), ExpiresAt = open[id].ExpiresAt,
                }),
            ], next));
    }
}
