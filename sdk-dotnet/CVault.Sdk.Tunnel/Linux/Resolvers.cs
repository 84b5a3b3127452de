using System.Net;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>
/// Tells the system of the tunnel's DNS servers, by what manages them: systemd-resolved, else resolvconf(8), else nobody and
/// so /etc/resolv.conf itself. That file's own content lies beside it meanwhile, where a reboot does not lose it.
/// </summary>
internal sealed class Resolvers(IProcessRunner runner, LinuxPaths paths, ILogger logger)
{
    public DnsWay Way() =>
        // Where resolved keeps the file, it is the one to tell, whatever else is installed.
        new FileInfo(paths.ResolvConf).LinkTarget?.Contains("systemd/resolve", StringComparison.Ordinal) == true && runner.Find("resolvectl") is not null ? DnsWay.Resolved
        : runner.Find("resolvconf") is not null ? DnsWay.Resolvconf
        : DnsWay.File;

    public async Task SetAsync(DnsWay way, string interfaceName, IReadOnlyList<IPAddress> servers, IReadOnlyList<string> search, CancellationToken cancellation)
    {
        switch (way)
        {
            case DnsWay.Resolved:
                await runner.DoAsync("resolvectl", ["dns", interfaceName, .. servers.Select(s => s.ToString())], cancellation).ConfigureAwait(false);
                // ~. sends every name to the tunnel's servers.
                await runner.DoAsync("resolvectl", ["domain", interfaceName, "~.", .. search], cancellation).ConfigureAwait(false);
                await runner.DoAsync("resolvectl", ["default-route", interfaceName, "true"], cancellation).ConfigureAwait(false);
                break;
            case DnsWay.Resolvconf:
                await runner.DoAsync("resolvconf", ["-a", Prefix() + interfaceName, "-m", "0", "-x"], cancellation, Lines(servers, search)).ConfigureAwait(false);
                break;
            case DnsWay.File:
                Keep(interfaceName);
                Replace(Mark(interfaceName) + "\n" + Lines(servers, search));
                break;
        }
    }

    public async Task UnsetAsync(DnsWay way, string interfaceName, CancellationToken cancellation)
    {
        switch (way)
        {
            case DnsWay.Resolved:
                // Fails when the interface is gone, and resolved has forgotten it then.
                await runner.TryAsync("resolvectl", ["revert", interfaceName], cancellation).ConfigureAwait(false);
                break;
            case DnsWay.Resolvconf:
                await runner.DoAsync("resolvconf", ["-d", Prefix() + interfaceName, "-f"], cancellation).ConfigureAwait(false);
                break;
            default:
                Restore(interfaceName);
                break;
        }
    }

    /// <summary>Whether /etc/resolv.conf was replaced and not put back.</summary>
    public bool IsReplaced(string interfaceName) => Exists(paths.ResolvConfBefore(interfaceName));

    private void Keep(string interfaceName)
    {
        var before = paths.ResolvConfBefore(interfaceName);
        if (new FileInfo(paths.ResolvConf).LinkTarget is { } target) File.CreateSymbolicLink(before, target);
        else if (File.Exists(paths.ResolvConf)) File.Copy(paths.ResolvConf, before);
        else File.WriteAllText(before, "");
    }

    private void Replace(string text)
    {
        var next = paths.ResolvConf + ".cvault.new"; // no interface's, whose names have no dot
        File.WriteAllText(next, text);
        try
        {
            File.Move(next, paths.ResolvConf, overwrite: true);
        }
        catch (IOException)
        {
            // A mount point, as in a container, can only be written in place.
            File.WriteAllText(paths.ResolvConf, text);
            File.Delete(next);
        }
    }

    private void Restore(string interfaceName)
    {
        var before = paths.ResolvConfBefore(interfaceName);
        if (!Exists(before)) return;
        if (FileOf(interfaceName) is not { } file)
        {
            logger.LogWarning("{File} was changed by another program meanwhile, and stays as it is", paths.ResolvConf);
            File.Delete(before);
            return;
        }

        try
        {
            File.Move(before, file, overwrite: true);
        }
        catch (IOException)
        {
            File.WriteAllBytes(file, File.ReadAllBytes(before));
            File.Delete(before);
        }
    }

    /// <summary>
    /// Where the tunnel's own content is now: in /etc/resolv.conf, or beside it where another tunnel came up after it, which
    /// would put it back when it goes. Null where another program wrote over it.
    /// </summary>
    private string? FileOf(string interfaceName) =>
        Directory.EnumerateFiles(paths.Etc, Path.GetFileName(paths.ResolvConfBefore("*"))).Prepend(paths.ResolvConf)
            .FirstOrDefault(f => File.Exists(f) && File.ReadLines(f).FirstOrDefault() == Mark(interfaceName));

    /// <summary>Also of a link to nothing.</summary>
    private static bool Exists(string path) => new FileInfo(path) is { } file && (file.Exists || file.LinkTarget is not null);

    private string Mark(string interfaceName) =>
        $"# CVault's tunnel {interfaceName}. What was here is in {Path.GetFileName(paths.ResolvConfBefore(interfaceName))} and comes back when the tunnel is taken down.";

    private static string Lines(IEnumerable<IPAddress> servers, IReadOnlyList<string> search) =>
        string.Concat(servers.Select(s => $"nameserver {s}\n")) + (search.Count > 0 ? $"search {string.Join(' ', search)}\n" : "");

    /// <summary>Debian's resolvconf orders by the interface's name; wg-quick(8) takes the first prefix that its list has, such as <c>tun.</c></summary>
    private string Prefix()
    {
        var order = Path.Combine(paths.Etc, "resolvconf/interface-order");
        if (!File.Exists(order)) return "";
        var first = File.ReadLines(order).FirstOrDefault(l => l.EndsWith('*') && l.Length > 1 && l[..^1].All(c => char.IsAsciiLetterOrDigit(c) || c == '-'));
        return first is null ? "" : first[..^1] + ".";
    }
}
