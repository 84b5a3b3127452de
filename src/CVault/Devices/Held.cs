using CVault.IpLeases;
using CVault.Servers;
using Marten;
using Wolverine.Marten;

namespace CVault.Devices;

/// <summary>A device with the servers that it has a peer and an address on: its home, and while it moves the one it leaves.</summary>
public sealed record Held(Device Device, IReadOnlyList<Server> Servers)
{
    /// <summary>The caller holds the device's stream.</summary>
    public static async Task<Held> LoadAsync(IDocumentSession session, Device device, CancellationToken cancellation)
    {
        var servers = new List<Server>();
        foreach (var place in Of(device)) servers.Add((await session.LoadServerAsync(place.ServerId, cancellation))!);
        return new Held(device, servers);
    }

    /// <summary>Gives every address back.</summary>
    public void Release(Changes changes, string reason, LeaseRules rules, DateTimeOffset now) => changes.InOrderOfServers(
        Of(Device).Zip(Servers).Select(p => (p.Second.Id, AddressPool.Release(p.Second, p.First.Address, Device.Id, reason, rules, now))));

    /// <summary>The device keeps its keys and has no peer and no address until it connects again (ops/decisions/0010).</summary>
    /// <param name="reason"><c>session_ended</c> or <c>idle</c>.</param>
    public void Park(Changes changes, string reason, LeaseRules rules, DateTimeOffset now)
    {
        changes.Append(Device.Id, new DeviceParked(Device.Home!, reason));
        Release(changes, reason, rules, now);
    }

    private static IEnumerable<DeviceHome> Of(Device device) => new[] { device.Home, device.Leaving }.OfType<DeviceHome>();
}

/// <summary>Leases of one device on several servers.</summary>
public static class LeaseOrder
{
    /// <summary>The commit counts devices on each server's row: locked in one order first, or two opposite moves would lock each other out.</summary>
    public static void InOrderOfServers(this Changes changes, IEnumerable<(Guid ServerId, IMartenOp Lease)> leases)
    {
        var all = leases.ToArray();
        var servers = all.Select(l => l.ServerId).Distinct().Order().ToArray();
        foreach (var id in servers.Length > 1 ? servers : []) changes.Add(ServerLoad.Lock(id));
        foreach (var (_, lease) in all) changes.Add(lease);
    }
}
