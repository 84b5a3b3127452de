using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>An API key, without its secret.</summary>
public class ApiKey
{
    /// <summary>The key's id, which callers send; <c>api_key</c> on the wire.</summary>
    [System.Text.Json.Serialization.JsonPropertyName("api_key")]
    public string Key { get; set; } = "";

    /// <summary><c>secret</c> or <c>publishable</c>.</summary>
    public string Kind { get; set; } = "";

    /// <summary>What members call it.</summary>
    public string? Name { get; set; }

    /// <summary><c>live</c>, <c>expired</c> or <c>revoked</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>From when on it works no more; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; set; }

    /// <summary>When it was revoked; null: it was not.</summary>
    public DateTimeOffset? RevokedAt { get; set; }

    /// <summary>The web origins whose pages may use it; for publishable keys.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; set; } = [];

    /// <summary>Shows the id alone.</summary>
    public override string ToString() => GetType().Name + " " + Key;
}

/// <summary>A new API key with, this once, its secret.</summary>
public sealed class NewApiKey : ApiKey
{
    /// <summary>Null for a publishable key. It cannot be shown again.</summary>
    public string? ApiSecret { get; set; }
}

/// <summary>A key in a list, with how it was used.</summary>
public sealed class ListedApiKey : ApiKey
{
    /// <summary>To within some seconds; null: never.</summary>
    public DateTimeOffset? LastUsedAt { get; set; }

    /// <summary>Calls with it in this calendar month (UTC).</summary>
    public long CallsThisMonth { get; set; }
}

/// <summary>The tenant's keys, the newest first: those that work, and of the others the last hundred.</summary>
public sealed class ApiKeyPage : IPage
{
    /// <summary>All of them.</summary>
    [JsonRequired]
    public IReadOnlyList<ListedApiKey> ApiKeys { get; set; } = [];

    object? IPage.Items => ApiKeys;

    /// <summary>Null: there is one page.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>The tenant's API keys.</summary>
public sealed class ApiKeysClient
{
    private const string Root = "/api/v1/tenant/api-keys";
    private readonly Api api;

    internal ApiKeysClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/tenant/api-keys</c>.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<ApiKeyPage> ListAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get(Root).AsUser(), Json.Default.ApiKeyPage, options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/api-keys</c>.</summary>
    /// <param name="kind"><c>secret</c> or <c>publishable</c>.</param>
    /// <param name="name">1 to 100 characters.</param>
    /// <param name="expiresInDays">1 to 3650; absent: never.</param>
    /// <param name="allowedOrigins">For a publishable key: up to 50 web origins, such as <c>https://app.example.com</c>.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>, <c>EMAIL_UNVERIFIED</c>.</exception>
    public Task<NewApiKey> CreateAsync(
        string kind, string? name = null, int? expiresInDays = null, IReadOnlyList<string>? allowedOrigins = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root, new KeyToMake(kind, name, expiresInDays, allowedOrigins), Json.Default.KeyToMake).AsUser(), Json.Default.NewApiKey, options, cancellationToken);

    /// <summary><c>PATCH /api/v1/tenant/api-keys/{key}</c>: what is absent stays.</summary>
    /// <param name="key">The key's id.</param>
    /// <param name="name">1 to 100 characters.</param>
    /// <param name="allowedOrigins">All of the web origins that a publishable key is good for from now on.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>, <c>NOT_FOUND</c>.</exception>
    public Task<ApiKey> ChangeAsync(
        string key, string? name = null, IReadOnlyList<string>? allowedOrigins = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Patch(Of(key), new KeyChange(name, allowedOrigins), Json.Default.KeyChange).AsUser(), Json.Default.ApiKey, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/tenant/api-keys/{key}</c>: it works no more.</summary>
    /// <param name="key">The key's id.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>FORBIDDEN</c>, <c>NOT_FOUND</c>.</exception>
    public Task<ApiKey> RevokeAsync(string key, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete(Of(key)).AsUser(), Json.Default.ApiKey, options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/api-keys/{key}/rotate</c>: a new key in its place.</summary>
    /// <param name="key">The old key's id.</param>
    /// <param name="overlapSeconds">How long the old one goes on working: 0 to 2592000; absent: as long as the API thinks right.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>, <c>NOT_FOUND</c>, <c>CONFLICT</c>.</exception>
    public Task<NewApiKey> RotateAsync(string key, int? overlapSeconds = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Of(key) + "/rotate", new Overlap(overlapSeconds), Json.Default.Overlap).AsUser(), Json.Default.NewApiKey, options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/api-keys/regenerate</c>: a new secret key in place of the latest.</summary>
    /// <param name="overlapSeconds">How long the old one goes on working: 0 to 2592000; absent: as long as the API thinks right.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>.</exception>
    public Task<NewApiKey> RegenerateAsync(int? overlapSeconds = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root + "/regenerate", new Overlap(overlapSeconds), Json.Default.Overlap).AsUser(), Json.Default.NewApiKey, options, cancellationToken);

    private static string Of(string key) => Root + "/" + Uri.EscapeDataString(key);
}
