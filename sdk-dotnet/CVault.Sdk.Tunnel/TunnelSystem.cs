using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel;

internal static class TunnelSystem
{
    /// <exception cref="TunnelException"><c>NOT_SUPPORTED</c>: neither Linux, macOS nor Windows.</exception>
    public static ITunnelSystem OfThisMachine(ILogger? logger)
    {
        logger?.LogDebug("no system yet");
        throw new TunnelException(TunnelErrorCodes.NotSupported, "Tunnels can be brought up on Linux, macOS and Windows.");
    }
}
