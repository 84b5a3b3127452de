using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>A user as their tenant's server sees them.</summary>
/// <param name="Email">Null where none is known.</param>
/// <param name="ExternalUserId">The tenant's own id, of <c>auth/external</c>; null for others.</param>
/// <param name="Subject">The identity provider's <c>sub</c>, of <c>auth/oidc</c>; null for others.</param>
/// <param name="Status"><c>active</c>.</param>
public sealed record UserView(Guid Id, string? Email, string? ExternalUserId, string? Subject, DateTimeOffset CreatedAt, string Status)
{
    public static UserView Of(User u, DataKey key) => new(
        u.Id, Open(Emails.Purpose, u.Email, key), Open(User.ExternalIdPurpose, u.ExternalUserId, key), Open(User.SubjectPurpose, u.Subject, key), u.CreatedAt, Names.Of(u.Status));

    private static string? Open(string purpose, Sealed? value, DataKey key) => value is { } text ? key.Open(purpose, text) : null;
}

/// <summary>One page of users.</summary>
public sealed record UsersView(IReadOnlyList<UserView> Users, string? NextCursor);

/// <summary><c>GET /api/v1/users</c> and <c>GET /api/v1/users/{userId}</c>: the tenant's users, for the tenant's server.</summary>
public static class ReadUsers
{
    [WolverineGet("/api/v1/users", OperationId = "listUsers"), Authorize(Policies.SecretKey)]
    [ProducesResponseType<UsersView>(200)]
    public static async Task<IResult> List(int? limit, string? cursor, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var users = await session.Query<User>()
            .Where(u => u.Status == UserStatus.Active && u.Id > page.After)
            .OrderBy(u => u.Id).Take(page.Take).ToListAsync(cancellation);
        var (shown, next) = page.Cut(users, u => u.Id);
        var keys = await DataKeys.LoadAllAsync(session, master, [.. shown.Select(u => u.Id)], cancellation);
        // One who is being erased this moment has no key any more.
        return Reply.Ok(new UsersView([.. shown.Where(u => keys.ContainsKey(u.Id)).Select(u => UserView.Of(u, keys[u.Id]))], next));
    }

    [WolverineGet("/api/v1/users/{userId}", OperationId = "getUser"), Authorize(Policies.SecretKey)]
    [ProducesResponseType<UserView>(200)]
    public static async Task<IResult> Get(Guid userId, IQuerySession session, MasterKey master, CancellationToken cancellation) =>
        await session.LoadAsync<User>(userId, cancellation) is { Status: UserStatus.Active } user && await DataKeys.LoadAsync(session, master, userId, cancellation) is { } key
            ? Reply.Ok(UserView.Of(user, key))
            : new ProblemResult(Problems.NotFound());
}
