using System.Text.Json;
using System.Text.Json.Nodes;

namespace CVault.Sdk;

/// <summary>The tenant's settings.</summary>
public sealed class TenantSettings
{
    /// <summary>The tenant's id.</summary>
    public Guid TenantId { get; set; }

    /// <summary>What it is called.</summary>
    public string Name { get; set; } = "";

    /// <summary>Whom CVault writes to about the account; null for nobody.</summary>
    public string? ContactEmail { get; set; }

    /// <summary><c>active</c>, <c>trial</c> or <c>suspended</c>. The operator's to change, as are the limits.</summary>
    public string Status { get; set; } = "";

    /// <summary>Decimal gigabytes a month; null is unlimited.</summary>
    public int? BandwidthLimitGb { get; set; }

    /// <summary>Whether all of that was moved this month (UTC).</summary>
    public bool OverBandwidth { get; set; }

    /// <summary>Null is unlimited.</summary>
    public int? UserLimit { get; set; }

    /// <summary>Null is unlimited.</summary>
    public int? MaxDevicesPerUser { get; set; }

    /// <summary>Null is unlimited.</summary>
    public int? RequestsPerMinute { get; set; }

    /// <summary><c>sticky</c> or <c>ephemeral</c>.</summary>
    public string LeasePolicy { get; set; } = "";

    /// <summary>Days without a handshake after which a device loses its address; null is never.</summary>
    public int? LeaseIdleDays { get; set; }

    /// <summary><c>managed</c> or <c>client</c>.</summary>
    public string KeyCustody { get; set; } = "";

    /// <summary><c>off</c> or <c>required</c>.</summary>
    public string EmailVerification { get; set; } = "";

    /// <summary>Whatever the tenant keeps there; undefined where it keeps nothing.</summary>
    public JsonElement WhitelabelConfig { get; set; }

    /// <summary>False until the owner has followed the mail of the sign-up; until then the API keys open nothing.</summary>
    public bool EmailVerified { get; set; }
}

/// <summary>
/// What to change. What is never set stays; what is set to null becomes none, where that is possible.
/// </summary>
public sealed class SettingsChanges
{
    internal JsonObject Changes { get; } = [];

    /// <summary>What the tenant is called.</summary>
    public string? Name { get => (string?)Changes["name"]; set => Changes["name"] = value; }

    /// <summary>Null: nobody.</summary>
    public string? ContactEmail { get => (string?)Changes["contact_email"]; set => Changes["contact_email"] = value; }

    /// <summary><c>sticky</c> or <c>ephemeral</c>.</summary>
    public string? LeasePolicy { get => (string?)Changes["lease_policy"]; set => Changes["lease_policy"] = value; }

    /// <summary>Null: never.</summary>
    public int? LeaseIdleDays { get => (int?)Changes["lease_idle_days"]; set => Changes["lease_idle_days"] = value; }

    /// <summary><c>managed</c> or <c>client</c>.</summary>
    public string? KeyCustody { get => (string?)Changes["key_custody"]; set => Changes["key_custody"] = value; }

    /// <summary><c>off</c> or <c>required</c>.</summary>
    public string? EmailVerification { get => (string?)Changes["email_verification"]; set => Changes["email_verification"] = value; }

    /// <summary>Any JSON object.</summary>
    public JsonObject? WhitelabelConfig { get => (JsonObject?)Changes["whitelabel_config"]; set => Changes["whitelabel_config"] = value; }
}

/// <summary>The provider whose ID tokens sign the tenant's users in; both null where there is none.</summary>
public sealed class IdentityProvider
{
    /// <summary>Where its discovery document stands.</summary>
    public string? Issuer { get; set; }

    /// <summary>The client that its ID tokens are for.</summary>
    public string? ClientId { get; set; }
}

/// <summary>The tenant's settings and identity provider.</summary>
public sealed class SettingsClient
{
    private const string Root = "/api/v1/tenant/settings", Provider = "/api/v1/tenant/identity-provider";
    private readonly Api api;

    internal SettingsClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/tenant/settings</c>.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<TenantSettings> GetAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get(Root).AsUser(), Json.Default.TenantSettings, options, cancellationToken);

    /// <summary><c>PATCH /api/v1/tenant/settings</c>.</summary>
    /// <param name="changes">What to change.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>.</exception>
    public Task<TenantSettings> ChangeAsync(SettingsChanges changes, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Patch(Root, changes.Changes, Json.Default.JsonObject).AsUser(), Json.Default.TenantSettings, options, cancellationToken);

    /// <summary><c>GET /api/v1/tenant/identity-provider</c>.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IdentityProvider> IdentityProviderAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get(Provider).AsUser(), Json.Default.IdentityProvider, options, cancellationToken);

    /// <summary><c>PUT /api/v1/tenant/identity-provider</c>.</summary>
    /// <param name="issuer">An https URL without query or fragment.</param>
    /// <param name="clientId">The client that its ID tokens are for.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>FORBIDDEN</c>, <c>ISSUER_UNAVAILABLE</c>.</exception>
    public Task<IdentityProvider> SetIdentityProviderAsync(string issuer, string clientId, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(
            Call.Put(Provider, new IdentityProvider { Issuer = issuer, ClientId = clientId }, Json.Default.IdentityProvider).AsUser(), Json.Default.IdentityProvider, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/tenant/identity-provider</c>: ID tokens sign nobody in any more.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<IdentityProvider> RemoveIdentityProviderAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete(Provider).AsUser(), Json.Default.IdentityProvider, options, cancellationToken);
}
