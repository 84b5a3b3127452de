using System.Text.Json;

namespace CVault.Tenants;

/// <summary>A tenant as operators see it.</summary>
public record TenantView
{
    public required Guid Id { get; init; }
    public required string Name { get; init; }

    /// <summary><c>active</c>, <c>trial</c> or <c>suspended</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Decimal gigabytes a month; null is unlimited.</summary>
    public required int? BandwidthLimitGb { get; init; }
    /// <summary>Whether all of that was moved this month (UTC): then the tenant has no tunnels until the next, or a higher limit.</summary>
    public required bool OverBandwidth { get; init; }
    public required int? UserLimit { get; init; }
    public required int? MaxDevicesPerUser { get; init; }

    /// <summary>Null is the platform's default of 100.</summary>
    public required int? RequestsPerMinute { get; init; }
    public required int RequestsBurst { get; init; }

    /// <summary><c>sticky</c> or <c>ephemeral</c>.</summary>
    public required string LeasePolicy { get; init; }

    /// <summary>Days without a handshake after which a device loses its address; null is never.</summary>
    public required int? LeaseIdleDays { get; init; }

    /// <summary><c>managed</c> or <c>client</c>.</summary>
    public required string KeyCustody { get; init; }

    /// <summary><c>off</c> or <c>required</c>.</summary>
    public required string EmailVerification { get; init; }
    public required object WhitelabelConfig { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }

    public static TenantView Of(Tenant t) => new()
    {
        Id = t.Id,
        Name = t.Name,
        Status = Names.Of(t.Status),
        BandwidthLimitGb = t.Settings.BandwidthLimitGb,
        OverBandwidth = t.OverBandwidth,
        UserLimit = t.Settings.UserLimit,
        MaxDevicesPerUser = t.Settings.MaxDevicesPerUser,
        RequestsPerMinute = t.Settings.RequestsPerMinute,
        RequestsBurst = t.Settings.RequestsBurst,
        LeasePolicy = Names.Of(t.Settings.LeasePolicy),
        LeaseIdleDays = t.Settings.LeaseIdleDays,
        KeyCustody = Names.Of(t.Settings.KeyCustody),
        EmailVerification = Names.Of(t.Settings.EmailVerification),
        WhitelabelConfig = t.Settings.WhitelabelConfig is { } json ? json : JsonDocument.Parse("{}").RootElement,
        CreatedAt = t.CreatedAt,
    };
}
