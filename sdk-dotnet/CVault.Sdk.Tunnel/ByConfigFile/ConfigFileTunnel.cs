using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel.ByConfigFile;

/// <summary>Writes a config so that only the system's administrators can read it.</summary>
internal delegate void WriteSecret(string path, string text);

/// <summary>
/// A tunnel of a system whose own program takes a config file and does the rest. The file is there as long as the tunnel is:
/// by it a tunnel is found again.
/// </summary>
internal abstract class ConfigFileTunnel(IProcessRunner runner, ILogger logger, Func<bool> isPrivileged, string folder, WriteSecret write) : ITunnelSystem
{
    private long rxBefore, txBefore; // of this program's time; the counters start again with a new session

    protected IProcessRunner Runner => runner;

    public async Task UpAsync(WireGuardConfig config, TunnelOptions options, CancellationToken cancellation)
    {
        if (options.KillSwitch) throw new TunnelException(TunnelErrorCodes.NotSupported, "The kill switch is there on Linux alone. Bring the tunnel up without it.");
        Require();
        var path = PathOf(options.InterfaceName);
        if (File.Exists(path) && LinkOf(options.InterfaceName) is not null) throw new TunnelException(TunnelErrorCodes.AlreadyUp, $"The tunnel {options.InterfaceName} is there already. Adopt it with FindAsync, take it down, or choose another name.");
        try
        {
            if (File.Exists(path)) File.Delete(path); // of a tunnel that a reboot ended
            write(path, config.ToQuickConf(options.UseDns));
            await StartAsync(path, cancellation).ConfigureAwait(false);
            logger.LogInformation("{Interface}: made, to {Endpoint}", options.InterfaceName, config.EndpointHost);
        }
        catch (Exception e) when (e is TunnelException or OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            // What the system's program began it takes back by itself, unless it was stopped.
            if (LinkOf(options.InterfaceName) is not null) await TryStopAsync(path, options.InterfaceName).ConfigureAwait(false);
            if (File.Exists(path)) File.Delete(path);
            if (e is IOException or UnauthorizedAccessException) throw new TunnelException(TunnelErrorCodes.CommandFailed, e.Message, e);
            throw;
        }
    }

    public async Task<Reading?> ReadAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        if (LinkOf(interfaceName) is not { } link) return null;
        var result = await runner.RunAsync("wg", ["show", link, "dump"], null, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0 || Wg.Peer(result.Output) is not { } peer) return null;
        return new Reading(peer.LastHandshake, rxBefore + peer.RxBytes, txBefore + peer.TxBytes, peer.Endpoint);
    }

    public virtual async Task RenewAsync(string interfaceName, CancellationToken cancellation)
    {
        if (LinkOf(interfaceName) is not { } link || await Wg.PeerAsync(runner, link, cancellation).ConfigureAwait(false) is not { } peer) return;
        await Wg.RenewAsync(runner, link, peer, null, cancellation).ConfigureAwait(false);
        (rxBefore, txBefore) = (rxBefore + peer.RxBytes, txBefore + peer.TxBytes);
    }

    public async Task DownAsync(string interfaceName, bool keepKillSwitch, CancellationToken cancellation)
    {
        if (keepKillSwitch) throw new TunnelException(TunnelErrorCodes.NotSupported, "The kill switch is there on Linux alone.");
        Require();
        var path = PathOf(interfaceName);
        if (!File.Exists(path)) return;
        if (LinkOf(interfaceName) is not null) await StopAsync(path, interfaceName, cancellation).ConfigureAwait(false);
        File.Delete(path);
        logger.LogInformation("{Interface}: taken down", interfaceName);
    }

    public Task<bool> ExistsAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        return Task.FromResult(File.Exists(PathOf(interfaceName)));
    }

    public Task<bool> HasKillSwitchAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(false);

    public Task<bool> HoldKillSwitchAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(false);

    /// <summary>Each tool that is needed, and what has it.</summary>
    protected abstract (string Tool, string Package)[] Needed { get; }

    protected abstract Task StartAsync(string path, CancellationToken cancellation);

    protected abstract Task StopAsync(string path, string interfaceName, CancellationToken cancellation);

    /// <summary>The system's own name of the interface; null when there is none.</summary>
    protected abstract string? LinkOf(string interfaceName);

    private async Task TryStopAsync(string path, string interfaceName)
    {
        try
        {
            await StopAsync(path, interfaceName, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TunnelException e)
        {
            logger.LogDebug("{Interface}: nothing to take back: {Reason}", interfaceName, e.Message);
        }
    }

    private string PathOf(string interfaceName) => Path.Combine(folder, interfaceName + ".conf");

    private void Require()
    {
        if (!isPrivileged()) throw new TunnelException(TunnelErrorCodes.NotPermitted, "Only an administrator may change the network. Run the program as one: with sudo on macOS, elevated on Windows.");
        foreach (var (tool, package) in Needed)
        {
            if (runner.Find(tool) is null) throw new TunnelException(TunnelErrorCodes.ToolsMissing, $"{tool} is not installed. Install {package}.");
        }
    }
}
