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
        return (await server.DumpAsync((in p) => peers.Add($"{p.ToString()} {Encoding.ASCII.GetString(p.PresharedKey)} {Encoding.ASCII.GetString(p.AllowedIps)}"), _ => Assert.Fail("A line that cannot be read.")), peers);
    }

    [Fact]
    public async Task a_later_owner_shuts_out_the_earlier_one()
    {
        await using var earlier = new SimulatedChannel(name);
        await using var later = new SimulatedChannel(name);
        Assert.Equal("ok 1", Ask(earlier, "apply 1\n+ A - 10.8.0.2/32\n"));
        Assert.Equal("ok", Ask(earlier, "own 5\n"));
        Assert.Equal("ok", Ask(later, "own 6\n"));
        Assert.StartsWith("error superseded", Ask(earlier, "apply 1\n- A\n"), StringComparison.Ordinal);
        Assert.StartsWith("error superseded", Ask(earlier, "sync 1\n+ B - 10.8.0.3/32\n"), StringComparison.Ordinal);
        Assert.StartsWith("error superseded", Ask(earlier, "own 5\n"), StringComparison.Ordinal);
        Assert.Equal("ok simulated simulated", Ask(earlier, "ping\n"));
        Assert.Equal("= A 0 0 0\nok 1", Ask(later, "apply 1\n- A\n"));
        await using var nobody = new SimulatedChannel(name);
        Assert.StartsWith("error superseded", Ask(nobody, "apply 0\n"), StringComparison.Ordinal);
        await using var another = new SimulatedChannel(name + "-other");
        Assert.Equal("ok 0", Ask(another, "apply 0\n"));
    }

    [Fact]
    public async Task a_removal_is_answered_again_until_the_peer_is_added_again()
    {
        await using var server = new SimulatedChannel(name);
        Ask(server, "apply 1\n+ A - 10.8.0.2/32\n");
        Assert.Equal("= A 0 0 0\nok 2", Ask(server, "apply 2\n- A\n- B\n"));
        Assert.Equal("= A 0 0 0\nok 1", Ask(server, "apply 1\n- A\n"));
        Ask(server, "apply 1\n+ A - 10.8.0.2/32\n");
        Assert.Equal("= A 0 0 0\nok 1", Ask(server, "sync 1\n+ B - 10.8.0.3/32\n"));
        Assert.Equal("ok 1", Ask(server, "apply 1\n- C\n"));
    }

    private static string Ask(SimulatedChannel server, string frame)
    {
        server.Requests.Write(Encoding.ASCII.GetBytes(frame));
        server.Requests.Flush();
        var answer = "";
        var answers = new StreamReader(server.Answers, leaveOpen: true);
        while (answers.ReadLine() is { } line)
        {
            answer += line;
            if (line.StartsWith("ok", StringComparison.Ordinal) || line.StartsWith("error", StringComparison.Ordinal)) break;
            answer += "\n";
        }

        return answer;
    }
}
