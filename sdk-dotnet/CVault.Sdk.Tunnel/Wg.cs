using System.Globalization;
using System.Net;

namespace CVault.Sdk.Tunnel;

/// <summary>An interface's one peer as <c>wg show IF dump</c> has it. Holds the preshared key.</summary>
internal sealed record WgPeer(string PublicKey, string? PresharedKey, IPEndPoint? Endpoint, string AllowedIPs, DateTimeOffset? LastHandshake, long RxBytes, long TxBytes, string Keepalive)
{
    public override string ToString() => nameof(WgPeer);
}

/// <summary>The tool <c>wg(8)</c>, which is the same on every system.</summary>
internal static class Wg
{
    /// <summary>Null when the interface has no peer.</summary>
    public static async Task<WgPeer?> PeerAsync(IProcessRunner runner, string link, CancellationToken cancellation) =>
        Peer(await runner.DoAsync("wg", ["show", link, "dump"], cancellation).ConfigureAwait(false));

    public static WgPeer? Peer(string dump)
    {
        // The first line is the interface's own.
        if (dump.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).FirstOrDefault() is not { } line) return null;
        var fields = line.TrimEnd('\r').Split('\t');
        var handshake = long.Parse(fields[4], CultureInfo.InvariantCulture);
        return new WgPeer(
            fields[0], fields[1] == "(none)" ? null : fields[1], IPEndPoint.TryParse(fields[2], out var endpoint) ? endpoint : null, fields[3],
            handshake == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(handshake),
            long.Parse(fields[5], CultureInfo.InvariantCulture), long.Parse(fields[6], CultureInfo.InvariantCulture), fields[7]);
    }

    /// <summary>
    /// Removes the peer and adds it again, in one call. With it goes its session, which a server that was rebooted knows no
    /// more; its keepalive starts a new one. Routes, addresses and the interface stay: nothing can go another way meanwhile.
    /// </summary>
    public static Task RenewAsync(IProcessRunner runner, string link, WgPeer peer, IPEndPoint? endpoint, CancellationToken cancellation)
    {
        List<string> arguments = ["set", link, "peer", peer.PublicKey, "remove", "peer", peer.PublicKey];
        if (peer.PresharedKey is not null) arguments.AddRange(["preshared-key", "/dev/stdin"]);
        if ((endpoint ?? peer.Endpoint) is { } at) arguments.AddRange(["endpoint", at.ToString()]);
        arguments.AddRange(["persistent-keepalive", peer.Keepalive, "allowed-ips", peer.AllowedIPs]);
        return runner.DoAsync("wg", [.. arguments], cancellation, peer.PresharedKey);
    }
}
