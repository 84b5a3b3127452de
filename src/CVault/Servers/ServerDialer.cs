using Renci.SshNet;

namespace CVault.Servers;

/// <summary>Opens connections to servers, with the platform's one SSH key.</summary>
public sealed class ServerDialer(IPrivateKeySource? sshKey)
{
    /// <summary>How long one exchange may take. Beyond it a connection is taken for dead: SSH itself may not notice for minutes.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <param name="pinned">The host key to insist on; null only at registration.</param>
    public async Task<ServerConnection> DialAsync(ServerTransport transport, string name, SshAddress? ssh, string? pinned, CancellationToken cancellation)
    {
        if (transport == ServerTransport.Simulated) return new ServerConnection(new SimulatedChannel(name), Patience);
        if (sshKey is null) throw new InvalidOperationException("CVAULT_SSH_KEY_FILE is not set, so no server can be reached.");
        return new ServerConnection(await SshChannel.OpenAsync(ssh!.Host, ssh.Port, ssh.User, pinned, sshKey, cancellation), Patience);
    }
}
