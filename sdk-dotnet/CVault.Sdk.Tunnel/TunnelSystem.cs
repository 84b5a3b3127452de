using CVault.Sdk.Tunnel.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel;

internal static class TunnelSystem
{
    /// <exception cref="TunnelException"><c>NOT_SUPPORTED</c>: neither Linux, macOS nor Windows.</exception>
    public static ITunnelSystem OfThisMachine(ILogger? logger)
    {
        var log = logger ?? NullLogger.Instance;
        var runner = new ProcessRunner(log);
        if (OperatingSystem.IsLinux()) return new LinuxTunnel(runner, new LinuxPaths(), log, () => Environment.IsPrivilegedProcess);
        throw new TunnelException(TunnelErrorCodes.NotSupported, "Tunnels can be brought up on Linux, macOS and Windows.");
    }
}
