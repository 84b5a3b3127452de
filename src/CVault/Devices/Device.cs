using System.Text.Json.Serialization;
using CVault.Security;
using CVault.Tenants;
using JasperFx.Events;

namespace CVault.Devices;

public enum DeviceStatus { Active, Revoked }

/// <param name="UserId">Whose device it is.</param>
/// <param name="Name">What the user calls it, sealed: it often names a person.</param>
/// <param name="PublicKey">WireGuard public key, base64.</param>
/// <param name="PresharedKey">The peer's preshared key, sealed.</param>
/// <param name="Custody">Who has the private key.</param>
/// <param name="Home">Where its peer is.</param>
/// <param name="At">When, by the clock that the answer went by.</param>
public sealed record DeviceRegistered(Guid UserId, Sealed Name, string PublicKey, Sealed PresharedKey, KeyCustody Custody, DeviceHome Home, DateTimeOffset At);

/// <summary>
/// The device's home is on another server now, under another address. Where it was its peer and lease still are, so
/// that its tunnel lives, until a <see cref="DeviceLeft"/> says otherwise (ops/decisions/0009).
/// </summary>
public sealed record DeviceMoved(DeviceHome From, DeviceHome To);

/// <summary>The device has neither peer nor lease any more where it moved away from.</summary>
/// <param name="Reason"><c>moved</c>: its new peer is live. <c>moved_on</c>: it moved to a third server. <c>key_rotated</c>: it has other keys.</param>
public sealed record DeviceLeft(DeviceHome From, string Reason);

/// <summary>The device gave up its address and its peers, and keeps its keys; the next connect gives it others (ops/decisions/0010).</summary>
/// <param name="From">Where its home was.</param>
/// <param name="Reason"><c>session_ended</c> or <c>idle</c>.</param>
public sealed record DeviceParked(DeviceHome From, string Reason);

/// <summary>A parked device has a home again. With all that its peer needs, since no row of it may be left.</summary>
public sealed record DevicePlaced(Guid UserId, string PublicKey, Sealed PresharedKey, DeviceHome Home);

/// <summary>The device has other keys from now on.</summary>
public sealed record DeviceKeyRotated(Guid ServerId, string OldPublicKey, string PublicKey, Sealed PresharedKey, KeyCustody Custody);

/// <param name="Reason"><c>user</c> or <c>user_deleted</c>.</param>
public sealed record DeviceRevoked(string Reason);

/// <summary>The server that a device's config names and the addresses that it has there.</summary>
public sealed record DeviceHome(Guid ServerId, string Address, string Address6)
{
    /// <summary>As WireGuard lists them: IPv4 first, each a single host.</summary>
    [JsonIgnore]
    public string AllowedIps => $"{Address}/32,{Address6}/128";
}

/// <summary>One WireGuard key pair of a user.</summary>
/// <param name="LiveKey">
/// The public key while the device lives, null afterwards. The unique index on it is what keeps one holder a key,
/// over all tenants; a revoked device's key may be registered anew.
/// </param>
/// <param name="Home">The server that its config names; null while it is parked.</param>
/// <param name="Leaving">The server that it moved away from and still has its peer and lease on; null when there is none.</param>
public sealed record Device(
    Guid Id, Guid UserId, Sealed Name, string PublicKey, string? LiveKey, Sealed PresharedKey, KeyCustody Custody, DeviceHome? Home, DeviceStatus Status, DateTimeOffset CreatedAt,
    DeviceHome? Leaving = null)
{
    public const string NamePurpose = "device-name", PresharedKeyPurpose = "preshared-key", PrivateKeyPurpose = "private-key";

    /// <summary>What a parked device is refused: all that is about its address.</summary>
    public static Microsoft.AspNetCore.Mvc.ProblemDetails ParkedProblem() => Problems.Conflict("The device has no address now. Connect it (POST /api/v1/vpn/connect) to get one.");

    public static Device Create(IEvent<DeviceRegistered> e) => new(
        e.StreamId, e.Data.UserId, e.Data.Name, e.Data.PublicKey, e.Data.PublicKey, e.Data.PresharedKey, e.Data.Custody, e.Data.Home, DeviceStatus.Active, e.Data.At);

    public Device Apply(DeviceMoved e) => this with { Home = e.To, Leaving = e.From };

    public Device Apply(DeviceLeft _) => this with { Leaving = null };

    public Device Apply(DeviceParked _) => this with { Home = null, Leaving = null };

    public Device Apply(DevicePlaced e) => this with { Home = e.Home };

    public Device Apply(DeviceKeyRotated e) => this with { PublicKey = e.PublicKey, LiveKey = e.PublicKey, PresharedKey = e.PresharedKey, Custody = e.Custody };

    public Device Apply(DeviceRevoked _) => this with { Status = DeviceStatus.Revoked, LiveKey = null, Leaving = null };
}

/// <summary>A managed device's private key, sealed. A document, not an event, so that it is gone when the device is.</summary>
/// <param name="Id">The device's id.</param>
public sealed record DevicePrivateKey(Guid Id, Sealed PrivateKey);
