using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Pipes;
using System.Security.Cryptography;
using System.Text;

namespace CVault.Servers;

/// <summary>
/// A server of memory, for machines that can have no lab (no root, macOS): it keeps its peers and speaks the real
/// protocol, but nothing can connect to it. Everything that shows such a server says so (<c>"simulated": true</c>).
/// </summary>
public sealed class SimulatedChannel : IServerChannel
{
    private static readonly ConcurrentDictionary<string, Host> Hosts = new(StringComparer.Ordinal);
    private readonly AnonymousPipeServerStream toServer = new(PipeDirection.Out);
    private readonly AnonymousPipeServerStream fromServer = new(PipeDirection.In);

    public SimulatedChannel(string name)
    {
        var requests = new StreamReader(new AnonymousPipeClientStream(PipeDirection.In, toServer.ClientSafePipeHandle));
        var answers = new StreamWriter(new AnonymousPipeClientStream(PipeDirection.Out, fromServer.ClientSafePipeHandle), new UTF8Encoding(false));
        new Thread(() => Serve(name, Hosts.GetOrAdd(name, _ => new Host()), requests, answers)) { IsBackground = true, Name = "simulated " + name }.Start();
    }

    public Stream Requests => toServer;
    public Stream Answers => fromServer;
    public string HostKey => "";

    public ValueTask DisposeAsync()
    {
        toServer.Dispose();
        fromServer.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void Serve(string name, Host host, TextReader requests, TextWriter answers)
    {
        // A key that looks like one and that nobody can have the private half of.
        var publicKey = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes("simulated server " + name)));
        var epoch = 0L;
        try
        {
            while (requests.ReadLine() is { } request)
            {
                var answer = new StringBuilder();
                switch (request.Split(' '))
                {
                    case ["version"]:
                        answer.Append(CultureInfo.InvariantCulture, $"ok cvault-wg/1 {publicKey} 51820 simulated simulated\n");
                        break;
                    case ["ping"]:
                        answer.Append("ok simulated simulated\n");
                        break;
                    case ["own", var text] when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted) && wanted is >= 1 and <= 1L << 62:
                        var owned = host.Own(wanted);
                        if (owned == "ok\n") epoch = wanted;
                        answer.Append(owned);
                        break;
                    case ["dump"]:
                        answer.Append(CultureInfo.InvariantCulture, $"interface {publicKey} 51820 simulated simulated\n");
                        host.Dump(answer);
                        break;
                    case [("apply" or "sync") and var verb, var count]:
                        // Read whole before the host is touched: a frame cut short changes nothing and holds up no one.
                        var frame = Enumerable.Range(0, int.Parse(count, CultureInfo.InvariantCulture)).Select(_ => requests.ReadLine()!.Split(' ', 3)).ToArray();
                        answer.Append(host.Change(epoch, verb, frame));
                        break;
                    default:
                        answer.Append("error unknown-verb\n");
                        break;
                }

                answers.Write(answer);
                answers.Flush();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or NullReferenceException)
        {
            // The other end hung up.
        }
    }

    /// <summary>What all connections to one server share. Nothing is ever counted on it.</summary>
    private sealed class Host
    {
        private readonly Dictionary<string, string> peers = new(StringComparer.Ordinal);
        private readonly HashSet<string> removed = new(StringComparer.Ordinal);

        private long owner; // the greatest epoch that owned it; 0 for none yet

        public string Own(long epoch)
        {
            lock (peers)
            {
                if (epoch < owner) return Superseded();
                owner = epoch;
                return "ok\n";
            }
        }

        public void Dump(StringBuilder answer)
        {
            lock (peers)
            {
                foreach (var (key, rest) in peers) answer.Append(CultureInfo.InvariantCulture, $"peer {key} {rest} 0 0 0\n");
                answer.Append(CultureInfo.InvariantCulture, $"ok {peers.Count}\n");
            }
        }

        public string Change(long epoch, string verb, string[][] frame)
        {
            lock (peers)
            {
                if (epoch < owner) return Superseded();
                if (verb == "sync" && frame.Length == 0) return "error empty sync of nothing is refused\n";
                var put = frame.Where(f => f[0] == "+").ToDictionary(f => f[1], f => f[2], StringComparer.Ordinal);
                var answer = new StringBuilder();
                foreach (var key in verb == "sync" ? peers.Keys.Where(k => !put.ContainsKey(k)).ToArray() : frame.Where(f => f[0] == "-").Select(f => f[1]))
                {
                    if (peers.Remove(key)) removed.Add(key);
                    if (removed.Contains(key)) answer.Append(CultureInfo.InvariantCulture, $"= {key} 0 0 0\n");
                }

                foreach (var (key, rest) in put)
                {
                    peers[key] = rest;
                    removed.Remove(key);
                }

                return answer.Append(CultureInfo.InvariantCulture, $"ok {frame.Length}\n").ToString();
            }
        }

        private string Superseded() => string.Create(CultureInfo.InvariantCulture, $"error superseded epoch {owner} owns this server\n");
    }
}
