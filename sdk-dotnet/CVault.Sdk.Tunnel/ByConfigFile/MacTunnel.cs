using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel.ByConfigFile;

/// <summary>macOS: wg-quick(8) of Homebrew's wireguard-tools, which brings wireguard-go.</summary>
internal sealed class MacTunnel(IProcessRunner runner, ILogger logger, Func<bool> isRoot, WriteSecret write, string folder = "/var/db/cvault", string names = "/var/run/wireguard")
    : ConfigFileTunnel(runner, logger, isRoot, folder, write)
{
    protected override (string, string)[] Needed => [("wg-quick", "wireguard-tools, as with `brew install wireguard-tools`"), ("wg", "wireguard-tools, as with `brew install wireguard-tools`")];

    protected override Task StartAsync(string path, CancellationToken cancellation) => Runner.DoAsync("wg-quick", ["up", path], cancellation);

    protected override Task StopAsync(string path, string interfaceName, CancellationToken cancellation) => Runner.DoAsync("wg-quick", ["down", path], cancellation);

    // The kernel calls it utun and a number, which wg-quick writes down under the config's name.
    protected override string? LinkOf(string interfaceName)
    {
        var file = Path.Combine(names, interfaceName + ".name");
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }
}
