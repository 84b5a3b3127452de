using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>One of the tenant's users.</summary>
public sealed class User
{
    /// <summary>CVault's id.</summary>
    public Guid Id { get; set; }

    /// <summary>Null where none is known.</summary>
    public string? Email { get; set; }

    /// <summary>The tenant's own id; null but for users of <see cref="ServerAuthClient.ExternalAsync"/>.</summary>
    public string? ExternalUserId { get; set; }

    /// <summary>The identity provider's <c>sub</c>; null but for users of <see cref="AuthClient.OidcAsync"/>.</summary>
    public string? Subject { get; set; }

    /// <summary>When they were made.</summary>
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary><c>active</c>.</summary>
    public string Status { get; set; } = "";
}

/// <summary>A user who is no more.</summary>
public sealed class RemovedUser
{
    /// <summary>CVault's id.</summary>
    public Guid Id { get; set; }

    /// <summary><c>deleted</c>.</summary>
    public string Status { get; set; } = "";
}

/// <summary>A page of users.</summary>
public sealed class UserPage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<User> Users { get; set; } = [];

    object? IPage.Items => Users;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>The tenant's users, for its server.</summary>
public sealed class UsersClient
{
    private readonly Api api;

    internal UsersClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/users</c>: a page.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<UserPage> ListAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/users").With("limit", limit).With("cursor", cursor), Json.Default.UserPage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<User> ListAllAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ListAsync(pageSize, cursor, options, cancellation), p => p.Users, p => p.NextCursor, cancellationToken);

    /// <summary><c>GET /api/v1/users/{id}</c>.</summary>
    /// <param name="id">CVault's id.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<User> GetAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get($"/api/v1/users/{id}"), Json.Default.User, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/users/{id}</c>: the user, their devices and tunnels are no more.</summary>
    /// <param name="id">CVault's id.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<RemovedUser> RemoveAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete($"/api/v1/users/{id}", $$"""{"id":"{{id}}","status":"deleted"}"""), Json.Default.RemovedUser, options, cancellationToken);
}
