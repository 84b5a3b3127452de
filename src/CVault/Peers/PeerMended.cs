namespace CVault.Peers;

/// <summary>
/// A full pass found one peer otherwise than its row, which the server had confirmed, and put it right: somebody's hand,
/// a fault, an intruder. One such fact for each peer; those of one pass share a stream.
/// </summary>
/// <param name="What"><c>missing</c>: it was gone and was added. <c>different</c>: it had other addresses or another
/// preshared key and was set. <c>unknown</c>: no device has it, and it was removed.</param>
/// <param name="DeviceId">Whose peer it is; null for an unknown one.</param>
public sealed record PeerMended(Guid ServerId, string PublicKey, string What, Guid? DeviceId, string? TenantId);
