using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using CVault.Security;

namespace CVault.Servers;

/// <summary>Who a server says it is.</summary>
/// <param name="PublicKey">WireGuard public key, base64.</param>
/// <param name="BootId">Changes with each boot of the host.</param>
/// <param name="Incarnation">Changes each time the interface is made.</param>
public sealed record ServerIdentity(string PublicKey, int ListenPort, string BootId, string Incarnation);

/// <summary>A peer as it should be on a server.</summary>
/// <param name="PresharedKey">Base64; null for none.</param>
/// <param name="AllowedIps">Host routes in CIDR form, comma-separated, IPv4 first.</param>
[NeverLogged]
public sealed record WantedPeer(string PublicKey, string? PresharedKey, string AllowedIps)
{
    /// <summary>Never prints the preshared key.</summary>
    public override string ToString() => PublicKey;
}

/// <summary>What a removed peer had moved since its adding, or since <see cref="ServerIdentity.Incarnation"/>, whichever is later.</summary>
/// <param name="RxBytes">Received from the peer.</param>
/// <param name="LastHandshake">Unix seconds; 0 for never.</param>
/// <param name="Incarnation">Of the interface that counted, where it is not the present one: the removal was made earlier and is answered again.</param>
public readonly record struct LastCounters(string PublicKey, long RxBytes, long TxBytes, long LastHandshake, string? Incarnation = null);

/// <summary>One line of a dump, as the bytes that it is, valid only while it is handled: fifty thousand of them come at a time.</summary>
/// <param name="publicKey">Base64.</param>
/// <param name="presharedKey">Base64, or <c>-</c> for none.</param>
/// <param name="allowedIps">Comma-separated in WireGuard's own order, or <c>-</c> for none.</param>
/// <param name="lastHandshake">Unix seconds; 0 for never.</param>
/// <param name="rxBytes">Received from the peer since its adding or <see cref="ServerIdentity.Incarnation"/>.</param>
public readonly ref struct DumpedPeer(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> presharedKey, ReadOnlySpan<byte> allowedIps, long lastHandshake, long rxBytes, long txBytes)
{
    public ReadOnlySpan<byte> PublicKey { get; } = publicKey;
    public ReadOnlySpan<byte> PresharedKey { get; } = presharedKey;
    public ReadOnlySpan<byte> AllowedIps { get; } = allowedIps;
    public long LastHandshake { get; } = lastHandshake;
    public long RxBytes { get; } = rxBytes;
    public long TxBytes { get; } = txBytes;

    /// <summary>Never prints the preshared key.</summary>
    public override string ToString() => Encoding.ASCII.GetString(PublicKey);
}

/// <summary>Hears each peer of a dump.</summary>
public delegate void PeerDumped(in DumpedPeer peer);

/// <summary>Hears of each line of a dump that should tell of a peer and cannot be read.</summary>
/// <param name="publicKey">What stands where the key should be, or nothing. The rest of the line may be a secret and goes nowhere.</param>
public delegate void PeerUnread(ReadOnlySpan<byte> publicKey);

/// <summary>The server refused a request and changed nothing.</summary>
/// <param name="code">Its word for why, such as <c>bad-line</c>.</param>
public sealed class ServerRefusedException(string code, string message) : Exception(code + ": " + message)
{
    public string Code { get; } = code;

    /// <summary>What it said after the code.</summary>
    public string Detail { get; } = message;
}

/// <summary>The two ends of a running server program: what we write to it and what it says.</summary>
public interface IServerChannel : IAsyncDisposable
{
    Stream Requests { get; }
    Stream Answers { get; }

    /// <summary>The host key that the server showed; empty where there is none.</summary>
    string HostKey { get; }
}

/// <summary>
/// One kept connection to one server, speaking <c>cvault-wg/1</c> (see <c>ops/server/cvault-wg</c>). One exchange at a
/// time. After any exception but <see cref="ServerRefusedException"/> the connection is of no more use: dispose it.
/// </summary>
public sealed class ServerConnection : IAsyncDisposable
{
    private readonly IServerChannel channel;
    private readonly TimeSpan patience;
    private readonly BlockingCollection<Action> exchanges = [];
    private byte[] buffer = new byte[64 * 1024];
    private int start, end;

    public ServerConnection(IServerChannel channel, TimeSpan patience)
    {
        this.channel = channel;
        this.patience = patience;
        // The channel's streams block, so the connection has a thread of its own: the pool, on two cores, has two to
        // begin with and would starve every request while servers are away.
        new Thread(() =>
        {
            foreach (var exchange in exchanges.GetConsumingEnumerable()) exchange();
        })
        { IsBackground = true, Name = "server connection" }.Start();
    }

    public string HostKey => channel.HostKey;

    /// <exception cref="TimeoutException">No answer in time.</exception>
    /// <exception cref="IOException">The channel closed.</exception>
    /// <exception cref="InvalidDataException">It said something else.</exception>
    public Task<ServerIdentity> VersionAsync() => AskAsync("version\n", null, ok =>
        ok is ["cvault-wg/1", var publicKey, var port, var boot, var incarnation]
            ? new ServerIdentity(publicKey, Port(port), boot, incarnation)
            : throw new InvalidDataException("The server speaks another protocol than cvault-wg/1."));

    /// <summary>
    /// From now on this connection writes as the owner of that epoch, and none of a lesser one does.
    /// </summary>
    /// <exception cref="ServerRefusedException"><c>superseded</c>: the server has heard of a greater one.</exception>
    public Task OwnAsync(long epoch) => AskAsync(string.Create(CultureInfo.InvariantCulture, $"own {epoch}\n"), null, ok => ok);

    /// <summary>Whether it is still there; costs it nothing however many peers it has.</summary>
    public Task PingAsync() => AskAsync("ping\n", null, ok => ok);

    /// <summary>Adds, replaces and removes in one frame, all or nothing.</summary>
    /// <param name="add">Peers that should be exactly so.</param>
    /// <param name="remove">Public keys of peers that should be gone; unknown ones are no error.</param>
    /// <returns>The last counters of those removed, and of those added that were removed before, that the server still knows any of.</returns>
    public async Task<IReadOnlyList<LastCounters>> ApplyAsync(IReadOnlyCollection<WantedPeer> add, IReadOnlyCollection<string> remove)
    {
        var frame = new StringBuilder();
        frame.Append(CultureInfo.InvariantCulture, $"apply {add.Count + remove.Count}\n");
        foreach (var key in remove) frame.Append("- ").Append(key).Append('\n');
        foreach (var peer in add) Line(frame, peer);
        var counters = new List<LastCounters>();
        return await AskAsync(frame.ToString(), line => counters.Add(ReadCounters(line)), _ => counters);
    }

    /// <summary>Makes the server's peers exactly these, its own file included. An empty set is refused.</summary>
    public Task SyncAsync(IReadOnlyCollection<WantedPeer> peers)
    {
        var frame = new StringBuilder();
        frame.Append(CultureInfo.InvariantCulture, $"sync {peers.Count}\n");
        foreach (var peer in peers) Line(frame, peer);
        return AskAsync(frame.ToString(), _ => { }, ok => ok);
    }

    /// <summary>All that the server has, peer by peer, on the connection's own thread.</summary>
    /// <param name="heard">Hears each peer.</param>
    /// <param name="unread">Hears of each line that tells of no peer though it should; the others are heard all the same.</param>
    /// <exception cref="InvalidDataException">What it said is not a whole dump; what was heard of it is worth nothing.</exception>
    public Task<ServerIdentity> DumpAsync(PeerDumped heard, PeerUnread unread)
    {
        ServerIdentity? identity = null;
        var peers = 0;
        return AskAsync("dump\n", line =>
        {
            if (line.StartsWith("peer "u8))
            {
                peers++;
                if (TryReadPeer(line, out var peer)) heard(peer);
                else unread(KeyOf(line));
            }
            else if (Encoding.ASCII.GetString(line).Split(' ') is ["interface", var publicKey, var port, var boot, var incarnation])
            {
                identity = new ServerIdentity(publicKey, Port(port), boot, incarnation);
            }
        }, ok => ok is [var count] && count == peers.ToString(CultureInfo.InvariantCulture) && identity is not null
            ? identity
            : throw new InvalidDataException("The server's dump is not whole."));
    }

    public ValueTask DisposeAsync()
    {
        exchanges.CompleteAdding();
        return channel.DisposeAsync();
    }

    private static void Line(StringBuilder frame, WantedPeer peer) =>
        frame.Append("+ ").Append(peer.PublicKey).Append(' ').Append(peer.PresharedKey ?? "-").Append(' ').Append(peer.AllowedIps).Append('\n');

    private static LastCounters ReadCounters(ReadOnlySpan<byte> line)
    {
        Span<Range> f = stackalloc Range[7];
        var fields = Fields(line, f);
        return fields is 5 or 6 && line[f[0]] is [(byte)'=']
            ? new LastCounters(Encoding.ASCII.GetString(line[f[1]]), Number(line[f[2]]), Number(line[f[3]]), Number(line[f[4]]), fields == 6 ? Encoding.ASCII.GetString(line[f[5]]) : null)
            : throw new InvalidDataException("The server said what is no line of an answer.");
    }

    private static bool TryReadPeer(ReadOnlySpan<byte> line, out DumpedPeer peer)
    {
        Span<Range> f = stackalloc Range[8];
        peer = default;
        if (Fields(line, f) != 7 || !TryNumber(line[f[4]], out var handshake) || !TryNumber(line[f[5]], out var rx) || !TryNumber(line[f[6]], out var tx)) return false;
        peer = new DumpedPeer(line[f[1]], line[f[2]], line[f[3]], handshake, rx, tx);
        return true;
    }

    private static ReadOnlySpan<byte> KeyOf(ReadOnlySpan<byte> line)
    {
        Span<Range> f = stackalloc Range[8];
        return Fields(line, f) > 1 ? line[f[1]] : [];
    }

    /// <summary>Where the line's fields are, and how many there are; what does not fit is one field too many.</summary>
    private static int Fields(ReadOnlySpan<byte> line, Span<Range> fields)
    {
        var count = 0;
        foreach (var field in line.Split((byte)' '))
        {
            if (count == fields.Length) break;
            fields[count++] = field;
        }

        return count;
    }

    private static int Port(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : throw new InvalidDataException("The server said what is no port.");

    private static long Number(ReadOnlySpan<byte> text) => TryNumber(text, out var number) ? number : throw new InvalidDataException("The server said what is no number.");

    /// <summary>9 PB of one peer is no count but a server gone wrong: thousands of such must not run over where they are summed up.</summary>
    private const long MostCounted = 1L << 53;

    private static bool TryNumber(ReadOnlySpan<byte> text, out long number) => Utf8Parser.TryParse(text, out number, out var used) && used == text.Length && number is >= 0 and <= MostCounted;

    private delegate void LineHeard(ReadOnlySpan<byte> line);

    /// <param name="onLine">Hears the lines before the last; null where none may come.</param>
    private async Task<T> AskAsync<T>(string request, LineHeard? onLine, Func<string[], T> onOk)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        exchanges.Add(() =>
        {
            try
            {
                done.SetResult(Exchange(request, onLine, onOk));
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        // The answer to a big frame may exceed the channel's window, but it comes only after the frame was read whole.
        return await done.Task.WaitAsync(patience);
    }

    private T Exchange<T>(string request, LineHeard? onLine, Func<string[], T> onOk)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(request.Length);
        try
        {
            channel.Requests.Write(bytes, 0, Encoding.ASCII.GetBytes(request, bytes));
            channel.Requests.Flush();
        }
        finally
        {
            // It may have held preshared keys.
            ArrayPool<byte>.Shared.Return(bytes, clearArray: true);
        }

        while (true)
        {
            var line = NextLine();
            if (line.SequenceEqual("ok"u8)) return onOk([]);
            if (line.StartsWith("ok "u8)) return onOk(Encoding.ASCII.GetString(line[3..]).Split(' '));
            if (line.StartsWith("error "u8))
            {
                var parts = Encoding.ASCII.GetString(line).Split(' ', 3);
                throw new ServerRefusedException(parts[1], parts.Length > 2 ? parts[2] : "");
            }

            if (onLine is null) throw new InvalidDataException("The server said what is no answer.");
            onLine(line);
        }
    }

    /// <summary>The next line without its end; valid until the next call.</summary>
    private ReadOnlySpan<byte> NextLine()
    {
        var looked = 0;
        while (true)
        {
            var at = buffer.AsSpan(start + looked, end - start - looked).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = buffer.AsSpan(start, looked + at);
                start += looked + at + 1;
                return line;
            }

            looked = end - start;
            if (looked > 4096) throw new InvalidDataException("The server said a line that has no end.");
            if (end == buffer.Length)
            {
                buffer.AsSpan(start, looked).CopyTo(buffer);
                (start, end) = (0, looked);
            }

            var read = channel.Answers.Read(buffer, end, buffer.Length - end);
            if (read <= 0) throw new IOException("The server closed the connection.");
            end += read;
        }
    }
}
