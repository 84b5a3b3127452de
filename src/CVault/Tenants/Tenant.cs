using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using CVault.Security;
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
/// <param name="MaxDevicesPerUser">How many live devices a user may have; null is unlimited, 0 is none.</param>
/// <param name="RequestsPerMinute">API requests a minute; null takes <see cref="DefaultRequestsPerMinute"/>, 0 is none.</param>
/// <param name="LeasePolicy">When addresses go back.</param>
/// <param name="KeyCustody">Who makes private keys; <see cref="KeyCustody.Client"/> demands it of every device.</param>
/// <param name="WhitelabelConfig">The tenant's branding, as it was sent: a JSON object.</param>
/// <param name="LeaseIdleDays">After how many days without a handshake a device loses its address, 1 to 3650; null: never.</param>
/// <param name="EmailVerification">Whether users register with verified emails only.</param>
/// <param name="RequestsBurst">How many more requests than <paramref name="RequestsPerMinute"/> may fall into a minute that lies across two windows, 0 to 10,000.</param>
public sealed record TenantSettings(
    int? BandwidthLimitGb = null,
    int? UserLimit = null,
    int? MaxDevicesPerUser = 5,
    int? RequestsPerMinute = null,
    LeasePolicy LeasePolicy = LeasePolicy.Sticky,
    KeyCustody KeyCustody = KeyCustody.Managed,
    JsonElement? WhitelabelConfig = null,
    int? LeaseIdleDays = null,
    EmailVerification EmailVerification = EmailVerification.Off,
    int RequestsBurst = TenantSettings.DefaultRequestsBurst)
{
    public const int DefaultRequestsPerMinute = 100, DefaultRequestsBurst = 20;

    /// <summary>Gigabytes are decimal.</summary>
    public const long BytesPerGb = 1_000_000_000;

    /// <summary>Bytes a calendar month (UTC); null is unlimited, 0 is none.</summary>
    [JsonIgnore]
    public long? BandwidthLimitBytes => BandwidthLimitGb * BytesPerGb;

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
/// <param name="SelfService">Whether the business signed itself up, so that its owner's email is still to be verified.</param>
public sealed record TenantCreated(string Name, TenantStatus Status, TenantSettings Settings, DateTimeOffset At, bool SelfService = false);

/// <summary>An API key was issued. The secret's keyed hash stands with the key, never here.</summary>
public sealed record ApiKeyIssued(string KeyId, ApiKeyKind Kind, string? Name = null, DateTimeOffset? ExpiresAt = null, string[]? AllowedOrigins = null);

/// <summary>A key has another name, or is good for other web origins.</summary>
public sealed record ApiKeyChanged(string KeyId, string? Name, string[]? AllowedOrigins);

/// <summary>Another key took the place of this one, which works until <paramref name="ExpiresAt"/>.</summary>
public sealed record ApiKeyRotated(string KeyId, string NewKeyId, DateTimeOffset ExpiresAt);

/// <summary>The key works no more.</summary>
public sealed record ApiKeyRevoked(string KeyId);

public sealed record TenantRenamed(string Name);

public sealed record TenantSettingsChanged(TenantSettings Settings);

/// <param name="Email">Whom to write to about the account, sealed under the tenant's data key; null for nobody.</param>
public sealed record TenantContactChanged(Sealed? Email);

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
    /// <summary>Whether the owner's email is still to be verified: then its API keys open nothing, and members may only read.</summary>
    public bool Unverified { get; init; }

    [JsonIgnore]
    public bool Verified => !Unverified;

    /// <summary>Whether it moved all that it may move this month: then it has no tunnels, and all else goes on.</summary>
    public bool OverBandwidth { get; init; }

    /// <summary>The reason of a suspension for money.</summary>
    public const string Unpaid = "unpaid";

    /// <summary>Why it is suspended; null while it is not.</summary>
    public string? SuspendedFor { get; init; }

    /// <summary>What it was before it was suspended.</summary>
    public TenantStatus StatusBefore { get; init; }

    /// <summary>Whom to write to about the account; null for nobody.</summary>
    public Sealed? ContactEmail { get; init; }

    /// <summary>Its API keys that are not revoked, with when they expire: what a limit on their number is decided on.</summary>
    public ImmutableDictionary<string, DateTimeOffset?> Keys { get; init; } = ImmutableDictionary<string, DateTimeOffset?>.Empty;

    /// <summary>The staff. Never without an owner, once there was one.</summary>
    public ImmutableDictionary<Guid, Member> Members { get; init; } = ImmutableDictionary<Guid, Member>.Empty;

    /// <summary>Open invitations and expired ones that nobody has cleared away yet.</summary>
    public ImmutableDictionary<Guid, Invitation> Invitations { get; init; } = ImmutableDictionary<Guid, Invitation>.Empty;

    public static Tenant Create(IEvent<TenantCreated> e) => new(e.StreamId, e.Data.Name, e.Data.Status, e.Data.Settings, e.Data.At) { Unverified = e.Data.SelfService };

    public Tenant Apply(TenantRenamed e) => this with { Name = e.Name };

    public Tenant Apply(TenantSettingsChanged e) => this with { Settings = e.Settings };

    public Tenant Apply(IdentityProviderRegistered e) => this with { IdentityProvider = e.Provider };

    public Tenant Apply(IdentityProviderRemoved _) => this with { IdentityProvider = null };

    public Tenant Apply(TenantSuspended e) => this with { Status = TenantStatus.Suspended, SuspendedFor = e.Reason, StatusBefore = IsSuspended ? StatusBefore : Status };

    public Tenant Apply(TenantReinstated e) => this with { Status = e.Status, SuspendedFor = null };

    public Tenant Apply(BandwidthWarned _) => this;

    public Tenant Apply(BandwidthExhausted _) => this with { OverBandwidth = true };

    public Tenant Apply(BandwidthRestored _) => this with { OverBandwidth = false };

    public Tenant Apply(IEvent<ApiKeyIssued> e) => this with
    {
        // Those long expired would only fill it.
        Keys = Keys.RemoveRange(Keys.Where(k => k.Value <= e.Timestamp).Select(k => k.Key)).SetItem(e.Data.KeyId, e.Data.ExpiresAt),
    };

    public Tenant Apply(ApiKeyRotated e) => this with { Keys = Keys.SetItem(e.KeyId, e.ExpiresAt) };

    public Tenant Apply(ApiKeyRevoked e) => this with { Keys = Keys.Remove(e.KeyId) };

    public Tenant Apply(ApiKeyChanged _) => this;

    /// <summary>How many of its API keys work.</summary>
    public int LiveKeys(DateTimeOffset now) => Keys.Values.Count(expires => expires is null || expires > now);

    public Tenant Apply(TenantContactChanged e) => this with { ContactEmail = e.Email };

    public Tenant Apply(MemberJoined e) => this with
    {
        Members = Members.SetItem(e.MemberId, new Member(e.Role, e.Email, e.EmailVerified, e.At)), Invitations = Invitations.Remove(e.MemberId),
    };

    public Tenant Apply(MemberEmailVerified e) => this with
    {
        Unverified = false, Members = Members.TryGetValue(e.MemberId, out var member) ? Members.SetItem(e.MemberId, member with { EmailVerified = true }) : Members,
    };

    public Tenant Apply(MemberRoleChanged e) => this with
    {
        Members = Members.TryGetValue(e.MemberId, out var member) ? Members.SetItem(e.MemberId, member with { Role = e.Role }) : Members,
    };

    public Tenant Apply(MemberRemoved e) => this with { Members = Members.Remove(e.MemberId) };

    public Tenant Apply(MemberInvited e) => this with { Invitations = Invitations.SetItem(e.InvitationId, new Invitation(e.Role, e.Email, e.ExpiresAt, e.By)) };

    public Tenant Apply(InvitationRevoked e) => this with { Invitations = Invitations.Remove(e.InvitationId) };

    /// <summary>Whether a member is the only owner, who can therefore neither leave nor become anything else.</summary>
    public bool IsLastOwner(Guid memberId) => Members.TryGetValue(memberId, out var member) && member.Role == Role.Owner && Members.Values.Count(m => m.Role == Role.Owner) == 1;

    [JsonIgnore]
    public bool IsSuspended => Status == TenantStatus.Suspended;

    /// <summary>Suspended because it has not paid: then its staff may still sign in and see what it owes, and nothing else.</summary>
    [JsonIgnore]
    public bool MaySettle => IsSuspended && SuspendedFor == Unpaid;

    /// <summary>Whether its peers are on the servers.</summary>
    [JsonIgnore]
    public bool HasTunnels => !IsSuspended && !OverBandwidth;
}
