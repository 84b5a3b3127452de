using System.Text.Json.Nodes;

namespace CVault.Tests.Lab;

/// <summary>Row 39 of the plan: what someone who stole the control plane's SSH key could do on a server: speak the protocol, and nothing else.</summary>
public sealed class ControlKeyTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("cvault-control-key-").FullName;
    private readonly string host = "";

    public ControlKeyTests()
    {
        if (!Stack.HasLab) return;
        var server = JsonNode.Parse(File.ReadAllText(Path.Combine(Stack.StateDir, "lab", "servers.json")))!.AsArray().Single(s => s!["name"]!.ToString() == "vpn2")!;
        host = server["ssh_host"]!.ToString();
        File.WriteAllText(Path.Combine(folder, "known_hosts"), $"{host} {server["ssh_host_key"]}\n");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task it_speaks_the_protocol()
    {
        LabClient.Required();
        Assert.Matches(@"^ok cvault-wg/1 \S{44} 51820 ", (await SshAsync([], "version\n")).Text);
    }

    [Theory, InlineData("id"), InlineData("cvault-wg; id"), InlineData("sh"), InlineData("cvault-wg load"), InlineData("/usr/local/lib/cvault-wg/wg show wg0 private-key"), InlineData("scp -f /etc/passwd"), InlineData("/usr/lib/openssh/sftp-server")]
    public async Task it_runs_no_command(string command)
    {
        LabClient.Required();
        var answer = await SshAsync([], after: [command]);
        Assert.StartsWith("error refused", answer.Text, StringComparison.Ordinal);
        Assert.Single(answer.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task what_it_starts_is_not_root()
    {
        LabClient.Required();
        // The API's own connection has one running, behind the forced command as any other.
        var network = (await Stack.OnAsync("vpn2", ["readlink", "/proc/self/ns/net"])).Text.Trim();
        // Not the wg that it has in its folder and calls: that may change interfaces, and is gone at once.
        var programs = StackProcess.All().Where(p => StackProcess.ArgumentsOf(p).TrimEnd('\0').EndsWith("/cvault-wg", StringComparison.Ordinal) && StackProcess.NetworkOf(p) == network).ToArray();
        Assert.NotEmpty(programs);
        foreach (var status in programs.Select(p => File.ReadAllLines($"/proc/{p}/status")))
        {
            // Real, effective, saved and file system's user; and no capability instead.
            var users = status.Single(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1..];
            Assert.All(users, u => Assert.NotEqual("0", u));
            Assert.Equal("CapEff:\t0000000000000000", status.Single(l => l.StartsWith("CapEff:", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public async Task it_gets_no_terminal()
    {
        LabClient.Required();
        Assert.Contains("PTY allocation request failed", (await SshAsync(["-tt", "-o", "LogLevel=INFO"])).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task it_forwards_nothing_to_the_inside()
    {
        LabClient.Required();
        // -W asks for the same channel as -L, without a port of ours.
        var answer = await SshAsync(["-W", "198.51.100.2:80"], "GET /ip HTTP/1.0\r\n\r\n");
        Assert.NotEqual(0, answer.ExitCode);
        Assert.Equal("", answer.Text);
    }

    [Fact]
    public async Task it_forwards_nothing_from_the_inside()
    {
        LabClient.Required();
        Assert.NotEqual(0, (await SshAsync(["-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:22"])).ExitCode);
    }

    [Theory, InlineData("sftp"), InlineData("scp")]
    public async Task it_copies_no_file(string program)
    {
        LabClient.Required();
        var stolen = Path.Combine(folder, "stolen");
        string[] legacy = program == "scp" ? ["-O"] : [];
        var answer = await Stack.RunAsync("/usr/bin/timeout", ["15", program, .. legacy, .. Options, $"cvault@{host}:/etc/passwd", stolen], mayFail: true);
        Assert.NotEqual(0, answer.ExitCode);
        Assert.False(File.Exists(stolen));
    }

    [Fact]
    public async Task it_passes_no_environment()
    {
        LabClient.Required();
        // Either would keep Perl from starting.
        var answer = await SshAsync(["-o", "SetEnv=PERL5OPT=-MNoSuchModule", "-o", "SetEnv=PERL5LIB=/nowhere"], "version\n");
        Assert.StartsWith("ok cvault-wg/1 ", answer.Text, StringComparison.Ordinal);
        Assert.Equal("", answer.Error);
    }

    [Fact]
    public async Task it_passes_no_locale_either()
    {
        LabClient.Required();
        // Debian's sshd_config accepts LC_* from everyone; Perl complains of one that it does not know.
        var answer = await SshAsync(["-o", "SetEnv=LC_ALL=xx_XX"], "version\n");
        Assert.StartsWith("ok cvault-wg/1 ", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("locale", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task it_opens_no_other_account()
    {
        LabClient.Required();
        Assert.NotEqual(0, (await Stack.RunAsync("/usr/bin/timeout", ["15", "ssh", .. Options, "root@" + host, "id"], mayFail: true)).ExitCode);
    }

    [Theory]
    [InlineData("apply 1\n+ notakey - 10.8.200.1/32\n", "error bad-line 1")]
    [InlineData("apply 2\n+ {new} - 10.8.200.1/32\n+ {other} - 10.8.200.0/24\n", "error bad-line 2")]
    [InlineData("apply 1\n+ {new} - 10.9.0.1/32\n", "error bad-line 1")]
    [InlineData("apply 1\n+ {new} - 10.8.0.1/32\n", "error bad-line 1")]
    [InlineData("apply 1\n+ {new} - 10.8.200.1/32;id\n", "error bad-line 1")]
    [InlineData("apply 1\n+ {new} $(id) 10.8.200.1/32\n", "error bad-line 1")]
    [InlineData("apply -1\n", "error unknown-verb")]
    [InlineData("apply 99999999999\n", "error unknown-verb")]
    [InlineData("sync 0\n", "error empty")]
    [InlineData("apply 2\n+ {new} - 10.8.200.1/32\n", "")]
    [InlineData("GET / HTTP/1.1\n", "error unknown-verb")]
    public async Task a_malformed_frame_changes_nothing(string frame, string error)
    {
        LabClient.Required();
        var (@new, other) = (NewKey(), NewKey());

        var answer = await SshAsync([], frame.Replace("{new}", @new, StringComparison.Ordinal).Replace("{other}", other, StringComparison.Ordinal));

        Assert.StartsWith(error, answer.Text, StringComparison.Ordinal);
        Assert.True(error.Length > 0 || answer.Text.Length == 0, $"A frame cut short was answered: {answer.Text}");
        var peers = await LabServer.Vpn2.PeersAsync();
        Assert.False(peers.ContainsKey(@new) || peers.ContainsKey(other) || peers.Values.Any(p => p.AllowedIps.Contains("10.8.200.", StringComparison.Ordinal)));
    }

    private static string NewKey() => Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32));

    private Task<Output> SshAsync(string[] options, string input = "", string[]? after = null) =>
        Stack.RunAsync("/usr/bin/timeout", ["15", "ssh", .. Options, .. options, "cvault@" + host, .. after ?? []], input, mayFail: true);

    private string[] Options =>
    [
        "-F", "/dev/null", "-i", Path.Combine(Stack.StateDir, "secrets", "ssh-key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
        "-o", "UserKnownHostsFile=" + Path.Combine(folder, "known_hosts"), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR",
    ];
}
