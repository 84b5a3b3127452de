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
    private static readonly ConcurrentDictionary<string, Dictionary<string, string>> Hosts = new(StringComparer.Ordinal);
    private readonly AnonymousPipeServerStream toServer = new(PipeDirection.Out);
    private readonly AnonymousPipeServerStream fromServer = new(PipeDirection.In);

    public SimulatedChannel(string name)
    {
        var requests = new StreamReader(new AnonymousPipeClientStream(PipeDirection.In, toServer.ClientSafePipeHandle));
        var answers = new StreamWriter(new AnonymousPipeClientStream(PipeDirection.Out, fromServer.ClientSafePipeHandle), new UTF8Encoding(false));
        new Thread(() => Serve(name, Hosts.GetOrAdd(name, _ => new(StringComparer.Ordinal)), requests, answers)) { IsBackground = true, Name = "simulated " + name }.Start();
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

    private static void Serve(string name, Dictionary<string, string> peers, TextReader requests, TextWriter answers)
    {
        // A key that looks like one and that nobody can have the private half of.
        var publicKey = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes("simulated server " + name)));
        try
        {
            while (requests.ReadLine() is { } request)
            {
                lock (peers)
                {
                    switch (request.Split(' '))
                    {
                        case ["version"]:
                            answers.Write($"ok cvault-wg/1 {publicKey} 51820 simulated simulated\n");
                            break;
                        case ["dump"]:
                            answers.Write($"interface {publicKey} 51820 simulated simulated\n");
                            foreach (var (key, rest) in peers) answers.Write($"peer {key} {rest} 0 0 0\n");
                            answers.Write($"ok {peers.Count}\n");
                            break;
                        case [("apply" or "sync") and var verb, var count]:
                            if (verb == "sync") peers.Clear();
                            for (var i = int.Parse(count, CultureInfo.InvariantCulture); i > 0; i--)
                            {
                                var f = requests.ReadLine()!.Split(' ', 3);
                                if (f[0] == "-") peers.Remove(f[1]);
                                else peers[f[1]] = f[2];
                            }

                            answers.Write($"ok {count}\n");
                            break;
                        default:
                            answers.Write("error unknown-verb\n");
                            break;
                    }
                }

                answers.Flush();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or NullReferenceException)
        {
            // The other end hung up.
        }
    }
}
