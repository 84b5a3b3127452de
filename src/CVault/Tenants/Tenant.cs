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

/// <summary>The numbers and choices of a tenant that operators set.</summary>
/// <param name="BandwidthLimitGb">Decimal gigabytes a calendar month (UTC); null is unlimited, 0 is none.</param>
/// <param name="UserLimit">How many users; null is unlimited, 0 is none.</param>
/// <param name="MaxDevicesPerUser">How many live devices a user may have.</param>
/// <param name="RequestsPerMinute">API requests a minute; null takes <see cref="DefaultRequestsPerMinute"/>, 0 is none.</param>
/// <param name="LeasePolicy">When addresses go back.</param>
/// <param name="KeyCustody">Who makes private keys; <see cref="KeyCustody.Client"/> demands it of every device.</param>
/// <param name="WhitelabelConfig">The tenant's branding, as it was sent: a JSON object.</param>
/// <param name="LeaseIdleDays">After how many days without a handshake a device loses its address, 1 to 3650; null: never.</param>
/// <param name="RequestsBurst">How many more requests than <paramref name="RequestsPerMinute"/> may fall into a minute that lies across two windows, 0 to 10,000.</param>
public sealed record TenantSettings(
    int? BandwidthLimitGb = null,
    int? UserLimit = null,
    int MaxDevicesPerUser = 5,
    int? RequestsPerMinute = null,
    LeasePolicy LeasePolicy = LeasePolicy.Sticky,
    KeyCustody KeyCustody = KeyCustody.Managed,
    JsonElement? WhitelabelConfig = null,
    int? LeaseIdleDays = null,
    int RequestsBurst = TenantSettings.DefaultRequestsBurst)
{
    public const int DefaultRequestsPerMinute = 100, DefaultRequestsBurst = 20;

    /// <summary>The limit of the tenant's requests, over all nodes together.</summary>
    [JsonIgnore]
    public Security.LimitRule RequestLimit => new(RequestsPerMinute ?? DefaultRequestsPerMinute, RequestsBurst, 60);

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

/// <summary>A business customer. Its stream's id is its tenant id.</summary>
public sealed record Tenant(Guid Id, string Name, TenantStatus Status, TenantSettings Settings, DateTimeOffset CreatedAt)
{
    public static Tenant Create(IEvent<TenantCreated> e) => new(e.StreamId, e.Data.Name, e.Data.Status, e.Data.Settings, e.Data.At);

    public Tenant Apply(TenantRenamed e) => this with { Name = e.Name };

    public Tenant Apply(TenantSettingsChanged e) => this with { Settings = e.Settings };

    public Tenant Apply(TenantSuspended _) => this with { Status = TenantStatus.Suspended };

    public Tenant Apply(TenantReinstated e) => this with { Status = e.Status };

    [JsonIgnore]
    public bool IsSuspended => Status == TenantStatus.Suspended;
}
