using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>A member of the tenant's staff.</summary>
public sealed class Member
{
    /// <summary>The member's id.</summary>
    public Guid MemberId { get; set; }

    /// <summary>Null where it cannot be read.</summary>
    public string? Email { get; set; }

    /// <summary><c>owner</c>, <c>admin</c>, <c>developer</c>, <c>billing</c> or <c>read_only</c>.</summary>
    public string Role { get; set; } = "";

    /// <summary>Whether the email was proven to be theirs.</summary>
    public bool EmailVerified { get; set; }

    /// <summary>Since when they are one.</summary>
    public DateTimeOffset JoinedAt { get; set; }
}

/// <summary>A page of members.</summary>
public sealed class MemberPage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<Member> Members { get; set; } = [];

    object? IPage.Items => Members;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>An invitation that somebody may still accept.</summary>
public sealed class Invitation
{
    /// <summary>The invitation's id.</summary>
    public Guid InvitationId { get; set; }

    /// <summary>Whose mailbox it went to.</summary>
    public string? Email { get; set; }

    /// <summary>As in <see cref="Member.Role"/>.</summary>
    public string Role { get; set; } = "";

    /// <summary>Until when it can be accepted.</summary>
    public DateTimeOffset ExpiresAt { get; set; }
}

/// <summary>A page of invitations.</summary>
public sealed class InvitationPage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<Invitation> Invitations { get; set; } = [];

    object? IPage.Items => Invitations;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>The tenant's staff.</summary>
public sealed class MembersClient
{
    private readonly Api api;

    internal MembersClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/tenant/members</c>: a page.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<MemberPage> ListAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/members").With("limit", limit).With("cursor", cursor).AsUser(), Json.Default.MemberPage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<Member> ListAllAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ListAsync(pageSize, cursor, options, cancellation), p => p.Members, p => p.NextCursor, cancellationToken);

    /// <summary><c>PATCH /api/v1/tenant/members/{id}</c>: another role.</summary>
    /// <param name="id">The member's.</param>
    /// <param name="role">As in <see cref="Member.Role"/>.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>FORBIDDEN</c>, <c>NOT_FOUND</c>, <c>LAST_OWNER</c>.</exception>
    public Task<Member> ChangeRoleAsync(Guid id, string role, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Patch($"/api/v1/tenant/members/{id}", new NewRole(role), Json.Default.NewRole).AsUser(), Json.Default.Member, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/tenant/members/{id}</c>: a member no more; every login of theirs ends.</summary>
    /// <param name="id">The member's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>FORBIDDEN</c>, <c>NOT_FOUND</c>, <c>LAST_OWNER</c>.</exception>
    public Task<Member> RemoveAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete($"/api/v1/tenant/members/{id}").AsUser(), Json.Default.Member, options, cancellationToken);
}

/// <summary>Who may join the tenant's staff.</summary>
public sealed class InvitationsClient
{
    private readonly Api api;

    internal InvitationsClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/tenant/invitations</c>: a page of those that are open.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<InvitationPage> ListAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/invitations").With("limit", limit).With("cursor", cursor).AsUser(), Json.Default.InvitationPage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<Invitation> ListAllAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ListAsync(pageSize, cursor, options, cancellation), p => p.Invitations, p => p.NextCursor, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/invitations</c>: a mail with a token for <see cref="MemberAuthClient.AcceptInvitationAsync"/>.</summary>
    /// <param name="email">Whom to invite.</param>
    /// <param name="role">As in <see cref="Member.Role"/>.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>, <c>CONFLICT</c>.</exception>
    public Task<Invitation> InviteAsync(string email, string role, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post("/api/v1/tenant/invitations", new NewInvitation(email, role), Json.Default.NewInvitation).AsUser(), Json.Default.Invitation, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/tenant/invitations/{id}</c>: it cannot be accepted any more.</summary>
    /// <param name="id">The invitation's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<Invitation> RevokeAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete($"/api/v1/tenant/invitations/{id}").AsUser(), Json.Default.Invitation, options, cancellationToken);
}
