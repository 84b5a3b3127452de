using System.Text;
using CVault.Servers;

namespace CVault.Tests.Unit;

/// <summary>The server of memory speaks the protocol that real servers speak.</summary>
public sealed class SimulatedChannelTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly string name = "simulated-" + Guid.NewGuid();

    [Fact]
    public async Task it_has_the_peers_that_it_was_given()
    {
        await using var server = new ServerConnection(new SimulatedChannel(name), Patience);
        await server.ApplyAsync([new WantedPeer("A", "PSK", "10.8.0.2/32"), new WantedPeer("B", null, "10.8.0.3/32")], []);
        await server.ApplyAsync([new WantedPeer("A", "NEW", "10.8.0.4/32")], ["B", "never there"]);
        var (identity, peers) = await DumpAsync(server);
        Assert.Equal(await server.VersionAsync(), identity);
        Assert.Equal(["A NEW 10.8.0.4/32"], peers);
    }

    [Fact]
    public async Task its_peers_outlive_the_connection_and_are_not_another_servers()
    {
        await using (var first = new ServerConnection(new SimulatedChannel(name), Patience))
        {
            await first.ApplyAsync([new WantedPeer("A", "PSK", "10.8.0.2/32")], []);
        }

        await using var again = new ServerConnection(new SimulatedChannel(name), Patience);
        Assert.Single((await DumpAsync(again)).Peers);
        await using var other = new ServerConnection(new SimulatedChannel(name + "-other"), Patience);
        Assert.Empty((await DumpAsync(other)).Peers);
    }

    [Fact]
    public async Task its_key_is_its_names_and_looks_like_a_key()
    {
        await using var one = new ServerConnection(new SimulatedChannel(name), Patience);
        await using var same = new ServerConnection(new SimulatedChannel(name), Patience);
        await using var other = new ServerConnection(new SimulatedChannel(name + "-other"), Patience);
        var key = (await one.VersionAsync()).PublicKey;
        Assert.Equal(32, Convert.FromBase64String(key).Length);
        Assert.Equal(key, (await same.VersionAsync()).PublicKey);
        Assert.NotEqual(key, (await other.VersionAsync()).PublicKey);
    }

    private static async Task<(ServerIdentity Identity, List<string> Peers)> DumpAsync(ServerConnection server)
    {
        var peers = new List<string>();
        return (await server.DumpAsync((in p) => peers.Add($"{p.ToString()} {Encoding.ASCII.GetString(p.PresharedKey)} {Encoding.ASCII.GetString(p.AllowedIps)}")), peers);
    }
}
