using System.Net;

namespace CVault.Sdk.Tunnel;

/// <summary>What this machine's operating system does for a tunnel, each by its own tools.</summary>
internal interface ITunnelSystem
{
    /// <summary>Brings everything up but waits for no handshake. Takes back what it did when it throws.</summary>
    Task UpAsync(WireGuardConfig config, TunnelOptions options, CancellationToken cancellation);

    /// <summary>The interface's counters now; null when there is none.</summary>
    Task<Reading?> ReadAsync(string interfaceName, CancellationToken cancellation);

    /// <summary>Forgets the session with the server, so that the next packet starts a new handshake. Nothing else changes.</summary>
    Task RenewAsync(string interfaceName, CancellationToken cancellation);

    /// <summary>Undoes everything that is left of the tunnel, also of one that another program brought up and did not end.</summary>
    Task DownAsync(string interfaceName, bool keepKillSwitch, CancellationToken cancellation);

    /// <summary>Whether this library's tunnel of that name, or anything of it, is there.</summary>
    Task<bool> ExistsAsync(string interfaceName, CancellationToken cancellation);

    /// <summary>Whether the kill switch stands.</summary>
    Task<bool> HasKillSwitchAsync(string interfaceName, CancellationToken cancellation);

    /// <summary>Whether the kill switch stands, after one that is wanted and was removed by another program was loaded again.</summary>
    Task<bool> HoldKillSwitchAsync(string interfaceName, CancellationToken cancellation);
}

/// <summary>An interface's one peer, as <c>wg show IF dump</c> tells of it.</summary>
/// <param name="LastHandshake">Of the session that is in use; null for none since the last <see cref="ITunnelSystem.RenewAsync"/>.</param>
/// <param name="RxBytes">Received since the tunnel came up.</param>
/// <param name="TxBytes">Sent since the tunnel came up.</param>
/// <param name="Endpoint">Where the server is.</param>
internal sealed record Reading(DateTimeOffset? LastHandshake, long RxBytes, long TxBytes, IPEndPoint? Endpoint);
