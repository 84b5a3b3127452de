using JasperFx.Events;

namespace CVault.Sessions;

public enum SessionStatus { Active, Disconnected }

public sealed record SessionStarted(Guid UserId, Guid DeviceId, Guid ServerId, string Address);

/// <param name="Reason"><c>disconnected</c>, <c>superseded</c>, <c>device_revoked</c>, <c>server_drained</c> or <c>idle</c>.</param>
public sealed record SessionEnded(string Reason);

/// <summary>One period of being connected.</summary>
/// <param name="LiveDevice">The device while the session lasts, null afterwards: its unique index keeps one session a device.</param>
public sealed record Session(
    Guid Id, Guid UserId, Guid DeviceId, Guid? LiveDevice, Guid ServerId, string Address, SessionStatus Status, DateTimeOffset ConnectedAt, DateTimeOffset? DisconnectedAt, string? EndReason)
{
    public static Session Create(IEvent<SessionStarted> e) => new(
        e.StreamId, e.Data.UserId, e.Data.DeviceId, e.Data.DeviceId, e.Data.ServerId, e.Data.Address, SessionStatus.Active, e.Timestamp, null, null);

    public Session Apply(IEvent<SessionEnded> e) => this with
    {
        Status = SessionStatus.Disconnected, LiveDevice = null, DisconnectedAt = e.Timestamp, EndReason = e.Data.Reason,
    };
}
