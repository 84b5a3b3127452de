using System.Globalization;
using System.Text.Json.Nodes;

namespace CVault.Tests.Lab;

/// <summary>A peer as <c>wg show dump</c> tells of it.</summary>
public sealed record LabPeer(string PublicKey, string PresharedKey, string AllowedIps)
{
    public bool Has(params string[] addresses) => AllowedIps.Split(',').Order(StringComparer.Ordinal).SequenceEqual(addresses.Order(StringComparer.Ordinal));
}

/// <summary>A peer's counters and its last handshake, Unix seconds; 0 for none.</summary>
public sealed record LabCounters(Bytes Moved, long Handshake);

/// <summary>What tests see and break on a VPN server of the lab, from its root's side.</summary>
public class LabServer(string name, string region)
{
    public static readonly LabServer Vpn1 = new("vpn1", "us-east"), Vpn2 = new("vpn2", "eu-west");

    public string Name { get; } = name;
    public string Region { get; } = region;
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

/// <summary>One more server of the lab, registered for one test; at its end retired, which needs it to be empty, and gone.</summary>
public sealed class OwnServer : LabServer, IAsyncDisposable
{
    private readonly Stack stack;

    private OwnServer(Stack stack, string name, string region, string id) : base(name, region) => (this.stack, Id) = (stack, id);

    public string Id { get; }

    public static async Task<OwnServer> AddAsync(Stack stack, string region, string name = "vpn3")
    {
        await Stack.RunAsync("ops/lab", ["server", name, region]);
        var entry = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "lab", "servers.json")))!.AsArray().Single(s => s!["name"]!.ToString() == name)!;
        var id = (await stack.AsOperatorAsync(HttpMethod.Post, "/admin/servers", entry)).Is(System.Net.HttpStatusCode.Created).Text("id");
        await Stack.EventuallyAsync($"{name} is up", TimeSpan.FromSeconds(30), async () => (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers/" + id)).Text("status") == "active");
        return new OwnServer(stack, name, region, id);
    }

    public async ValueTask DisposeAsync()
    {
        Answer retired = null!;
        for (var i = 0; i < 60 && (retired = await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{Id}/retire")).Status != System.Net.HttpStatusCode.OK; i++) await Task.Delay(500);
        await Stack.RunAsync("ops/lab", ["remove", Name]);
        Assert.Equal(System.Net.HttpStatusCode.OK, retired.Status);
    }
}
