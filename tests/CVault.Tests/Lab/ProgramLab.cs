using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>
/// A lab beside the stack's, in which no control plane puts anything right: there a test may have a server to itself and
/// speak to <c>ops/server/cvault-wg</c> over a real SSH connection.
/// </summary>
public sealed class ProgramLab : IAsyncLifetime
{
    private readonly string folder = $"/tmp/cvault-program-lab-{Guid.NewGuid():N}";
    private string host = "", network = "";
    private int addresses;

    /// <summary>All of a server's state, as the test sees it from outside.</summary>
    public string State => Path.Combine(folder, "lab", "hosts", "vpn1", "state");

    public string Journal => Path.Combine(State, "wg0.journal");
    public string Snapshot => Path.Combine(State, "wg0.peers");

    public async ValueTask InitializeAsync()
    {
        if (!Stack.HasLab) return;
        await LabAsync("up");
        var server = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "lab", "servers.json")))!.AsArray().Single(s => s!["name"]!.ToString() == "vpn1")!;
        host = server["ssh_host"]!.ToString();
        await File.WriteAllTextAsync(Path.Combine(folder, "known_hosts"), $"{host} {server["ssh_host_key"]}\n");
        network = (await OnAsync("readlink", "/proc/self/ns/net")).Trim();
    }

    public async ValueTask DisposeAsync()
    {
        if (!Stack.HasLab) return;
        await LabAsync("down", "--purge");
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A server as new: no peers, no owner, no files. Every test begins with it.</summary>
    public async Task<ProgramLab> EmptyAsync()
    {
        LabClient.Required();
        foreach (var pid in Programs().Concat(Sessions())) StackProcess.Kill(pid);
        await SettledAsync();
        await OnAsync("sh", "-c", "rm -f /var/lib/cvault-wg/wg0.*; wg show wg0 peers | sed 's/.*/peer & remove/' | xargs -r -n 3000 wg set wg0; : >/run/cvault-wg/lock");
        addresses = 0;
        return this;
    }

    /// <summary>A new connection; the program has answered on it, so that it runs.</summary>
    public async Task<ProgramSession> DialAsync()
    {
        var start = new ProcessStartInfo("ssh",
        [
            "-F", "/dev/null", "-i", Path.Combine(folder, "secrets", "ssh-key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
            "-o", "UserKnownHostsFile=" + Path.Combine(folder, "known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "cvault@" + host,
        ]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        var before = Programs();
        var ssh = Process.Start(start)!;
        ssh.BeginErrorReadLine();
        var session = new ProgramSession(ssh);
        await session.OkAsync("ping");
        session.Program = Programs().Except(before).Single();
        return session;
    }

    /// <summary>The process ids of the server's running <c>cvault-wg</c>s.</summary>
    public int[] Programs() => [.. Processes("cvault-wg")];

    /// <summary>Those of sshd that serve a connection, and not the one that listens.</summary>
    public int[] Sessions()
    {
        var listener = int.Parse(File.ReadAllText(Path.Combine(folder, "lab", "pids", "vpn1.sshd")).Split(' ')[0], CultureInfo.InvariantCulture);
        return [.. Processes("sshd").Where(p => p != listener)];
    }

    /// <summary>Waits until nothing holds the server's lock, a <c>wg</c> that outlived its program included.</summary>
    public Task SettledAsync() => OnAsync("flock", "--timeout", "120", "/run/cvault-wg/lock", "true");

    /// <summary>What the interface has, as <see cref="ProgramPeer.Text"/>.</summary>
    public async Task<HashSet<string>> InterfaceAsync()
    {
        var dump = await OnAsync("wg", "show", "wg0", "dump");
        return [.. dump.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(l => l.Split('\t')).Select(f => $"{f[0]} {f[1]} {f[3]}")];
    }

    /// <summary>What the server's files say, read by the description in <c>ops/server/cvault-wg</c> and not by its code.</summary>
    public HashSet<string> Files()
    {
        var peers = new Dictionary<string, string>(StringComparer.Ordinal);
        var id = "none";
        if (File.Exists(Snapshot))
        {
            var lines = File.ReadAllLines(Snapshot);
            id = lines[0].Split(' ')[1];
            foreach (var line in lines.Skip(1).Where(l => l[0] != '=')) peers.Add(line.Split(' ')[0], line);
        }

        if (!File.Exists(Journal)) return [.. peers.Values];
        var journal = File.ReadAllText(Journal);
        if (!journal.StartsWith($"cvault-wg-journal/1 {id}\n", StringComparison.Ordinal)) return [.. peers.Values];
        var frames = journal[(journal.IndexOf('\n', StringComparison.Ordinal) + 1)..];
        foreach (Match frame in Regex.Matches(frames, @"\G((?:[+-] [^\n]*\n)+)\. (\d+) (\d+)\n"))
        {
            var lines = frame.Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            if (lines.Length != int.Parse(frame.Groups[2].Value) || frame.Groups[1].Value.Sum(c => (long)c) != long.Parse(frame.Groups[3].Value)) break;
            foreach (var line in lines)
            {
                var key = line.Split(' ')[1];
                if (line[0] == '+') peers[key] = line[2..];
                else peers.Remove(key);
            }
        }

        return [.. peers.Values];
    }

    public Task LoadAsync() => OnAsync("runuser", "-u", "cvault", "--", "/usr/local/lib/cvault-wg/cvault-wg", "load");

    public Task RebootAsync() => LabAsync("reboot", "vpn1");

    /// <summary>A command as root of the server; what it printed.</summary>
    public async Task<string> OnAsync(params string[] command) => (await LabAsync(["exec", "vpn1", "--", .. command])).Text;

    public ProgramPeer NewPeer()
    {
        var n = 256 + addresses++ % 60_000;
        return new(Random(), Random(), $"10.8.{n >> 8}.{n & 255}/32,fd8c:7a11:1::1:{n:x}/128");
    }

    public ProgramPeer[] NewPeers(int count) => [.. Enumerable.Range(0, count).Select(_ => NewPeer())];

    private static string Random() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private IEnumerable<int> Processes(string name) => StackProcess.All().Where(p => StackProcess.NameOf(p) == name && StackProcess.NetworkOf(p) == network);

    private Task<Output> LabAsync(params string[] command) => Stack.RunAsync("/usr/bin/env", ["CVAULT_STATE_DIR=" + folder, "ops/lab", .. command]);
}

/// <param name="Addresses">In CIDR form, comma-separated.</param>
public sealed record ProgramPeer(string Key, string PresharedKey, string Addresses)
{
    /// <summary>As in the server's files, and on the wire behind the "+".</summary>
    public string Text => $"{Key} {PresharedKey} {Addresses}";

    public string Add => "+ " + Text;
    public string Remove => "- " + Key;
}

/// <summary>One connection to the server program.</summary>
public sealed class ProgramSession(Process ssh) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The process that serves it, on the server.</summary>
    public int Program { get; set; }

    public ValueTask DisposeAsync()
    {
        StackProcess.Kill(ssh.Id);
        ssh.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>One exchange, up to its "ok" or "error" line; what there was of it when the connection ended.</summary>
    public async Task<string[]> AskAsync(params string[] lines)
    {
        var answer = new List<string>();
        try
        {
            await ssh.StandardInput.WriteAsync(string.Concat(lines.Select(l => l + "\n")));
            await ssh.StandardInput.FlushAsync();
            while (await ssh.StandardOutput.ReadLineAsync().WaitAsync(Patience) is { } line)
            {
                answer.Add(line);
                if (line == "ok" || line.StartsWith("ok ", StringComparison.Ordinal) || line.StartsWith("error ", StringComparison.Ordinal)) break;
            }
        }
        catch (IOException)
        {
            // The other end was killed, which is what some tests are for.
        }

        return [.. answer];
    }

    public Task<string[]> ApplyAsync(params string[] lines) => AskAsync([$"apply {lines.Length}", .. lines]);
    public Task<string[]> SyncAsync(IReadOnlyCollection<ProgramPeer> peers) => AskAsync([$"sync {peers.Count}", .. peers.Select(p => p.Add)]);

    public async Task<string[]> OkAsync(params string[] lines)
    {
        var answer = await AskAsync(lines);
        Assert.StartsWith("ok", answer.LastOrDefault("(the connection ended)"), StringComparison.Ordinal);
        return answer;
    }

    /// <summary>The peers of its dump, as <see cref="ProgramPeer.Text"/>.</summary>
    public async Task<HashSet<string>> PeersAsync() => [.. (await OkAsync("dump")).Where(l => l.StartsWith("peer ", StringComparison.Ordinal)).Select(l => string.Join(' ', l.Split(' ')[1..4]))];
}
