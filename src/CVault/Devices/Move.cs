using CVault.IpLeases;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Devices;

/// <summary>A device's way to another server, or from none to one, taken and not yet written (ops/decisions/0009).</summary>
/// <param name="To">The server of its new home.</param>
/// <param name="Home">The new home.</param>
/// <param name="Lease">The address granted there; null where the device still holds the one that it was leaving.</param>
/// <param name="Left">The server of an earlier move that was not finished, which it leaves at once; null when there is none.</param>
public sealed record Move(Server To, DeviceHome Home, IpLease? Lease, Server? Left)
{
    /// <summary>
    /// Finds a server and takes an address there; back to the server that the device is just leaving, it still has one.
    /// The caller holds the device's stream.
    /// </summary>
    /// <param name="region">Where to; null: anywhere.</param>
    public static async Task<(Move?, ProblemDetails)> TakeAsync(IDocumentSession session, Device device, string? region, DateTimeOffset now, CancellationToken cancellation)
    {
        var leaving = device.Leaving is { } place ? (await session.LoadServerAsync(place.ServerId, cancellation))! : null;
        if (leaving is { Status: ServerStatus.Active or ServerStatus.Maintenance } && (region is null || leaving.Region == region)) return (new Move(leaving, device.Leaving!, null, null), WolverineContinue.NoProblems);

        var (placement, problem) = await Placement.TakeAsync(session, region, device.Id, now, cancellation);
        return placement is not { Server: var to, Lease: var lease } ? (null, problem) : (new Move(to, new DeviceHome(to.Id, lease.Address, lease.Address6), lease, leaving), problem);
    }

    /// <summary>What the move changes.</summary>
    public void AddTo(Changes changes, Device device, Guid tenantId, LeaseRules rules, DateTimeOffset now)
    {
        var leases = new List<(Guid ServerId, IMartenOp)>();
        if (Left is not null)
        {
            changes.Append(device.Id, new DeviceLeft(device.Leaving!, "moved_on"));
            leases.Add((Left.Id, AddressPool.Release(Left, device.Leaving!.Address, device.Id, "moved", rules, now)));
        }

        changes.Append(device.Id, device.Home is { } from ? new DeviceMoved(from, Home) : new DevicePlaced(device.UserId, device.PublicKey, device.PresharedKey, Home));
        if (Lease is not null) leases.Add((To.Id, AddressPool.Granted(Lease, tenantId, device.Id)));
        changes.InOrderOfServers(leases);
    }

    /// <summary>Wake-ups for all whose peers the move changes.</summary>
    public IEnumerable<object> Messages(Device device) => Left is null
        ? [new ReconcileServer(To.Id), new MoveBegun(device.Id)]
        : [new ReconcileServer(To.Id), new ReconcileServer(Left.Id), new MoveBegun(device.Id)];
}
