using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>A tunnel by the kernel's WireGuard, or wireguard-go where it has none, and by ip, wg and nft.</summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxTunnel(IProcessRunner runner, LinuxPaths paths, ILogger logger, Func<bool> isRoot) : ITunnelSystem
{
    private readonly Routes routes = new(runner);
    private readonly Resolvers dns = new(runner, paths, logger);

    public async Task UpAsync(WireGuardConfig config, TunnelOptions options, CancellationToken cancellation)
    {
        Require();
        var name = options.InterfaceName;
        using var _ = await FileLock.TakeAsync(paths.Lock, cancellation).ConfigureAwait(false);
        if (paths.HasLink(name)) throw new TunnelException(TunnelErrorCodes.AlreadyUp, $"The interface {name} is there already. Adopt it with FindAsync, take it down, or choose another name.");
        var stoodBefore = await HoldAsync(name, cancellation).ConfigureAwait(false);
        try
        {
            // What a tunnel left whose wireguard-go was killed.
            await CleanAsync(name, keepKillSwitch: stoodBefore, cancellation).ConfigureAwait(false);
            await MakeAsync(config, options, stoodBefore, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TunnelException or OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            await TakeBackAsync(name, keepKillSwitch: stoodBefore).ConfigureAwait(false);
            if (e is IOException or UnauthorizedAccessException) throw new TunnelException(TunnelErrorCodes.CommandFailed, e.Message, e);
            throw;
        }
    }

    private async Task MakeAsync(WireGuardConfig config, TunnelOptions options, bool stoodBefore, CancellationToken cancellation)
    {
        var name = options.InterfaceName;
        var endpoint = await ResolveAsync(config, cancellation).ConfigureAwait(false);
        var others = await LinuxState.ReadOthersAsync(paths, name, cancellation).ConfigureAwait(false);
        var table = await routes.FreeTableAsync(others.Select(o => o.State.Table), cancellation).ConfigureAwait(false);
        var rules = config.AllowedIPs.Any(p => Routes.NeedsRules(p, endpoint.Address));
        var state = new LinuxState
        {
            Table = table,
            Rules = rules,
            Endpoint = endpoint.ToString(),
            KillSwitch = options.KillSwitch || stoodBefore,
            Dns = options.UseDns && config.Dns.Count > 0 ? dns.Way() : DnsWay.None,
            SetSrcValidMark = rules && SrcValidMarkIsOff(),
        };
        await state.WriteAsync(paths.State(name), cancellation).ConfigureAwait(false);
        if (options.KillSwitch) await runner.DoAsync("nft", ["-f", "-"], cancellation, Firewall.KillSwitch(name, endpoint, table)).ConfigureAwait(false);

        await AddLinkAsync(name, cancellation).ConfigureAwait(false);
        var ip6 = EnableIPv6(name);
        var (addresses, allowed) = (config.Addresses.Where(a => ip6 || !a.IsIPv6).ToList(), config.AllowedIPs.Where(a => ip6 || !a.IsIPv6).ToList());
        await runner.DoAsync("wg", ["setconf", name, "/dev/stdin"], cancellation, config.ToSetConf(endpoint, table)).ConfigureAwait(false);
        foreach (var address in addresses) await runner.DoAsync("ip", [address.IsIPv6 ? "-6" : "-4", "address", "add", address.ToString(), "dev", name], cancellation).ConfigureAwait(false);
        await runner.DoAsync("ip", ["link", "set", "mtu", config.Mtu.ToString(System.Globalization.CultureInfo.InvariantCulture), "up", "dev", name], cancellation).ConfigureAwait(false);
        if (rules)
        {
            await runner.DoAsync("nft", ["-f", "-"], cancellation, Firewall.Guard(name, addresses, table)).ConfigureAwait(false);
            if (state.SetSrcValidMark) SetSrcValidMark("1");
        }

        await dns.SetAsync(state.Dns, name, config.Dns, config.DnsSearch, cancellation).ConfigureAwait(false);
        await routes.AddAsync(name, allowed, endpoint.Address, table, cancellation).ConfigureAwait(false);
        if (stoodBefore && !options.KillSwitch)
        {
            await (state with { KillSwitch = false }).WriteAsync(paths.State(name), cancellation).ConfigureAwait(false);
            await RemoveTableAsync(Firewall.KillSwitchTable(name), cancellation).ConfigureAwait(false);
        }

        logger.LogInformation("{Interface}: made, to {Endpoint}", name, endpoint);
    }

    public async Task<Reading?> ReadAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        using var _ = await FileLock.TakeAsync(paths.Lock, cancellation).ConfigureAwait(false);
        if (!paths.HasLink(interfaceName)) return null;
        var state = await LinuxState.ReadAsync(paths.State(interfaceName), cancellation).ConfigureAwait(false);
        return await Wg.PeerAsync(runner, interfaceName, cancellation).ConfigureAwait(false) is { } peer
            ? new Reading(peer.LastHandshake, (state?.RxBefore ?? 0) + peer.RxBytes, (state?.TxBefore ?? 0) + peer.TxBytes, peer.Endpoint)
            : new Reading(null, 0, 0, null);
    }

    public async Task RenewAsync(string interfaceName, CancellationToken cancellation)
    {
        using var _ = await FileLock.TakeAsync(paths.Lock, cancellation).ConfigureAwait(false);
        if (!paths.HasLink(interfaceName)
            || await LinuxState.ReadAsync(paths.State(interfaceName), cancellation).ConfigureAwait(false) is not { } state
            || await Wg.PeerAsync(runner, interfaceName, cancellation).ConfigureAwait(false) is not { } peer) return;
        await Wg.RenewAsync(runner, interfaceName, peer, IPEndPoint.TryParse(state.Endpoint, out var endpoint) ? endpoint : null, cancellation).ConfigureAwait(false);
        state = state with { RxBefore = state.RxBefore + peer.RxBytes, TxBefore = state.TxBefore + peer.TxBytes };
        await state.WriteAsync(paths.State(interfaceName), CancellationToken.None).ConfigureAwait(false);
    }

    public async Task DownAsync(string interfaceName, bool keepKillSwitch, CancellationToken cancellation)
    {
        Require();
        using var _ = await FileLock.TakeAsync(paths.Lock, cancellation).ConfigureAwait(false);
        if (keepKillSwitch) await HoldAsync(interfaceName, cancellation).ConfigureAwait(false);
        await CleanAsync(interfaceName, keepKillSwitch, cancellation).ConfigureAwait(false);
        logger.LogInformation("{Interface}: taken down{KillSwitch}", interfaceName, keepKillSwitch ? ", the kill switch stays" : "");
    }

    public async Task<bool> ExistsAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        return File.Exists(paths.State(interfaceName)) || dns.IsReplaced(interfaceName) || await HasKillSwitchAsync(interfaceName, cancellation).ConfigureAwait(false);
    }

    public async Task<bool> HasKillSwitchAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        var list = ListKillSwitch(interfaceName);
        var result = await runner.RunAsync("nft", list, null, cancellation).ConfigureAwait(false);
        if (result.ExitCode == 0) return true;
        // Of all that can go wrong only this says that there is none; taking the rest for it would open what must stay shut.
        return result.ExitCode == 1 && result.Error.Contains("No such file or directory", StringComparison.Ordinal) ? false : throw Tools.Failed("nft", list, result);
    }

    public async Task<bool> HoldKillSwitchAsync(string interfaceName, CancellationToken cancellation)
    {
        Require();
        // Without the lock while all is well: another program may have it for long, and this is asked each second.
        if (await LinuxState.ReadAsync(paths.State(interfaceName), cancellation).ConfigureAwait(false) is not { KillSwitch: true }) return await HasKillSwitchAsync(interfaceName, cancellation).ConfigureAwait(false);
        if (await runner.TryAsync("nft", ListKillSwitch(interfaceName), cancellation).ConfigureAwait(false)) return true;
        using var _ = await FileLock.TakeAsync(paths.Lock, cancellation).ConfigureAwait(false);
        return await HoldAsync(interfaceName, cancellation).ConfigureAwait(false);
    }

    /// <summary>As <see cref="HoldKillSwitchAsync"/>, under the lock: else one that is being taken down could be loaded after it.</summary>
    private async Task<bool> HoldAsync(string name, CancellationToken cancellation)
    {
        if (await LinuxState.ReadAsync(paths.State(name), cancellation).ConfigureAwait(false) is not { KillSwitch: true } state) return await HasKillSwitchAsync(name, cancellation).ConfigureAwait(false);
        // Loaded whatever nft does not like: where it stands after all, that changes nothing.
        if (await runner.TryAsync("nft", ListKillSwitch(name), cancellation).ConfigureAwait(false)) return true;
        try
        {
            await runner.DoAsync("nft", ["-f", "-"], cancellation, Firewall.KillSwitch(name, IPEndPoint.TryParse(state.Endpoint, out var endpoint) ? endpoint : null, state.Table)).ConfigureAwait(false);
            logger.LogWarning("{Interface}: another program removed the kill switch. It stands again; what was sent meanwhile may have gone beside the tunnel", name);
            return true;
        }
        catch (TunnelException e)
        {
            logger.LogWarning("{Interface}: another program removed the kill switch, and it cannot be loaded again: {Reason}", name, e.Message);
            return false;
        }
    }

    private static string[] ListKillSwitch(string name) => ["list", "table", "inet", Firewall.KillSwitchTable(name)];

    /// <summary>Undoes each step on its own; the kill switch goes last, and only when all else did.</summary>
    private async Task CleanAsync(string name, bool keepKillSwitch, CancellationToken cancellation)
    {
        var state = await LinuxState.ReadAsync(paths.State(name), cancellation).ConfigureAwait(false);
        var failures = new List<TunnelException>();
        async Task Step(Func<Task> step)
        {
            try
            {
                await step().ConfigureAwait(false);
            }
            catch (TunnelException e)
            {
                failures.Add(e);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failures.Add(new TunnelException(TunnelErrorCodes.CommandFailed, e.Message, e));
            }
        }

        await Step(() => dns.UnsetAsync(state?.Dns ?? DnsWay.None, name, cancellation)).ConfigureAwait(false);
        if (state is { Rules: true }) await Step(() => routes.RemoveAsync(state.Table, cancellation)).ConfigureAwait(false);
        if (paths.HasLink(name)) await Step(() => RemoveLinkAsync(name, cancellation)).ConfigureAwait(false);
        if (state is null) await Step(() => RemoveLostRulesAsync(name, cancellation)).ConfigureAwait(false);
        await Step(() => RemoveTableAsync(Firewall.GuardTable(name), cancellation)).ConfigureAwait(false);
        if (state is { SetSrcValidMark: true }) await Step(() => PutSrcValidMarkBackAsync(name, cancellation)).ConfigureAwait(false);
        if (failures.Count > 0) throw failures[0];

        if (keepKillSwitch && (state is { KillSwitch: true } || await HasKillSwitchAsync(name, cancellation).ConfigureAwait(false)))
        {
            // With all that it takes to load it again.
            await new LinuxState { KillSwitch = true, Table = state?.Table ?? 0, Endpoint = state?.Endpoint ?? "" }.WriteAsync(paths.State(name), cancellation).ConfigureAwait(false);
            return;
        }

        if (!keepKillSwitch) await RemoveTableAsync(Firewall.KillSwitchTable(name), cancellation).ConfigureAwait(false);
        File.Delete(paths.State(name));
    }

    private async Task TakeBackAsync(string name, bool keepKillSwitch)
    {
        try
        {
            await CleanAsync(name, keepKillSwitch, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TunnelException e)
        {
            // What made the tunnel fail is what the caller must hear.
            logger.LogWarning("{Interface}: not everything could be taken back: {Reason}", name, e.Message);
        }
    }

    private async Task AddLinkAsync(string name, CancellationToken cancellation)
    {
        string[] arguments = ["link", "add", "dev", name, "type", "wireguard"];
        var kernel = await runner.RunAsync("ip", arguments, null, cancellation).ConfigureAwait(false);
        if (kernel.ExitCode == 0) return;
        if (!kernel.Error.Contains("Unknown device type", StringComparison.Ordinal) && !kernel.Error.Contains("not supported", StringComparison.Ordinal)) throw Tools.Failed("ip", arguments, kernel);
        if (runner.Find("wireguard-go") is null)
            throw new TunnelException(TunnelErrorCodes.ToolsMissing, "This kernel has no WireGuard. Install the package wireguard-go, or a kernel that has it.");
        logger.LogInformation("{Interface}: the kernel has no WireGuard; wireguard-go runs it", name);
        // In a session of its own: Ctrl-C and the end of a terminal are for the program, not for its tunnel.
        if (runner.Find("setsid") is null) await runner.DoAsync("wireguard-go", [name], cancellation).ConfigureAwait(false);
        else await runner.DoAsync("setsid", [runner.Find("wireguard-go")!, name], cancellation).ConfigureAwait(false);
    }

    private async Task RemoveLinkAsync(string name, CancellationToken cancellation)
    {
        await runner.DoAsync("ip", ["link", "delete", "dev", name], cancellation).ConfigureAwait(false);
        // A wireguard-go that is still ending would refuse its successor the socket.
        for (var i = 0; i < 40 && File.Exists($"/var/run/wireguard/{name}.sock"); i++) await Task.Delay(50, cancellation).ConfigureAwait(false);
    }

    private Task<string> RemoveTableAsync(string table, CancellationToken cancellation) => runner.DoAsync("nft", ["-f", "-"], cancellation, Firewall.Remove(table));

    /// <summary>False where there is no IPv6: what the config has of it is then left out, for it has no other way either.</summary>
    private bool EnableIPv6(string name)
    {
        var disabled = paths.DisableIPv6(name);
        try
        {
            // Off for new interfaces is not off for the one to the internet: then the tunnel must have it.
            if (File.Exists(disabled) && File.ReadAllText(disabled).Trim() != "0") File.WriteAllText(disabled, "0");
            if (File.Exists(disabled)) return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.LogDebug("{File} cannot be written: {Reason}", disabled, e.Message);
        }

        logger.LogWarning("{Interface}: this machine has no IPv6; the tunnel goes without it", name);
        return false;
    }

    private bool SrcValidMarkIsOff() => File.Exists(paths.SrcValidMark) && File.ReadAllText(paths.SrcValidMark).Trim() == "0";

    /// <summary>Rules of a tunnel whose state was lost or damaged: they lead nowhere, and no other tunnel's state knows of them.</summary>
    private async Task RemoveLostRulesAsync(string name, CancellationToken cancellation)
    {
        var others = await LinuxState.ReadOthersAsync(paths, name, cancellation).ConfigureAwait(false);
        // What src_valid_mark was is lost with the state. Where no rule asks for a mark it does nothing, and 0 is the kernel's own.
        if (await routes.RemoveLostAsync([.. others.Select(o => o.State.Table)], cancellation).ConfigureAwait(false)
            && !await routes.AnyAsksForAMarkAsync(cancellation).ConfigureAwait(false)) SetSrcValidMark("0");
    }

    /// <summary>Where another tunnel needs it, putting it back becomes that one's.</summary>
    private async Task PutSrcValidMarkBackAsync(string name, CancellationToken cancellation)
    {
        foreach (var (path, other) in await LinuxState.ReadOthersAsync(paths, name, cancellation).ConfigureAwait(false))
        {
            if (!other.Rules) continue;
            await (other with { SetSrcValidMark = true }).WriteAsync(path, cancellation).ConfigureAwait(false);
            return;
        }

        SetSrcValidMark("0");
    }

    private void SetSrcValidMark(string value)
    {
        try
        {
            File.WriteAllText(paths.SrcValidMark, value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Read-only in containers. Only a strict reverse path filter would miss it.
            logger.LogDebug("{File} cannot be written: {Reason}", paths.SrcValidMark, e.Message);
        }
    }

    private static async Task<IPEndPoint> ResolveAsync(WireGuardConfig config, CancellationToken cancellation)
    {
        if (IPAddress.TryParse(config.EndpointHost, out var literal)) return new IPEndPoint(literal, config.EndpointPort);
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(config.EndpointHost, cancellation).ConfigureAwait(false);
            if (addresses.Length > 0) return new IPEndPoint(addresses[0], config.EndpointPort);
        }
        catch (SocketException e)
        {
            throw Unresolved(e);
        }

        throw Unresolved(null);
        TunnelException Unresolved(Exception? e) => new(TunnelErrorCodes.EndpointUnresolved,
            $"The server's name {config.EndpointHost} has no address. Check the machine's DNS; where a kill switch stands, take it down first.", e);
    }

    private void Require()
    {
        if (!isRoot()) throw new TunnelException(TunnelErrorCodes.NotPermitted, "Only root may change the network. Run the program as root, as with sudo.");
        foreach (var (tool, package) in new[] { ("ip", "iproute2"), ("wg", "wireguard-tools"), ("nft", "nftables") })
        {
            if (runner.Find(tool) is null) throw new TunnelException(TunnelErrorCodes.ToolsMissing, $"The tool {tool} is not installed. Install the package {package}.");
        }
    }
}
