using Renci.SshNet;
using Renci.SshNet.Common;

namespace CVault.Servers;

/// <summary>
/// A server's program over SSH. The key's forced command on the server decides what runs; the host key must be the
/// pinned one, or no byte is sent.
/// </summary>
public sealed class SshChannel : IServerChannel
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);
    private readonly SshClient client;
    private readonly SshCommand command;

    private SshChannel(SshClient client, SshCommand command, Stream input, string hostKey)
    {
        this.client = client;
        this.command = command;
        HostKey = hostKey;
        Requests = input;
        Answers = command.OutputStream;
    }

    public Stream Requests { get; }
    public Stream Answers { get; }
    public string HostKey { get; }

    /// <param name="host">Where sshd listens.</param>
    /// <param name="pinned">The host key that it must show, type and base64; null takes and reports whatever it shows.</param>
    /// <exception cref="HostKeyChangedException">It showed another key. Nothing was sent.</exception>
    /// <exception cref="SshException">Anything else that SSH can fail at.</exception>
    public static async Task<SshChannel> OpenAsync(string host, int port, string user, string? pinned, IPrivateKeySource key, CancellationToken cancellation)
    {
        var info = new ConnectionInfo(host, port, user, new PrivateKeyAuthenticationMethod(user, key)) { Timeout = ConnectTimeout, ChannelCloseTimeout = TimeSpan.FromSeconds(1) };
        // A server has a host key of each kind: ask for the pinned kind, and where nothing is pinned for Ed25519.
        var kind = pinned?.Split(' ')[0] ?? "ssh-ed25519";
        foreach (var other in info.HostKeyAlgorithms.Keys.Where(k => k != kind).ToArray()) info.HostKeyAlgorithms.Remove(other);

        var client = new SshClient(info) { KeepAliveInterval = TimeSpan.FromSeconds(5) };
        string? shown = null;
        client.HostKeyReceived += (_, e) =>
        {
            shown = e.HostKeyName + " " + Convert.ToBase64String(e.HostKey);
            e.CanTrust = pinned is null || shown == pinned; // Without this SSH.NET trusts any key.
        };
        try
        {
            await client.ConnectAsync(cancellation);
            var command = client.CreateCommand("cvault-wg");
            _ = command.ExecuteAsync(CancellationToken.None).ContinueWith(static t => t.Exception, TaskScheduler.Default);
            return new SshChannel(client, command, command.CreateInputStream(), shown!);
        }
        catch (Exception e)
        {
            client.Dispose();
            if (shown is not null && pinned is not null && shown != pinned) throw new HostKeyChangedException(shown, e);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Disposing waits for the other side, which may be gone: not on the caller's thread.
        await Task.Run(() =>
        {
            try
            {
                command.Dispose();
                client.Dispose();
            }
            catch (Exception e) when (e is SshException or ObjectDisposedException or System.Net.Sockets.SocketException or IOException)
            {
                // It was broken already; that is why it is thrown away.
            }
        }).WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}

/// <summary>A server shows another host key than the pinned one: perhaps reinstalled, perhaps not that server at all.</summary>
public sealed class HostKeyChangedException(string shown, Exception inner) : Exception("The server shows another host key than the pinned one.", inner)
{
    public string Shown { get; } = shown;
}
