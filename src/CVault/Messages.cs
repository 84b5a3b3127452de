namespace CVault;

/// <summary>
/// Wake-up for the worker that keeps one server's peers: something about them may have changed. It carries no
/// change itself; the rows of <c>peers</c> do. Lost, doubled or late, it does no harm (level-triggered).
/// </summary>
/// <param name="ServerId">The server whose peers are to be looked at.</param>
public sealed record ReconcileServer(Guid ServerId);

/// <summary>A server was registered or changed in a way that its link must notice (address, status).</summary>
/// <param name="ServerId">The server.</param>
public sealed record ServerChanged(Guid ServerId);

/// <summary>Wake-up for the worker that empties draining servers. Lost, doubled or late, it does no harm.</summary>
/// <param name="ServerId">The server.</param>
public sealed record DrainBegun(Guid ServerId);

/// <summary>A tenant was suspended or taken back, or used up its bandwidth or has some again, so its peers leave or return to every server that has them.</summary>
/// <param name="TenantId">The tenant.</param>
public sealed record TenantAccessChanged(Guid TenantId);

/// <summary>Wake-up for the worker that finishes moves: a device has begun one. Lost, doubled or late, it does no harm.</summary>
/// <param name="DeviceId">The device.</param>
public sealed record MoveBegun(Guid DeviceId);

/// <summary>
/// A session of a device ended, and not because another took its place. Whoever ends a session of a tenant with
/// <c>ephemeral</c> leases sends it: the device then gives up its address.
/// </summary>
/// <param name="DeviceId">The device.</param>
public sealed record SessionOver(Guid DeviceId);

/// <summary>Wake-up for the worker that parks idle devices: a tenant's <c>lease_idle_days</c> changed.</summary>
/// <param name="TenantId">The tenant.</param>
public sealed record LeaseTimeChanged(Guid TenantId);

/// <summary>A device was revoked, so whatever session it has is over.</summary>
/// <param name="DeviceId">The device.</param>
public sealed record DeviceGone(Guid DeviceId);

/// <summary>
/// A mail waits to be sent. It names its row and nothing of what is in it, since messages are stored in the clear.
/// </summary>
/// <param name="MailId">The row of <c>mails</c>.</param>
public sealed record MailDue(Guid MailId);

/// <summary>A user was deleted, so their devices go, and then their data key.</summary>
/// <param name="UserId">The user.</param>
public sealed record UserGone(Guid UserId);

/// <summary>Somebody asked for another password.</summary>
/// <param name="UserId">The user whose email was named; nobody's where it is unknown.</param>
/// <param name="RequestId">Of that one request: it is answered by one mail, however often and late this message comes.</param>
/// <param name="At">When it was made.</param>
public sealed record PasswordForgotten(Guid UserId, Guid RequestId, DateTimeOffset At);
