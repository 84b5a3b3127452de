using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel.ByConfigFile;

/// <summary>Windows: the tunnel service of WireGuard for Windows, which has the config's name.</summary>
internal sealed class WindowsTunnel(IProcessRunner runner, ILogger logger, Func<bool> isAdministrator, string folder, WriteSecret write)
    : ConfigFileTunnel(runner, logger, isAdministrator, folder, write)
{
    protected override (string, string)[] Needed => [("wireguard", "WireGuard for Windows"), ("wg", "WireGuard for Windows")];

    protected override Task StartAsync(string path, CancellationToken cancellation) => Runner.DoAsync("wireguard", ["/installtunnelservice", path], cancellation);

    protected override Task StopAsync(string path, string interfaceName, CancellationToken cancellation) =>
        Runner.DoAsync("wireguard", ["/uninstalltunnelservice", interfaceName], cancellation);

    protected override string? LinkOf(string interfaceName) => interfaceName;

    /// <summary>Nothing: there is no standard input by which the preshared key could reach wg.exe. WireGuard itself shakes hands anew after 15 s.</summary>
    public override Task RenewAsync(string interfaceName, CancellationToken cancellation) => Task.CompletedTask;
}
