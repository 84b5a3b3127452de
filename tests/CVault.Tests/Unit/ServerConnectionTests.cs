using System.IO.Pipelines;
using System.Text;
using CVault.Servers;

namespace CVault.Tests.Unit;

/// <summary>The line protocol <c>cvault-wg/1</c>, as CVault speaks and hears it.</summary>
public sealed class ServerConnectionTests
{
    private const string Interface = "interface KEY 51820 boot-1 made-1\n";

    [Fact]
    public async Task version_tells_who_the_server_is()
    {
        var channel = new Script("ok cvault-wg/1 KEY 51820 boot-1 made-1\n");
        Assert.Equal(new ServerIdentity("KEY", 51820, "boot-1", "made-1"), await channel.Connect().VersionAsync());
        Assert.Equal("version\n", channel.Said);
    }

    [Theory]
    [InlineData("ok cvault-wg/2 KEY 51820 boot-1 made-1\n")]
    [InlineData("ok\n")]
    [InlineData("ok cvault-wg/1\n")]
    [InlineData("ok cvault-wg/1 KEY port boot-1 made-1\n")]
    [InlineData("ok cvault-wg/1 KEY -1 boot-1 made-1\n")]
    [InlineData("ok cvault-wg/1 KEY 99999999999 boot-1 made-1\n")]
    public async Task a_server_of_another_protocol_is_refused(string answer) => await Assert.ThrowsAsync<InvalidDataException>(() => new Script(answer).Connect().VersionAsync());

    [Fact]
    public async Task apply_sends_one_frame_removals_first()
    {
        var channel = new Script("ok 3\n");
        await channel.Connect().ApplyAsync([new WantedPeer("A", "PSK", "10.8.0.2/32,fd00::2/128"), new WantedPeer("B", null, "10.8.0.3/32")], ["C"]);
        Assert.Equal("apply 3\n- C\n+ A PSK 10.8.0.2/32,fd00::2/128\n+ B - 10.8.0.3/32\n", channel.Said);
    }

    [Fact]
    public async Task a_refusal_carries_the_servers_word_and_the_connection_goes_on()
    {
        var connection = new Script("error bad-line line 2 is none\n", "error unknown-verb\n", "ok 0\n").Connect();
        var refused = await Assert.ThrowsAsync<ServerRefusedException>(() => connection.ApplyAsync([], ["C"]));
        Assert.Equal(("bad-line", "bad-line: line 2 is none"), (refused.Code, refused.Message));
        Assert.Equal("unknown-verb", (await Assert.ThrowsAsync<ServerRefusedException>(() => connection.ApplyAsync([], ["C"]))).Code);
        await connection.ApplyAsync([], []);
    }

    [Fact]
    public async Task a_dump_is_every_peer_with_its_counters()
    {
        var heard = new List<string>();
        var identity = await new Script(Interface + "peer A PSK 10.8.0.2/32,fd00::2/128 1700000000 5000000000 7\npeer B - - 0 0 0\nok 2\n").Connect().DumpAsync(
            (in peer) => heard.Add($"{peer.ToString()} {Encoding.ASCII.GetString(peer.PresharedKey)} {Encoding.ASCII.GetString(peer.AllowedIps)} {peer.LastHandshake} {peer.RxBytes} {peer.TxBytes}"), AllRead);
        Assert.Equal(new ServerIdentity("KEY", 51820, "boot-1", "made-1"), identity);
        Assert.Equal(["A PSK 10.8.0.2/32,fd00::2/128 1700000000 5000000000 7", "B - - 0 0 0"], heard);
    }

    [Fact]
    public async Task a_dump_of_no_peers_is_empty() => await new Script(Interface + "ok 0\n").Connect().DumpAsync((in _) => Assert.Fail("There is none."), AllRead);

    [Fact]
    public async Task a_dump_longer_than_any_buffer_is_heard_whole()
    {
        var count = 0L;
        var lines = string.Concat(Enumerable.Range(0, 20_000).Select(n => $"peer KEY{n} PSK 10.8.{n / 256}.{n % 256}/32 {n} 1 2\n"));
        await new Script(Interface + lines + "ok 20000\n").Connect().DumpAsync((in peer) => count += peer.LastHandshake, AllRead);
        Assert.Equal(20_000L * 19_999 / 2, count);
    }

    [Fact]
    public async Task a_removal_answers_the_last_counters()
    {
        var counters = await new Script("= C 5000000000 7 1700000000\nok 2\n").Connect().ApplyAsync([], ["C", "never there"]);
        Assert.Equal([new LastCounters("C", 5_000_000_000, 7, 1_700_000_000)], counters);
        Assert.Equal([new LastCounters("D", 1, 2, 3, "earlier")], await new Script("= D 1 2 3 earlier\nok 1\n").Connect().ApplyAsync([], ["D"]));
    }

    [Theory]
    [InlineData("= C 1 2\nok 1\n")]
    [InlineData("= C 1 2 3 made more\nok 1\n")]
    [InlineData("= C 1 2 x\nok 1\n")]
    [InlineData("= C 1 2 -3\nok 1\n")]
    [InlineData("peer C 1 2 3\nok 1\n")]
    public async Task counters_that_are_none_are_refused(string answer) => await Assert.ThrowsAsync<InvalidDataException>(() => new Script(answer).Connect().ApplyAsync([], ["C"]));

    [Fact]
    public async Task owning_says_the_epoch_and_hears_of_a_greater_one()
    {
        var channel = new Script("ok\n", "error superseded epoch 9 owns this server\n");
        var connection = channel.Connect();
        await connection.OwnAsync(7);
        var refused = await Assert.ThrowsAsync<ServerRefusedException>(() => connection.OwnAsync(8));
        Assert.Equal(("superseded", "epoch 9 owns this server", "own 7\nown 8\n"), (refused.Code, refused.Detail, channel.Said));
    }

    [Theory]
    [InlineData(Interface + "peer A PSK 10.8.0.2/32 0 0 0\nok 2\n")]
    [InlineData(Interface + "ok 1\n")]
    [InlineData(Interface + "ok\n")]
    [InlineData(Interface + "peer A PSK 10.8.0.2/32 0 0\nok\n")]
    [InlineData(Interface + "peer A PSK 10.8.0.2/32 0 0\nok 2\n")]
    [InlineData("peer A PSK 10.8.0.2/32 0 0 0\nok 1\n")]
    public async Task a_dump_that_is_not_whole_is_refused_for_what_is_missing_would_be_added_or_removed(string answer) =>
        await Assert.ThrowsAsync<InvalidDataException>(() => new Script(answer).Connect().DumpAsync((in _) => { }, _ => { }));

    [Theory]
    [InlineData("peer B PSK 10.8.0.3/32 0 0", "B")]
    [InlineData("peer B PSK 10.8.0.3/32 0 0 0 0", "B")]
    [InlineData("peer B PSK 10.8.0.3/32 0 -1 0", "B")]
    [InlineData("peer B PSK 10.8.0.3/32 0 0 99999999999999999999", "B")]
    [InlineData("peer B PSK 10.8.0.3/32 0 0 9007199254740993", "B")]
    [InlineData("peer B PSK 10.8.0.3/32 never 0 0", "B")]
    [InlineData("peer ", "")]
    public async Task a_line_of_a_dump_that_cannot_be_read_is_left_aside_and_the_others_are_heard(string line, string key)
    {
        List<string> heard = [], unread = [];
        var channel = new Script($"{Interface}peer A PSK 10.8.0.2/32 0 1 2\n{line}\npeer C PSK 10.8.0.4/32 0 3 4\nok 3\n", "ok 0\n");
        var connection = channel.Connect();
        Assert.Equal("made-1", (await connection.DumpAsync((in peer) => heard.Add($"{peer.ToString()} {peer.RxBytes} {peer.TxBytes}"), k => unread.Add(Encoding.ASCII.GetString(k)))).Incarnation);
        Assert.Equal(["A 1 2", "C 3 4"], heard);
        Assert.Equal([key], unread);
        await connection.ApplyAsync([], []); // The connection is as good as before.
    }

    [Theory]
    [InlineData("")]
    [InlineData(Interface)]
    [InlineData(Interface + "peer A PSK 10.8.0.2/32 0 0 0\n")]
    public async Task a_channel_that_closes_in_the_middle_is_an_IO_error(string answer) =>
        await Assert.ThrowsAsync<IOException>(() => new Script(answer) { ClosesAfterLast = true }.Connect().DumpAsync((in _) => { }, _ => { }));

    [Fact]
    public async Task a_server_that_is_silent_is_not_waited_for_longer_than_patience() =>
        await Assert.ThrowsAsync<TimeoutException>(() => new Script().Connect(TimeSpan.FromMilliseconds(100)).VersionAsync());

    [Fact]
    public void printing_a_peer_never_shows_its_preshared_key()
    {
        Assert.DoesNotContain("PSK", new WantedPeer("A", "PSK", "10.8.0.2/32").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("PSK", new DumpedPeer("A"u8, "PSK"u8, "10.8.0.2/32"u8, 0, 0, 0).ToString(), StringComparison.Ordinal);
    }

    private static void AllRead(ReadOnlySpan<byte> key) => Assert.Fail("A line that cannot be read: " + Encoding.ASCII.GetString(key));

    /// <summary>A server that answers each request with the next of its lines, and then is silent.</summary>
    private sealed class Script(params string[] answers) : IServerChannel
    {
        private readonly Pipe pipe = new();
        private readonly MemoryStream said = new();

        /// <summary>Hangs up after the last answer instead of being silent.</summary>
        public bool ClosesAfterLast { get; init; }
        public string Said => Encoding.UTF8.GetString(said.ToArray());
        public string HostKey => "ssh-ed25519 AAAA";
        public Stream Answers => field ??= pipe.Reader.AsStream();
        public Stream Requests => field ??= new Listener(this);

        public ServerConnection Connect(TimeSpan? patience = null) => new(this, patience ?? TimeSpan.FromSeconds(5));

        public ValueTask DisposeAsync() => pipe.Writer.CompleteAsync();

        private sealed class Listener(Script script) : MemoryStream
        {
            private int next;

            public override void Write(byte[] buffer, int offset, int count) => script.said.Write(buffer, offset, count);

            public override void Flush()
            {
                // Not on the connection's thread, which has yet to read what would fill the pipe.
                if (next < script.answers.Length)
                {
                    var answer = Encoding.UTF8.GetBytes(script.answers[next++]);
                    var last = next == script.answers.Length && script.ClosesAfterLast;
                    _ = Task.Run(async () =>
                    {
                        await script.pipe.Writer.WriteAsync(answer);
                        if (last) await script.pipe.Writer.CompleteAsync();
                    });
                }
            }
        }

        private readonly string[] answers = answers;
    }
}
