using System.Text.Json;
using System.Text.Json.Serialization;
using JasperFx.Events;

namespace CVault.Tenants;

/// <summary>What a tenant's users may do now.</summary>
public enum TenantStatus { Active, Trial, Suspended }

/// <summary>When a device's address goes back to its pool: with the device, or with the end of each session.</summary>
public enum LeasePolicy { Sticky, Ephemeral }

/// <summary>Who makes a device's private key: CVault, so that a config is ready to use, or the client, so that CVault never sees it.</summary>
public enum KeyCustody { Managed, Client }

/// <summary>Whether a user must prove that an email is theirs before they can register with it.</summary>
public enum EmailVerification { Off, Required }

/// <summary>Who else says who a tenant's users are: an OpenID provider, whose ID tokens are exchanged for ours.</summary>
/// <param name="Issuer">Its <c>iss</c>, under which its discovery document stands.</param>
/// <param name="ClientId">The <c>aud</c> that its tokens must have.</param>
public sealed record IdentityProvider(string Issuer, string ClientId);

/// <summary>The numbers and choices of a tenant that operators set.</summary>
/// <param name="BandwidthLimitGb">Decimal gigabytes a calendar month (UTC); null is unlimited, 0 is none.</param>
/// <param name="UserLimit">How many users; null is unlimited, 0 is none.</param>
/// <param name="MaxDevicesPerUser">How many live devices a user may have.</param>
/// <param name="RequestsPerMinute">API requests a minute; null takes the platform's default.</param>
/// <param name="LeasePolicy">When addresses go back.</param>
/// <param name="KeyCustody">Who makes private keys; <see cref="KeyCustody.Client"/> demands it of every device.</param>
/// <param name="WhitelabelConfig">The tenant's branding, as it was sent: a JSON object.</param>
/// <param name="LeaseIdleDays">After how many days without a handshake a device loses its address, 1 to 3650; null: never.</param>
/// <param name="EmailVerification">Whether users register with verified emails only.</param>
public sealed record TenantSettings(
    int? BandwidthLimitGb = null,
    int? UserLimit = null,
    int MaxDevicesPerUser = 5,
    int? RequestsPerMinute = null,
    LeasePolicy LeasePolicy = LeasePolicy.Sticky,
    KeyCustody KeyCustody = KeyCustody.Managed,
    JsonElement? WhitelabelConfig = null,
    int? LeaseIdleDays = null,
    EmailVerification EmailVerification = EmailVerification.Off)
{
    /// <summary>Equal in every member; two JSON elements are never equal as records compare them.</summary>
    public bool SameAs(TenantSettings other) =>
        this with { WhitelabelConfig = null } == other with { WhitelabelConfig = null }
        && (WhitelabelConfig, other.WhitelabelConfig) switch
        {
            (null, null) => true,
            ({ } mine, { } its) => JsonElement.DeepEquals(mine, its),
            _ => false,
        };
}

/// <param name="At">When, by the clock that the answer went by.</param>
public sealed record TenantCreated(string Name, TenantStatus Status, TenantSettings Settings, DateTimeOffset At);

/// <summary>An API key was issued. The secret's keyed hash stands with the key, never here.</summary>
public sealed record ApiKeyIssued(string KeyId, ApiKeyKind Kind);

public sealed record TenantRenamed(string Name);

public sealed record TenantSettingsChanged(TenantSettings Settings);

/// <summary>From here on every call is refused and the tenant's peers leave the servers.</summary>
public sealed record TenantSuspended(string Reason);

/// <summary>The tenant may work again, as <paramref name="Status"/>; its peers return.</summary>
public sealed record TenantReinstated(TenantStatus Status);

/// <summary>From here on ID tokens of this provider sign users in, and no other's.</summary>
public sealed record IdentityProviderRegistered(IdentityProvider Provider);

/// <summary>No ID token signs anyone in any more.</summary>
public sealed record IdentityProviderRemoved;

/// <summary>A business customer. Its stream's id is its tenant id.</summary>
public sealed record Tenant(Guid Id, string Name, TenantStatus Status, TenantSettings Settings, DateTimeOffset CreatedAt, IdentityProvider? IdentityProvider = null)
{
    public static Tenant Create(IEvent<TenantCreated> e) => new(e.StreamId, e.Data.Name, e.Data.Status, e.Data.Settings, e.Data.At);

    public Tenant Apply(TenantRenamed e) => this with { Name = e.Name };

    public Tenant Apply(TenantSettingsChanged e) => this with { Settings = e.Settings };

    public Tenant Apply(IdentityProviderRegistered e) => this with { IdentityProvider = e.Provider };

    public Tenant Apply(IdentityProviderRemoved _) => this with { IdentityProvider = null };

    public Tenant Apply(TenantSuspended _) => this with { Status = TenantStatus.Suspended };

    public Tenant Apply(TenantReinstated e) => this with { Status = e.Status };

    [JsonIgnore]
    public bool IsSuspended => Status == TenantStatus.Suspended;
}
