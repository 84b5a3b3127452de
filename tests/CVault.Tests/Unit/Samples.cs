using CVault.Devices;
using CVault.Security;
using CVault.Servers;
using CVault.Tenants;
using JasperFx.Events;

namespace CVault.Tests.Unit;

/// <summary>Things as pure decisions take them.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly Server Server = new(
        Guid.Parse("01890a5d-ac96-774b-bcce-b302099a8057"), "vpn1", "us-east", "203.0.113.7", 51820, "SERVER-KEY", ServerTransport.Ssh,
        new SshAddress("203.0.113.7", 22, "cvault", "ssh-ed25519 AAAA"), "10.8.0.0/16", "fd00::/64", ["1.1.1.1", "9.9.9.9"], 100, ServerStatus.Active, Now);

    public static readonly Server OtherServer = Server with
    {
        Id = Guid.Parse("01890a5d-ac96-774b-bcce-b302099a8058"), Name = "vpn2", Region = "eu-west", EndpointHost = "203.0.113.8", AddressPool = "10.9.0.0/24", AddressPool6 = "fd01::/64",
    };

    public static readonly Tenant Tenant = new(Guid.Parse("01890a5d-ac96-774b-bcce-b302099a8059"), "Acme", TenantStatus.Active, new TenantSettings(), Now);

    public static readonly Device Device = new(
        Guid.Parse("01890a5d-ac96-774b-bcce-b302099a805a"), Guid.Parse("01890a5d-ac96-774b-bcce-b302099a805b"), new Sealed("s1.name"), "DEVICE-KEY", "DEVICE-KEY",
        new Sealed("s1.psk"), KeyCustody.Managed, new DeviceHome(Server.Id, "10.8.0.2", "fd00::2"), DeviceStatus.Active, Now);

    /// <summary>An event as the store hands it to an aggregate.</summary>
    public static IEvent<T> Stored<T>(Guid streamId, T data, DateTimeOffset? at = null) where T : notnull => new Event<T>(data) { StreamId = streamId, Timestamp = at ?? Now };
}

/// <summary>A clock that stands still until it is moved.</summary>
internal sealed class Clock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;
    public override DateTimeOffset GetUtcNow() => Now;
}
