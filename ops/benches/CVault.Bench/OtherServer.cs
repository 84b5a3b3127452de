using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Renci.SshNet;

namespace CVault.Bench;

/// <summary>
/// The lab's other server, vpn2, without CVault: made by the same program as vpn1, on the same machine. Here the
/// specification's section 3.4 is taken literally, and the WireGuard program alone is measured.
/// </summary>
public sealed class OtherServer : IDisposable
{
    private const string Name = "vpn2";
    private const int SshPort = 2222;
    private readonly List<string> keys = [];
    private SshClient? ssh;

    /// <summary>What saves the config after each peer, as it turned out to be possible here.</summary>
    public string Save { get; private set; } = "";

    public void Dispose() => ssh?.Dispose();

    /// <summary>
    /// Takes it away from CVault, whose next pass would find every peer here unknown: its packets to the control plane's
    /// port are dropped, and an sshd of the bench's own answers at another, for root, with a shell.
    /// </summary>
    public async Task TakeAsync()
    {
        var server = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "lab", "servers.json")))!.AsArray().Single(s => s!["name"]!.ToString() == Name)!;
        var address = server["ssh_host"]!.ToString();
        await Stack.OnAsync(Name, ["nft", "-f", "-"], $$"""
            table inet bench {
              chain in { type filter hook input priority -300; iifname "mgmt0" tcp dport 22 drop; }
              chain out { type filter hook output priority -300; oifname "mgmt0" tcp sport 22 drop; }
            }
            insert rule inet cvault input iifname "mgmt0" tcp dport {{SshPort}} accept

            """);
        // /run and /etc are this host's own; `ops/lab down` ends whatever runs on it.
        var key = await Stack.ShellOnAsync(Name, $"""
            mkdir -p /run/sshd /run/bench
            chmod 700 /run/bench
            for name in host client; do ssh-keygen -q -t ed25519 -N '' -f /run/bench/$name; done
            setsid /usr/sbin/sshd -f /dev/null -p {SshPort} -o ListenAddress={address} -o HostKey=/run/bench/host -o AuthorizedKeysFile=/run/bench/client.pub \
              -o StrictModes=no -o PermitRootLogin=prohibit-password -o UsePAM=no -o PidFile=none >/dev/null 2>&1
            umask 077
            wg showconf wg0 >/etc/wireguard/wg0.conf
            cat /run/bench/client
            """);
        var info = new ConnectionInfo(address, SshPort, "root", new PrivateKeyAuthenticationMethod("root", new PrivateKeyFile(new MemoryStream(Encoding.ASCII.GetBytes(key)))));
        ssh = new SshClient(info);
        await ssh.ConnectAsync(CancellationToken.None);
        Save = Exec("wg-quick save wg0").Status == 0
            ? "wg-quick save wg0"
            : "umask 077; wg showconf wg0 >/etc/wireguard/wg0.conf.tmp && sync /etc/wireguard/wg0.conf.tmp && mv /etc/wireguard/wg0.conf.tmp /etc/wireguard/wg0.conf";
    }

    /// <summary>Empty, and reachable for CVault again.</summary>
    public async Task GiveBackAsync()
    {
        await RemoveFromAsync(0);
        await Stack.OnAsync(Name, ["nft", "delete", "table", "inet", "bench"]);
    }

    /// <summary>Gives it as many peers as this, in batches of 1,000.</summary>
    public async Task FillAsync(int size)
    {
        while (keys.Count < size) await AddAsync(Math.Min(1000, size - keys.Count), 1000);
        await CheckAsync(size);
    }

    /// <summary>
    /// Section 3.4's <c>addPeer</c>, one peer after the other, for at least <paramref name="seconds"/> and ten peers, at most a
    /// minute. One SSH connection is kept, where the specification opens one for each of the two commands.
    /// </summary>
    public async Task<(double PerSecond, int Peers, IReadOnlyList<double> Ms)> LiterallyAsync(double seconds)
    {
        var before = keys.Count;
        var took = new List<double>();
        var start = Stopwatch.GetTimestamp();
        while ((Stopwatch.GetElapsedTime(start).TotalSeconds < seconds || took.Count < 10) && Stopwatch.GetElapsedTime(start).TotalSeconds < 60)
        {
            var began = Stopwatch.GetTimestamp();
            var key = NewKey();
            Must($"wg set wg0 peer {key} allowed-ips {Address(keys.Count)}/32");
            Must(Save);
            keys.Add(key);
            took.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        var elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await CheckAsync(keys.Count);
        var saved = int.Parse(await Stack.ShellOnAsync(Name, "grep -c '^\\[Peer\\]' /etc/wireguard/wg0.conf"), CultureInfo.InvariantCulture);
        if (saved != keys.Count) throw new InvalidOperationException($"The saved config has {saved} peers, not {keys.Count}.");
        await RemoveFromAsync(before);
        return (took.Count / elapsed, took.Count, took);
    }

    /// <summary>Peers a second that <c>wg addconf</c> takes in batches of this size, and nothing else around it.</summary>
    public async Task<double> FloorAsync(int batch, int peers)
    {
        var before = keys.Count;
        var took = await AddAsync(peers, batch);
        await CheckAsync(before + peers);
        await RemoveFromAsync(before);
        return peers / took;
    }

    /// <summary>Seconds that the batches took, measured on the host, without the way there.</summary>
    private async Task<double> AddAsync(int count, int batch)
    {
        var text = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            var key = NewKey();
            // Four lines a peer, by which split cuts; a preshared key and an IPv6 address, as CVault's peers have.
            text.Append(CultureInfo.InvariantCulture, $"[Peer]\nPublicKey={key}\nPresharedKey={NewKey()}\nAllowedIPs={Address(keys.Count)}/32,fd8c:7a11:2::{keys.Count + 2:x}/128\n");
            keys.Add(key);
        }

        var output = await Stack.ShellOnAsync(Name, $"""
            rm -rf /run/bench/batch; mkdir /run/bench/batch; cd /run/bench/batch
            split -l {batch * 4} -a 4 -
            start=$EPOCHREALTIME
            for file in *; do wg addconf wg0 $file; done
            end=$EPOCHREALTIME
            echo $start $end
            """, text.ToString());
        var times = output.Trim().Split(' ').Select(t => double.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        return times[1] - times[0];
    }

    private async Task RemoveFromAsync(int count)
    {
        foreach (var some in keys.Skip(count).Chunk(1000)) await Stack.ShellOnAsync(Name, "xargs wg set wg0", string.Concat(some.Select(k => $"peer {k} remove\n")));
        keys.RemoveRange(count, keys.Count - count);
        await CheckAsync(count);
    }

    private async Task CheckAsync(int expected)
    {
        var there = int.Parse(await Stack.ShellOnAsync(Name, "wg show wg0 peers | wc -l"), CultureInfo.InvariantCulture);
        if (there != expected) throw new InvalidOperationException($"{Name} has {there} peers, not {expected}.");
    }

    private void Must(string command)
    {
        var (status, error) = Exec(command);
        if (status != 0) throw new InvalidOperationException($"{command.Split(' ')[0]} ended with {status}: {error}");
    }

    private (int? Status, string Error) Exec(string command)
    {
        using var run = ssh!.CreateCommand(command);
        run.Execute();
        return (run.ExitStatus, run.Error);
    }

    private static string NewKey()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        bytes[31] &= 0x7f;
        return Convert.ToBase64String(bytes);
    }

    private static string Address(int number) => $"10.8.{(number + 2) >> 8 & 255}.{(number + 2) & 255}";
}
