using CVault.Sdk.Tunnel.ByConfigFile;
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
        if (OperatingSystem.IsMacOS()) return new MacTunnel(runner, log, () => Environment.IsPrivilegedProcess, SecretFiles.WriteUnix);
        if (OperatingSystem.IsWindows())
        {
            var folder = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "CVault", "Tunnel");
            return new WindowsTunnel(runner, log, () => Environment.IsPrivilegedProcess, folder, SecretFiles.WriteWindows);
        }

        throw new TunnelException(TunnelErrorCodes.NotSupported, "Tunnels can be brought up on Linux, macOS and Windows.");
    }
}
