using System.Globalization;

namespace CVault.Sdk.Tunnel.Linux;

/// <summary>
/// The routes into the tunnel. A default route is done as wg-quick(8) does it: in a table of its own, which all but
/// WireGuard's marked packets ask; before it the main table is asked for all that is no default route.
/// </summary>
internal sealed class Routes(IProcessRunner runner)
{
    // Clear of wg-quick's 51820 and up, and before its rules, which the kernel numbers down from 32765.
    private const uint FirstTable = 53000, MostTables = 64, FirstRule = 30000;

    /// <summary>A table that nobody uses.</summary>
    public async Task<uint> FreeTableAsync(CancellationToken cancellation)
    {
        for (var table = FirstTable; table < FirstTable + MostTables; table++)
        {
            if (await IsEmptyAsync("-4", table, cancellation).ConfigureAwait(false) && await IsEmptyAsync("-6", table, cancellation).ConfigureAwait(false)) return table;
        }

        throw new TunnelException(TunnelErrorCodes.CommandFailed, $"All routing tables from {FirstTable} to {FirstTable + MostTables - 1} are in use. Take another tunnel down.");
    }

    public async Task AddAsync(string interfaceName, IEnumerable<AddressPrefix> prefixes, uint table, CancellationToken cancellation)
    {
        foreach (var prefix in prefixes)
        {
            var family = Family(prefix);
            if (!prefix.IsEverything)
            {
                // In place of one that is there, such as the network of the tunnel's own address.
                await runner.DoAsync("ip", [family, "route", "replace", prefix.ToString(), "dev", interfaceName], cancellation).ConfigureAwait(false);
                continue;
            }

            await runner.DoAsync("ip", [family, "route", "replace", prefix.ToString(), "dev", interfaceName, "table", Text(table)], cancellation).ConfigureAwait(false);
            foreach (var rule in Rules(table)) await runner.DoAsync("ip", [family, "rule", "add", .. rule], cancellation).ConfigureAwait(false);
        }
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

    private static string[][] Rules(uint table)
    {
        var rule = FirstRule + 2 * (table - FirstTable);
        return
        [
            ["pref", Text(rule), "table", "main", "suppress_prefixlength", "0"],
            ["pref", Text(rule + 1), "not", "fwmark", Text(table), "table", Text(table)],
        ];
    }

    private async Task<bool> IsEmptyAsync(string family, uint table, CancellationToken cancellation) =>
        // A table that never was is an error to ip(8), and prints nothing either.
        (await runner.RunAsync("ip", [family, "route", "show", "table", Text(table)], null, cancellation).ConfigureAwait(false)).Output.Trim().Length == 0;

    private static string Family(AddressPrefix prefix) => prefix.IsIPv6 ? "-6" : "-4";

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
