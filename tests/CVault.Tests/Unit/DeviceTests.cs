using System.Text.Json;
using CVault.Devices;
using CVault.IpLeases;
using CVault.Security;
using CVault.Tenants;
using Wolverine.Http;

namespace CVault.Tests.Unit;

/// <summary>A device's life, and what begins and ends it.</summary>
public sealed class DeviceTests
{
    private static readonly DeviceHome Away = new(Samples.OtherServer.Id, "10.9.0.7", "fd01::7");
    private readonly DataKey key = DataKey.Create(Samples.Device.UserId);

    [Fact]
    public void a_device_is_what_its_events_say()
    {
        var d = Samples.Device;
        var device = Device.Create(Samples.Stored(d.Id, new DeviceRegistered(d.UserId, d.Name, d.PublicKey, d.PresharedKey, d.Custody, d.Home!, d.CreatedAt)));
        Assert.Equal(d, device);
        Assert.Equal("DEVICE-KEY", device.LiveKey);
    }

    [Fact]
    public void a_device_that_moves_is_in_two_places_until_it_has_left_the_first()
    {
        var (old, device) = (Samples.Device.Home!, Samples.Device.Apply(new DeviceMoved(Samples.Device.Home!, Away)));
        Assert.Equal((Away, old), (device.Home, device.Leaving));
        Assert.Equal((old, Away), (device.Apply(new DeviceMoved(Away, old)).Home, device.Apply(new DeviceMoved(Away, old)).Leaving));
        Assert.Equal((Away, null), (device.Apply(new DeviceLeft(old, "moved")).Home, device.Apply(new DeviceLeft(old, "moved")).Leaving));
        Assert.Null(device.Apply(new DeviceRevoked("user")).Leaving);
    }

    [Fact]
    public void a_revoked_device_frees_its_key_and_remembers_it()
    {
        var revoked = Samples.Device.Apply(new DeviceRevoked("user"));
        Assert.Equal((DeviceStatus.Revoked, null, "DEVICE-KEY"), (revoked.Status, revoked.LiveKey, revoked.PublicKey));
    }

    [Fact]
    public void its_addresses_are_single_hosts_IPv4_first() => Assert.Equal("10.8.0.2/32,fd00::2/128", Samples.Device.Home!.AllowedIps);

    [Fact]
    public void registering_answers_with_a_whole_config_and_waits_for_its_peer()
    {
        var (reply, recorded, messages) = Register(new RegisterDevice(" Laptop ", null, null));
        var view = Assert.IsType<RegisteredDeviceView>(reply.Body);
        Assert.Equal((201, $"/api/v1/devices/{Samples.Device.Id}", "Laptop", "10.8.0.2"), (reply.Status, reply.Location, view.DeviceName, view.AssignedIp));
        Assert.Contains("PrivateKey = ", view.Config, StringComparison.Ordinal);
        Assert.Equal(PeerStatuses.Pending, view.PeerStatus);
        Assert.Equal(new PeerChange(Samples.Server.Id, view.PublicKey, Wanted: true, IsNew: true), reply.Peer);
        Assert.Equal([new ReconcileServer(Samples.Server.Id)], messages);

        var registered = Assert.IsType<DeviceRegistered>(Assert.Single(recorded.EventsOf(Samples.Device.Id)));
        Assert.Equal((KeyCustody.Managed, "Laptop"), (registered.Custody, key.Open(Device.NamePurpose, registered.Name)));
        Assert.Contains("PresharedKey = " + key.Open(Device.PresharedKeyPurpose, registered.PresharedKey), view.Config, StringComparison.Ordinal);
        var lease = Assert.IsType<IpLeased>(Assert.Single(recorded.EventsOf(IpLease.StreamId(Samples.Server.Id, 2))));
        Assert.Equal((Samples.Device.Id, "10.8.0.2", Samples.Tenant.Id), (lease.DeviceId, lease.Address, lease.TenantId));
    }

    [Fact]
    public void no_event_holds_a_key_or_the_devices_name_in_the_clear()
    {
        var (reply, recorded, _) = Register(new RegisterDevice("Alice's laptop", null, null));
        var events = JsonSerializer.Serialize(recorded.Events);
        var config = ((RegisteredDeviceView)reply.Body).Config.Split('\n');
        Assert.DoesNotContain("Alice", events, StringComparison.Ordinal);
        foreach (var line in config.Where(l => l.StartsWith("PrivateKey", StringComparison.Ordinal) || l.StartsWith("PresharedKey", StringComparison.Ordinal)))
        {
            Assert.DoesNotContain(line.Split(" = ")[1], events, StringComparison.Ordinal);
            Assert.DoesNotContain(line.Split(" = ")[1], JsonSerializer.Serialize(recorded.Stored<DevicePrivateKey>()), StringComparison.Ordinal);
        }

        Assert.Single(recorded.Stored<DevicePrivateKey>());
    }

    [Fact]
    public void a_device_with_its_own_key_leaves_no_private_key_here()
    {
        var own = WireGuardKeys.NewPair().PublicKey;
        var (reply, recorded, _) = Register(new RegisterDevice("Laptop", own, null));
        Assert.Equal(own, ((RegisteredDeviceView)reply.Body).PublicKey);
        Assert.Equal(KeyCustody.Client, Assert.IsType<DeviceRegistered>(recorded.EventsOf(Samples.Device.Id)[0]).Custody);
        Assert.Empty(recorded.Stored<DevicePrivateKey>());
        Assert.DoesNotContain("\nPrivateKey", ((RegisteredDeviceView)reply.Body).Config, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, null, "device_name")]
    [InlineData("  ", null, null, "device_name")]
    [InlineData("a\0b", null, null, "device_name")]
    [InlineData("Laptop", "short", null, "public_key")]
    [InlineData("Laptop", null, "", "server_region")]
    [InlineData(null, "short", "", "device_name,public_key,server_region")]
    public void each_bad_member_is_named(string? name, string? publicKey, string? region, string fields)
    {
        var problem = RegisterDeviceEndpoint.Validate(new RegisterDevice(name, publicKey, region));
        var errors = Assert.IsType<Dictionary<string, string[]>>(problem.Extensions["errors"]);
        Assert.Equal(fields.Split(','), errors.Keys.Order());
    }

    [Fact]
    public void a_name_of_255_characters_and_one_key_are_fine() =>
        Assert.Same(WolverineContinue.NoProblems, RegisterDeviceEndpoint.Validate(new RegisterDevice(new string('n', 255), WireGuardKeys.NewPair().PublicKey, "us-east")));

    [Fact]
    public void revoking_takes_the_peer_the_address_and_the_session()
    {
        var (reply, changes, messages) = RevokeDevice.Delete(Samples.Device.Id, new Held(Samples.Device, [Samples.Server]), LeaseRules.Default, new Clock(Samples.Now));
        Assert.Equal(new PeerChange(Samples.Server.Id, "DEVICE-KEY", Wanted: false), reply.Peer);
        var recorded = Recorder.Of(changes);
        Assert.Equal([new DeviceRevoked("user")], recorded.EventsOf(Samples.Device.Id));
        Assert.Equal([new ReconcileServer(Samples.Server.Id), new DeviceGone(Samples.Device.Id)], messages);
        Assert.Equal([new IpReleased(Samples.Device.Id, "device_revoked", Samples.Now.AddMinutes(5))], recorded.EventsOf(IpLease.StreamId(Samples.Server.Id, 2)));
    }

    [Fact]
    public void revoking_a_device_that_moves_frees_both_addresses()
    {
        var device = Samples.Device with { Home = Away, Leaving = Samples.Device.Home };
        var (reply, changes, messages) = RevokeDevice.Delete(device.Id, new Held(device, [Samples.OtherServer, Samples.Server]), new LeaseRules(TimeSpan.Zero), new Clock(Samples.Now));
        Assert.Equal(Samples.OtherServer.Id, reply.Peer!.Value.ServerId);
        Assert.Equal([new ReconcileServer(Samples.OtherServer.Id), new ReconcileServer(Samples.Server.Id), new DeviceGone(device.Id)], messages);
        Assert.Equal([new IpReleased(device.Id, "device_revoked", Samples.Now)], Recorder.Of(changes).EventsOf(IpLease.StreamId(Samples.Server.Id, 2)));
        Assert.Equal([new IpReleased(device.Id, "device_revoked", Samples.Now)], Recorder.Of(changes).EventsOf(IpLease.StreamId(Samples.OtherServer.Id, 7)));
    }

    [Fact]
    public void a_parked_device_keeps_its_keys_and_gives_up_every_address()
    {
        var device = Samples.Device with { Home = Away, Leaving = Samples.Device.Home };
        var changes = new Changes();
        new Held(device, [Samples.OtherServer, Samples.Server]).Park(changes, "idle", LeaseRules.Default, Samples.Now);
        var recorded = Recorder.Of(changes);
        var parked = device.Apply(Assert.IsType<DeviceParked>(Assert.Single(recorded.EventsOf(device.Id))));
        Assert.Equal((null, null, DeviceStatus.Active, "DEVICE-KEY"), (parked.Home, parked.Leaving, parked.Status, parked.LiveKey));
        Assert.Equal(2, recorded.Events.OfType<IpReleased>().Count(r => r == new IpReleased(device.Id, "idle", Samples.Now.AddMinutes(5))));
        Assert.Equal(Away, parked.Apply(new DevicePlaced(device.UserId, device.PublicKey, device.PresharedKey, Away)).Home);
    }

    [Fact]
    public void revoking_a_parked_device_waits_for_no_server()
    {
        var device = Samples.Device with { Home = null };
        var (reply, changes, messages) = RevokeDevice.Delete(device.Id, new Held(device, []), LeaseRules.Default, new Clock(Samples.Now));
        Assert.Equal((null, PeerStatuses.Live), (reply.Peer, ((RevokedDeviceView)reply.Body).PeerStatus));
        Assert.Equal([new DeviceRevoked("user")], Recorder.Of(changes).Events);
        Assert.Equal([new DeviceGone(device.Id)], messages);
    }

    [Fact]
    public void new_keys_end_a_move_since_no_config_has_them_and_the_old_server()
    {
        var device = Samples.Device with { Home = Away, Leaving = Samples.Device.Home };
        var (_, changes, messages) = RotateKeyEndpoint.Post(
            device.Id, new Rotation(new RotateKey(null), device, Samples.OtherServer, Samples.Server, key), LeaseRules.Default, new Clock(Samples.Now));
        Assert.Equal([new ReconcileServer(Samples.OtherServer.Id), new ReconcileServer(Samples.Server.Id)], messages);
        var events = Recorder.Of(changes).EventsOf(device.Id);
        Assert.Equal(new DeviceLeft(Samples.Device.Home!, "key_rotated"), events[0]);
        Assert.Equal(Samples.OtherServer.Id, Assert.IsType<DeviceKeyRotated>(events[1]).ServerId);
        Assert.Equal([new IpReleased(device.Id, "moved", Samples.Now.AddMinutes(5))], Recorder.Of(changes).EventsOf(IpLease.StreamId(Samples.Server.Id, 2)));
    }

    private (Reply Reply, Recording Recorded, IEnumerable<object> Messages) Register(RegisterDevice command)
    {
        var lease = new IpLease(Samples.Server.Id, 2, "10.8.0.2", "fd00::2");
        var (reply, a, b, c, messages) = RegisterDeviceEndpoint.Post(command, new Registration(Samples.Device.Id, key, Samples.Tenant, Samples.Server, lease, Samples.Now));
        return (reply, Recorder.Of(a, b, c), messages);
    }
}
