using CVault.IpLeases;
using CVault.Security;
using Marten;
using Wolverine;
using Wolverine.Attributes;

namespace CVault.Devices;

/// <summary>
/// A deleted user has no devices. One a time, since each holds its own stream and servers; once there is none left, the
/// user's data key goes, and with it all that could still be read about the person.
/// </summary>
[WolverineHandler]
public static class RevokeDevicesOfUser
{
    public static async Task<(Changes, OutgoingMessages)> Handle(UserGone message, IDocumentSession session, LeaseRules rules, TimeProvider time, CancellationToken cancellation)
    {
        var changes = new Changes();
        var next = await session.Query<Device>().Where(d => d.UserId == message.UserId && d.Status == DeviceStatus.Active).OrderBy(d => d.Id).Select(d => d.Id).Take(1).ToListAsync(cancellation);
        if (next is not [var deviceId])
        {
            changes.Add(DataKeys.Erase(message.UserId));
            return (changes, []);
        }

        var stream = await session.Events.FetchForExclusiveWriting<Device>(deviceId, cancellation);
        if (stream.Aggregate is not { Status: DeviceStatus.Active } device) return (changes, [message]);
        var held = await Held.LoadAsync(session, device, cancellation);
        return (changes, [.. RevokeDevice.Revoke(changes, held, "user_deleted", rules, time.GetUtcNow()), message]);
    }
}
