using System.Text;
using CVault.Devices;
using CVault.Peers;
using CVault.Servers;

namespace CVault.Fuzz;

/// <summary>What a VPN server may say, and WireGuard's keys.</summary>
public static class ServerTargets
{
    private const string Key = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=";

    public static IEnumerable<Target> All =>
    [
        new("server-answers", Answers, () => Seeds.Select(Encoding.UTF8.GetBytes), "ok ", "ok", "error ", "cvault-wg/1", "interface ", "peer ", "= ", "superseded", " epoch ", "51820", "9223372036854775807", Key),
        Target.OfText("wireguard-keys", Keys, [Key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "7P///////////////////////////////////////38=", "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
    ];

    /// <summary>A letter for what was asked, a capital for an answer that comes in small pieces, then the answer.</summary>
    private static readonly string[] Seeds =
    [
        $"vok cvault-wg/1 {Key} 51820 boot-1 made-1\n", "pok\n", "ook\n", "oerror superseded epoch 7 is known\n", $"aok 2\n",
        $"a= {Key} 5 6 1700000000\n= {Key} 5 6 0 made-0\nok 2\n", "sok 1\n",
        $"dinterface {Key} 51820 boot-1 made-1\npeer {Key} - 10.8.0.2/32,fd00::2/128 1700000000 5000000000 7\npeer {Key} {Key} - 0 0 0\nok 2\n",
        $"Dinterface {Key} 51820 boot-1 made-1\nok 0\n", "verror unknown-verb\n",
    ];

    private static void Answers(byte[] input)
    {
        if (input.Length == 0) return;
        using var answers = new Pieces(input[1..], char.IsAsciiLetterUpper((char)input[0]) ? 7 : int.MaxValue);
        var connection = new ServerConnection(new Channel(answers), TimeSpan.FromSeconds(60));
        try
        {
            Task asked = char.ToLowerInvariant((char)input[0]) switch
            {
                'v' => connection.VersionAsync(),
                'p' => connection.PingAsync(),
                'o' => connection.OwnAsync(7),
                'a' => connection.ApplyAsync([new WantedPeer(Key, null, "10.8.0.2/32")], [Key]),
                's' => connection.SyncAsync([new WantedPeer(Key, Key, "10.8.0.2/32")]),
                _ => connection.DumpAsync((in peer) =>
                {
                    _ = PeerKey.Parse(peer.PublicKey);
                    Target.Must(PeerFingerprint.Of(peer) is var print && print == PeerFingerprint.Of(peer), "A fingerprint is always the same.");
                }, key => Target.Must(key.Length <= 4096, "A line is bounded.")),
            };
            asked.GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ServerRefusedException or IOException or InvalidDataException)
        {
            // Each of them is in ServerConnection's documentation.
        }
        finally
        {
            connection.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static void Keys(string text)
    {
        var good = WireGuardKeys.IsPublicKey(text);
        try
        {
            var key = PeerKey.Parse(text);
            Target.Must(PeerKey.Parse(key.ToString()) == key, "A key that is written and read again is the same.");
            Target.Must(!good || key.ToString() == text, "A public key has one spelling.");
        }
        catch (InvalidDataException)
        {
            Target.Must(!good, "What is a public key can be read as one.");
        }
    }

    private sealed class Channel(Stream answers) : IServerChannel
    {
        public Stream Requests => Stream.Null;
        public Stream Answers => answers;
        public string HostKey => "";
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>Gives at most so many bytes at a time, as a network does.</summary>
    private sealed class Pieces(byte[] bytes, int most) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, most));
    }
}
