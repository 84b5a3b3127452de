using System.Globalization;

namespace CVault.Tests.Lab;

/// <summary>A peer as <c>wg show dump</c> tells of it.</summary>
public sealed record LabPeer(string PublicKey, string PresharedKey, string AllowedIps)
{
    public bool Has(params string[] addresses) => AllowedIps.Split(',').Order(StringComparer.Ordinal).SequenceEqual(addresses.Order(StringComparer.Ordinal));
}

/// <summary>A peer's counters and its last handshake, Unix seconds; 0 for none.</summary>
public sealed record LabCounters(Bytes Moved, long Handshake);

/// <summary>What tests see and break on a VPN server of the lab, from its root's side.</summary>
public sealed class LabServer(string name)
{
    public static readonly LabServer Vpn1 = new("vpn1"), Vpn2 = new("vpn2");

    public string Name { get; } = name;
    public string Region => Name == "vpn1" ? "us-east" : "eu-west";
    public string Log => Path.Combine(Stack.StateDir, "lab", "logs", Name + ".sshd");

    /// <summary>All peers that the interface has, by public key.</summary>
    public async Task<Dictionary<string, LabPeer>> PeersAsync() => Peers((await Stack.OnAsync(Name, ["wg", "show", "wg0", "dump"])).Text);

    /// <summary>From what <c>wg show wg0 dump</c> prints.</summary>
    public static Dictionary<string, LabPeer> Peers(string dump) =>
        dump.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => l.Split('\t')).ToDictionary(f => f[0], f => new LabPeer(f[0], f[1], f[3]));

    /// <summary>What the interface has counted, by public key.</summary>
    public async Task<Dictionary<string, LabCounters>> CountersAsync() =>
        (await Stack.OnAsync(Name, ["wg", "show", "wg0", "dump"])).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => l.Split('\t'))
            .ToDictionary(f => f[0], f => new LabCounters(new Bytes(Number(f[5]), Number(f[6])), Number(f[4])));

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    public async Task<bool> HasAsync(string publicKey) => (await PeersAsync()).ContainsKey(publicKey);

    /// <summary>Peers that CVault knows nothing of, as a hand or an intruder would add them.</summary>
    public Task AddByHandAsync(IEnumerable<(string Key, string Address)> peers) =>
        Stack.OnAsync(Name, ["wg", "addconf", "wg0", "/dev/stdin"], string.Concat(peers.Select(p => $"[Peer]\nPublicKey={p.Key}\nAllowedIPs={p.Address}/32\n")));

    public Task SetByHandAsync(string publicKey, params string[] change) => Stack.OnAsync(Name, ["wg", "set", "wg0", "peer", publicKey, .. change]);

    /// <summary>From here on no packet of the control plane arrives or leaves; nobody is told.</summary>
    public Task CutManagementAsync() => Stack.OnAsync(Name, ["nft", "-f", "-"], """
        table inet fault {
          chain in { type filter hook input priority -300; iifname "mgmt0" drop; }
          chain out { type filter hook output priority -300; oifname "mgmt0" drop; }
        }

        """);

    public Task HealManagementAsync() => Stack.OnAsync(Name, ["nft", "delete", "table", "inet", "fault"], mayFail: true);

    public Task RebootAsync() => Stack.RunAsync("ops/lab", ["reboot", Name]);

    /// <summary>Ends the host's sshd and every connection that it has, and starts it again with whatever keys it now has.</summary>
    public async Task RestartSshdAsync()
    {
        var network = (await Stack.OnAsync(Name, ["readlink", "/proc/self/ns/net"])).Text.Trim();
        foreach (var pid in StackProcess.All().Where(p => StackProcess.NameOf(p).StartsWith("sshd", StringComparison.Ordinal) && StackProcess.NetworkOf(p) == network))
        {
            StackProcess.Kill(pid);
        }

        await Stack.RunAsync("ops/lab", ["up"]);
    }

    /// <summary>The API's view of the server.</summary>
    public async Task<Answer> ViewAsync(Stack stack) => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + await IdAsync(stack))).Is(System.Net.HttpStatusCode.OK);

    public async Task<Guid> IdAsync(Stack stack)
    {
        var all = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200")).Is(System.Net.HttpStatusCode.OK).Json["servers"]!.AsArray();
        return Guid.Parse(all.Single(s => s!["name"]!.ToString() == Name)!["id"]!.ToString(), CultureInfo.InvariantCulture);
    }
}
