using System.Net;

namespace CVault.Sdk.Tunnel;

/// <summary>What a tunnel is doing.</summary>
public enum TunnelState
{
    /// <summary>There is no interface. A kill switch may still stand: see <see cref="TunnelStatus.KillSwitch"/>.</summary>
    Down,

    /// <summary>The interface is there, and the server has not answered a handshake within the last 180 s.</summary>
    Connecting,

    /// <summary>
    /// The server answered a handshake within the last 180 s: WireGuard's REJECT_AFTER_TIME, past which no session is used.
    /// </summary>
    Up,
}

/// <summary>A tunnel at one moment.</summary>
public sealed record TunnelStatus
{
    /// <summary>What the tunnel is doing.</summary>
    public required TunnelState State { get; init; }

    /// <summary>The name that <see cref="TunnelOptions.InterfaceName"/> gave.</summary>
    public required string InterfaceName { get; init; }

    /// <summary>When the server last answered a handshake, to the second; null when it never did.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>Bytes received since the tunnel came up, WireGuard's own included.</summary>
    public long RxBytes { get; init; }

    /// <summary>Bytes sent since the tunnel came up, WireGuard's own included.</summary>
    public long TxBytes { get; init; }

    /// <summary>Where the server is reached; null when the tunnel is down.</summary>
    public IPEndPoint? Endpoint { get; init; }

    /// <summary>Whether the kill switch stands, whatever the state is.</summary>
    public bool KillSwitch { get; init; }
}
