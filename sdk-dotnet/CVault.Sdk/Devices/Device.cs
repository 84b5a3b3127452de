using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>A device of the user. One that is parked has no address and no server until it connects.</summary>
public sealed class Device
{
    /// <summary><c>device_id</c> on the wire.</summary>
    [JsonPropertyName("device_id")]
    public Guid Id { get; set; }

    /// <summary>What the user calls it.</summary>
    public string DeviceName { get; set; } = "";

    /// <summary>WireGuard's, in base64.</summary>
    public string PublicKey { get; set; } = "";

    /// <summary>IPv4, in the tunnel; null while it is parked.</summary>
    public string? AssignedIp { get; set; }

    /// <summary>IPv6, in the tunnel; null while it is parked.</summary>
    public string? AssignedIpv6 { get; set; }

    /// <summary>Null while it is parked.</summary>
    public Guid? ServerId { get; set; }

    /// <summary><c>managed</c>: CVault made its keys. <c>client</c>: it made its own.</summary>
    public string KeyCustody { get; set; } = "";

    /// <summary><c>active</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary>When it was registered.</summary>
    public DateTimeOffset CreatedAt { get; set; }
}

/// <summary>A new device, with its config.</summary>
public sealed class RegisteredDevice
{
    /// <summary><c>device_id</c> on the wire.</summary>
    [JsonPropertyName("device_id")]
    public Guid Id { get; set; }

    /// <summary>The whole WireGuard config: a secret. Without the private key where the device brought its own public key.</summary>
    public string Config { get; set; } = "";

    /// <summary>IPv4, in the tunnel.</summary>
    public string AssignedIp { get; set; } = "";

    /// <summary>IPv6, in the tunnel.</summary>
    public string AssignedIpv6 { get; set; } = "";

    /// <summary>What the user calls it.</summary>
    public string DeviceName { get; set; } = "";

    /// <summary>WireGuard's, in base64.</summary>
    public string PublicKey { get; set; } = "";

    /// <summary>The server that the config names.</summary>
    public Guid ServerId { get; set; }

    /// <summary>Where that is.</summary>
    public string ServerRegion { get; set; } = "";

    /// <summary>When it was registered.</summary>
    public DateTimeOffset CreatedAt { get; set; }

    /// <summary><c>live</c>: the server knows the device. <c>pending</c>: it soon will.</summary>
    public string PeerStatus { get; set; } = "";

    /// <summary>Shows no config.</summary>
    public override string ToString() => nameof(RegisteredDevice) + " " + Id;
}

/// <summary>A device's config.</summary>
public sealed class DeviceConfig
{
    /// <summary><c>device_id</c> on the wire.</summary>
    [JsonPropertyName("device_id")]
    public Guid Id { get; set; }

    /// <summary>The WireGuard config: a secret.</summary>
    public string Config { get; set; } = "";

    /// <summary>False for a device that brought its own key: put its private key in.</summary>
    public bool ContainsPrivateKey { get; set; }

    /// <summary>Shows no config.</summary>
    public override string ToString() => nameof(DeviceConfig) + " of " + Id;
}

/// <summary>A device's new keys and config. The old ones stop working when <see cref="PeerStatus"/> is <c>live</c>.</summary>
public sealed class RotatedKey
{
    /// <summary><c>device_id</c> on the wire.</summary>
    [JsonPropertyName("device_id")]
    public Guid Id { get; set; }

    /// <summary>WireGuard's, in base64.</summary>
    public string PublicKey { get; set; } = "";

    /// <summary>The WireGuard config: a secret.</summary>
    public string Config { get; set; } = "";

    /// <summary><c>live</c> or <c>pending</c>.</summary>
    public string PeerStatus { get; set; } = "";

    /// <summary>Shows no config.</summary>
    public override string ToString() => nameof(RotatedKey) + " of " + Id;
}

/// <summary>A device that is no more.</summary>
public sealed class RemovedDevice
{
    /// <summary><c>device_id</c> on the wire.</summary>
    [JsonPropertyName("device_id")]
    public Guid Id { get; set; }

    /// <summary><c>revoked</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary><c>live</c>: the server has confirmed that the device is gone. <c>pending</c>: it soon will.</summary>
    public string PeerStatus { get; set; } = "";
}

/// <summary>A page of devices.</summary>
public sealed class DevicePage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<Device> Devices { get; set; } = [];

    object? IPage.Items => Devices;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}
