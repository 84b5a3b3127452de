using CVault.Security;

namespace CVault.Tenants;

/// <summary>A person became a member. A tenant's first member, who signed up, has yet to prove their email.</summary>
/// <param name="Email">Sealed under the member's own data key.</param>
/// <param name="EmailVerified">Whether they have shown that they read its mails.</param>
public sealed record MemberJoined(Guid MemberId, Role Role, Sealed Email, bool EmailVerified, DateTimeOffset At);

/// <summary>A member has shown that they read the mails of their address.</summary>
public sealed record MemberEmailVerified(Guid MemberId);

public sealed record MemberRoleChanged(Guid MemberId, Role Role);

/// <summary>A member is none any more. Their data key and credentials went with the same commit.</summary>
public sealed record MemberRemoved(Guid MemberId);

/// <summary>Somebody was asked to become a member.</summary>
/// <param name="InvitationId">The id that they would have as a member.</param>
/// <param name="Email">Sealed under the data key of that id.</param>
/// <param name="By">The member who asked them; null for the operator.</param>
public sealed record MemberInvited(Guid InvitationId, Role Role, Sealed Email, DateTimeOffset ExpiresAt, Guid? By = null);

/// <summary>An invitation is good no more: taken back, or found to have expired.</summary>
public sealed record InvitationRevoked(Guid InvitationId);

/// <summary>A person on a tenant's staff.</summary>
/// <param name="EmailVerified">False for who signed up and has not followed the mail yet.</param>
public sealed record Member(Role Role, Sealed Email, bool EmailVerified, DateTimeOffset JoinedAt);

/// <summary>A place that waits for a person.</summary>
/// <param name="By">The member who asked them, with whose right to do so it ends.</param>
public sealed record Invitation(Role Role, Sealed Email, DateTimeOffset ExpiresAt, Guid? By = null);
