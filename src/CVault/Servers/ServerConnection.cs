using System.Globalization;

namespace CVault.Servers;

/// <summary>Who a server says it is.</summary>
/// <param name="PublicKey">WireGuard public key, base64.</param>
/// <param name="BootId">Changes with each boot of the host.</param>
/// <param name="Incarnation">Changes each time the interface is made.</param>
public sealed record ServerIdentity(string PublicKey, int ListenPort, string BootId, string Incarnation);

/// <summary>A peer as it should be on a server.</summary>
/// <param name="PresharedKey">Base64; null for none.</param>
/// <param name="AllowedIps">Host routes in CIDR form, comma-separated, IPv4 first.</param>
public sealed record WantedPeer(string PublicKey, string? PresharedKey, string AllowedIps)
{
    /// <summary>Never prints the preshared key.</summary>
    public override string ToString() => PublicKey;
}

/// <summary>A peer as a server has it.</summary>
/// <param name="LastHandshake">Unix seconds; 0 for never.</param>
/// <param name="RxBytes">Received from the peer since <see cref="ServerIdentity.Incarnation"/> or its adding.</param>
public readonly record struct ActualPeer(string? PresharedKey, string AllowedIps, long LastHandshake, long RxBytes, long TxBytes)
{
    public override string ToString() => AllowedIps;
}

/// <summary>All that a server has.</summary>
public sealed record ServerDump(ServerIdentity Identity, IReadOnlyDictionary<string, ActualPeer> Peers);

/// <summary>The server refused a request and changed nothing.</summary>
/// <param name="code">Its word for why, such as <c>bad-line</c>.</param>
public sealed class ServerRefusedException(string code, string message) : Exception(code + ": " + message)
{
    public string Code { get; } = code;
}

/// <summary>The two ends of a running server program: what we write to it and what it says.</summary>
public interface IServerChannel : IAsyncDisposable
{
    TextWriter Requests { get; }
    TextReader Answers { get; }

    /// <summary>The host key that the server showed; empty where there is none.</summary>
    string HostKey { get; }
}

/// <summary>
/// One kept connection to one server, speaking <c>cvault-wg/1</c> (see <c>ops/server/cvault-wg</c>). One exchange at a
/// time. After any exception but <see cref="ServerRefusedException"/> the connection is of no more use: dispose it.
/// </summary>
public sealed class ServerConnection(IServerChannel channel, TimeSpan patience) : IAsyncDisposable
{
    public string HostKey => channel.HostKey;

    /// <exception cref="TimeoutException">No answer in time.</exception>
    /// <exception cref="IOException">The channel closed.</exception>
    public Task<ServerIdentity> VersionAsync() => ExchangeAsync("version\n", _ => { }, ok =>
        ok is ["cvault-wg/1", var publicKey, var port, var boot, var incarnation]
            ? new ServerIdentity(publicKey, int.Parse(port, CultureInfo.InvariantCulture), boot, incarnation)
            : throw new InvalidDataException("The server speaks another protocol than cvault-wg/1."));

    /// <summary>Adds, replaces and removes in one frame, all or nothing.</summary>
    /// <param name="add">Peers that should be exactly so.</param>
    /// <param name="remove">Public keys of peers that should be gone; unknown ones are no error.</param>
    public Task ApplyAsync(IReadOnlyCollection<WantedPeer> add, IReadOnlyCollection<string> remove)
    {
        var frame = new System.Text.StringBuilder();
        frame.Append(CultureInfo.InvariantCulture, $"apply {add.Count + remove.Count}\n");
        foreach (var key in remove) frame.Append("- ").Append(key).Append('\n');
        foreach (var peer in add) Line(frame, peer);
        return ExchangeAsync(frame.ToString(), _ => { }, ok => ok);
    }

    /// <summary>Makes the server's peers exactly these, its own file included. An empty set is refused.</summary>
    public Task SyncAsync(IReadOnlyCollection<WantedPeer> peers)
    {
        var frame = new System.Text.StringBuilder();
        frame.Append(CultureInfo.InvariantCulture, $"sync {peers.Count}\n");
        foreach (var peer in peers) Line(frame, peer);
        return ExchangeAsync(frame.ToString(), _ => { }, ok => ok);
    }

    public Task<ServerDump> DumpAsync()
    {
        ServerIdentity? identity = null;
        var peers = new Dictionary<string, ActualPeer>(StringComparer.Ordinal);
        return ExchangeAsync("dump\n", line =>
        {
            var f = line.Split(' ');
            if (f is ["peer", var key, var psk, var ips, var handshake, var rx, var tx])
            {
                peers[key] = new ActualPeer(psk == "-" ? null : psk, ips == "-" ? "" : ips, Number(handshake), Number(rx), Number(tx));
            }
            else if (f is ["interface", var publicKey, var port, var boot, var incarnation])
            {
                identity = new ServerIdentity(publicKey, (int)Number(port), boot, incarnation);
            }
        }, ok => ok is [var count, ..] && Number(count) == peers.Count && identity is not null
            ? new ServerDump(identity, peers)
            : throw new InvalidDataException("The server's dump is not whole."));
    }

    public ValueTask DisposeAsync() => channel.DisposeAsync();

    private static void Line(System.Text.StringBuilder frame, WantedPeer peer) =>
        frame.Append("+ ").Append(peer.PublicKey).Append(' ').Append(peer.PresharedKey ?? "-").Append(' ').Append(peer.AllowedIps).Append('\n');

    private static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    private async Task<T> ExchangeAsync<T>(string request, Action<string> onLine, Func<string[], T> onOk)
    {
        // The channel's streams block, so an exchange has a thread of its own (not the pool's, which on two cores has
        // two to begin with and would starve every request while servers are away) and a timeout outside of it. The
        // answer to a big frame may exceed the channel's window, but it comes only after the frame was read whole.
        var exchange = Task.Factory.StartNew(() =>
        {
            channel.Requests.Write(request);
            channel.Requests.Flush();
            while (channel.Answers.ReadLine() is { } line)
            {
                if (line == "ok" || line.StartsWith("ok ", StringComparison.Ordinal)) return onOk(line.Length > 3 ? line[3..].Split(' ') : []);
                if (line.StartsWith("error ", StringComparison.Ordinal))
                {
                    var parts = line.Split(' ', 3);
                    throw new ServerRefusedException(parts[1], parts.Length > 2 ? parts[2] : "");
                }

                onLine(line);
            }

            throw new IOException("The server closed the connection.");
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return await exchange.WaitAsync(patience);
    }
}
