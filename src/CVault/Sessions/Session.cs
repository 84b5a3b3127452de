using JasperFx.Events;

namespace CVault.Sessions;

public enum SessionStatus { Active, Disconnected }

/// <param name="Address">The device's address in the server's pool, without a prefix.</param>
/// <param name="Number">What meter readings call it by; 0 for sessions of before there were any.</param>
/// <param name="By"><c>connect</c>: the app said so. <c>handshake</c>: the tunnel came up without a word to the API.</param>
/// <param name="At">When; null for the event's own time.</param>
public sealed record SessionStarted(Guid UserId, Guid DeviceId, Guid ServerId, string Address, long Number = 0, string By = SessionStarted.ByConnect, DateTimeOffset? At = null)
{
    public const string ByConnect = "connect", ByHandshake = "handshake";
}

/// <param name="Reason">
/// <c>disconnected</c>, <c>superseded</c>, <c>timed_out</c> (no handshake for 180 s), <c>device_revoked</c>,
/// <c>peer_removed</c> (bytes that a removed peer left, of no session yet), <c>tenant_suspended</c>, <c>bandwidth_limit</c>, <c>server_drained</c> or <c>idle</c>.
/// </param>
/// <param name="At">When; null for the event's own time.</param>
public sealed record SessionEnded(string Reason, DateTimeOffset? At = null)
{
    public const string TimedOut = "timed_out", PeerRemoved = "peer_removed", TenantSuspended = "tenant_suspended", BandwidthLimit = "bandwidth_limit";
}

/// <summary>How sessions end, whoever ends them.</summary>
public static class SessionEnds
{
    /// <summary>A beginning and an end: a session ends once, and the second of two who end it at the same time is refused.</summary>
    private const int Events = 2;

    public static void End(this Changes changes, Session open, string reason) => changes.AppendUpTo(Events, open.Id, new SessionEnded(reason));
}

/// <summary>One period of being connected.</summary>
/// <param name="LiveDevice">The device while the session lasts, null afterwards: its unique index keeps one session a device.</param>
public sealed record Session(
    Guid Id, Guid UserId, Guid DeviceId, Guid? LiveDevice, Guid ServerId, string Address, SessionStatus Status, DateTimeOffset ConnectedAt, DateTimeOffset? DisconnectedAt, string? EndReason, long Number = 0)
{
    public static Session Create(IEvent<SessionStarted> e) => new(
        e.StreamId, e.Data.UserId, e.Data.DeviceId, e.Data.DeviceId, e.Data.ServerId, e.Data.Address, SessionStatus.Active, e.Data.At ?? e.Timestamp, null, null, e.Data.Number);

    public Session Apply(IEvent<SessionEnded> e) => this with
    {
        Status = SessionStatus.Disconnected, LiveDevice = null, EndReason = e.Data.Reason,
        // A clock that was put back makes a session of nothing, never one of less.
        DisconnectedAt = (e.Data.At ?? e.Timestamp) is var at && at > ConnectedAt ? at : ConnectedAt,
    };
}
