using System.Globalization;
using System.Net;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>
/// The routes into the tunnel. A default route is done as wg-quick(8) does it: in a table of its own, which all but
/// WireGuard's marked packets ask; before it the main table is asked for all that is no default route.
/// </summary>
internal sealed class Routes(IProcessRunner runner)
{
    // Clear of wg-quick's 51820 and up, and before its rules, which the kernel numbers down from 32765.
    private const uint FirstTable = 53000, MostTables = 64, FirstRule = 30000;

    /// <summary>
    /// A table that nobody uses. An empty one may be another tunnel's all the same: one that has no default route only marks
    /// its packets with the number.
    /// </summary>
    public async Task<uint> FreeTableAsync(IEnumerable<uint> taken, CancellationToken cancellation)
    {
        HashSet<uint> used = [.. taken, .. await RuledAsync(cancellation).ConfigureAwait(false)];
        for (var table = FirstTable; table < FirstTable + MostTables; table++)
        {
            if (!used.Contains(table) && await IsEmptyAsync("-4", table, cancellation).ConfigureAwait(false) && await IsEmptyAsync("-6", table, cancellation).ConfigureAwait(false)) return table;
        }

        throw new TunnelException(TunnelErrorCodes.CommandFailed, $"All routing tables from {FirstTable} to {FirstTable + MostTables - 1} are in use. Take another tunnel down.");
    }

    /// <summary>
    /// Whether a network cannot go into the main table: everything, a half of everything, as configs have it that go around the
    /// default route, and what has the server in it, whose packets would go into the tunnel that they carry.
    /// </summary>
    public static bool NeedsRules(AddressPrefix prefix, IPAddress server) => prefix.Length <= 1 || prefix.Contains(server);

    public async Task AddAsync(string interfaceName, IEnumerable<AddressPrefix> prefixes, IPAddress server, uint table, CancellationToken cancellation)
    {
        foreach (var ofFamily in prefixes.GroupBy(Family))
        {
            var (family, byRules) = (ofFamily.Key, ofFamily.Where(p => NeedsRules(p, server)).ToList());
            foreach (var prefix in ofFamily.Except(byRules)) await AddToMainAsync(family, prefix.ToString(), interfaceName, cancellation).ConfigureAwait(false);
            foreach (var prefix in byRules) await runner.DoAsync("ip", [family, "route", "add", prefix.ToString(), "dev", interfaceName, "table", Text(table)], cancellation).ConfigureAwait(false);
            if (byRules.Count == 0) continue;
            foreach (var rule in Rules(table)) await runner.DoAsync("ip", [family, "rule", "add", .. rule], cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Never in place of another's route: nobody would put that back.</summary>
    private async Task AddToMainAsync(string family, string network, string interfaceName, CancellationToken cancellation)
    {
        string[] arguments = [family, "route", "add", network, "dev", interfaceName];
        var result = await runner.RunAsync("ip", arguments, null, cancellation).ConfigureAwait(false);
        if (result.ExitCode == 0) return;
        if (!result.Error.Contains("File exists", StringComparison.Ordinal)) throw Tools.Failed("ip", arguments, result);
        // The kernel makes that of the network of the tunnel's own address.
        if ((await runner.DoAsync("ip", [family, "route", "show", network, "dev", interfaceName], cancellation).ConfigureAwait(false)).Trim().Length > 0) return;
        throw new TunnelException(TunnelErrorCodes.CommandFailed,
            $"The network {network} of AllowedIPs is this machine's own already: there is a route to it, by a local network or by another tunnel. Take it out of AllowedIPs, or leave that network, and try again.");
    }

    /// <summary>Removes the rules. The routes go with the interface.</summary>
    public async Task RemoveAsync(uint table, CancellationToken cancellation)
    {
        foreach (var family in new[] { "-4", "-6" })
        {
            foreach (var rule in Rules(table))
            {
                // Until there is none: one may have been added twice by a program that was killed.
                for (var i = 0; i < 8 && await runner.TryAsync("ip", [family, "rule", "delete", .. rule], cancellation).ConfigureAwait(false); i++) { }
            }
        }
    }

    /// <summary>Removes the rules of tables that nobody owns and that are empty, since their interface is gone. Whether there were any.</summary>
    public async Task<bool> RemoveLostAsync(HashSet<uint> owned, CancellationToken cancellation)
    {
        var any = false;
        foreach (var table in await RuledAsync(cancellation).ConfigureAwait(false))
        {
            if (owned.Contains(table) || !await IsEmptyAsync("-4", table, cancellation).ConfigureAwait(false) || !await IsEmptyAsync("-6", table, cancellation).ConfigureAwait(false)) continue;
            await RemoveAsync(table, cancellation).ConfigureAwait(false);
            any = true;
        }

        return any;
    }

    public async Task<bool> AnyAsksForAMarkAsync(CancellationToken cancellation) =>
        (await RulesAsync("-4", cancellation).ConfigureAwait(false)).Any(r => r.Contains("fwmark", StringComparison.Ordinal));

    private static string[][] Rules(uint table)
    {
        var rule = FirstRule + 2 * (table - FirstTable);
        return
        [
            ["pref", Text(rule), "table", "main", "suppress_prefixlength", "0"],
            ["pref", Text(rule + 1), "not", "fwmark", Text(table), "table", Text(table)],
        ];
    }

    /// <summary>The tables of this library's range that a rule leads to, or whose rules' place is taken.</summary>
    private async Task<HashSet<uint>> RuledAsync(CancellationToken cancellation)
    {
        var found = new HashSet<uint>();
        foreach (var family in new[] { "-4", "-6" })
        {
            foreach (var line in await RulesAsync(family, cancellation).ConfigureAwait(false))
            {
                // 30001:	not from all fwmark 0xcf08 lookup 53000
                var words = line.Split([' ', '\t', ':'], StringSplitOptions.RemoveEmptyEntries);
                if (Array.IndexOf(words, "lookup") is > 0 and var at && at + 1 < words.Length && uint.TryParse(words[at + 1], out var table) && table - FirstTable < MostTables) found.Add(table);
                if (uint.TryParse(words[0], out var place) && place - FirstRule < 2 * MostTables) found.Add(FirstTable + (place - FirstRule) / 2);
            }
        }

        return found;
    }

    // Nothing where the kernel has no IPv6, which is an error to ip(8).
    private async Task<string[]> RulesAsync(string family, CancellationToken cancellation) =>
        (await runner.RunAsync("ip", [family, "rule", "show"], null, cancellation).ConfigureAwait(false)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private async Task<bool> IsEmptyAsync(string family, uint table, CancellationToken cancellation) =>
        // A table that never was is an error to ip(8), and prints nothing either.
        (await runner.RunAsync("ip", [family, "route", "show", "table", Text(table)], null, cancellation).ConfigureAwait(false)).Output.Trim().Length == 0;

    private static string Family(AddressPrefix prefix) => prefix.IsIPv6 ? "-6" : "-4";

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
