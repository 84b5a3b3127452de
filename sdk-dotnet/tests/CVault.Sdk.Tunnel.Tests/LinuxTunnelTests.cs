using CVault.Sdk.Tunnel.Linux;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>What is run on Linux, in what order, and what undoes it. That it works is shown in the lab.</summary>
public sealed class LinuxTunnelTests : IDisposable
{
    private const string Kill = "cvault-kill-cvault0";
    private readonly string folder = Directory.CreateTempSubdirectory("cvault-tunnel-").FullName;
    private readonly FakeRunner runner = new();
    private readonly LinuxPaths paths;
    private readonly LinuxTunnel tunnel;
    private bool isRoot = true;

    public LinuxTunnelTests()
    {
        paths = new LinuxPaths(Path.Combine(folder, "run"), Path.Combine(folder, "etc"), Path.Combine(folder, "proc"));
        Directory.CreateDirectory(paths.Etc);
        Directory.CreateDirectory(Path.GetDirectoryName(paths.DisableIPv6("cvault0"))!);
        Directory.CreateDirectory(Path.GetDirectoryName(paths.SrcValidMark)!);
        Directory.CreateDirectory(Path.Combine(paths.Proc, "net"));
        File.WriteAllText(paths.DisableIPv6("cvault0"), "0\n");
        File.WriteAllText(paths.SrcValidMark, "0\n");
        File.WriteAllText(paths.ResolvConf, "nameserver 192.0.2.53\n");
        Links();
        runner.Missing.Add("resolvconf");
        runner.Missing.Add("resolvectl");
        foreach (var name in new[] { "cvault0", "split", "full", "one", "two" }) runner.Fail("nft list table inet " + Firewall.KillSwitchTable(name), "Error: No such file or directory");
        // The interface comes and goes with the commands.
        runner.Answers.Insert(0, ("ip link add", () => { Links("cvault0"); return new ProcessResult(0, "", ""); }));
        runner.Answers.Insert(0, ("ip link delete", () => { Links(); return new ProcessResult(0, "", ""); }));
        tunnel = new LinuxTunnel(runner, paths, NullLogger.Instance, () => isRoot);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task the_kill_switch_stands_before_anything_else_and_goes_last()
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        var commands = runner.Commands.ToList();
        var switched = runner.Ran.ToList().FindIndex(r => r.Input?.Contains($"table inet {Kill} {{", StringComparison.Ordinal) == true);
        Assert.InRange(switched, 0, commands.IndexOf("ip link add dev cvault0 type wireguard") - 1);

        runner.Ran.Clear();
        await tunnel.DownAsync("cvault0", keepKillSwitch: false, default);
        Assert.Equal(Firewall.Remove(Kill), runner.Ran.Last().Input);
        Assert.Contains("ip link delete dev cvault0", runner.Commands);
        Assert.False(await tunnel.ExistsAsync("cvault0", default));
        Assert.Equal("nameserver 192.0.2.53\n", await File.ReadAllTextAsync(paths.ResolvConf));
        Assert.Equal("0", await File.ReadAllTextAsync(paths.SrcValidMark));
    }

    [Fact]
    public async Task everything_is_made_as_wg_quick_makes_it()
    {
        await UpAsync();
        Assert.Equal(
            [
                "ip link add dev cvault0 type wireguard",
                "wg setconf cvault0 /dev/stdin",
                "ip -4 address add 10.8.0.2/32 dev cvault0",
                "ip -6 address add fd8c:7a11:1::2/128 dev cvault0",
                "ip link set mtu 1420 up dev cvault0",
                "nft -f -",
                "ip -4 route add 0.0.0.0/0 dev cvault0 table 53000",
                "ip -4 rule add pref 30000 table main suppress_prefixlength 0",
                "ip -4 rule add pref 30001 not fwmark 53000 table 53000",
                "ip -6 route add ::/0 dev cvault0 table 53000",
                "ip -6 rule add pref 30000 table main suppress_prefixlength 0",
                "ip -6 rule add pref 30001 not fwmark 53000 table 53000",
            ],
            runner.Commands.SkipWhile(c => !c.StartsWith("ip link add", StringComparison.Ordinal)));
        Assert.Equal("1", await File.ReadAllTextAsync(paths.SrcValidMark));
        Assert.EndsWith("\nnameserver 198.51.100.2\n", await File.ReadAllTextAsync(paths.ResolvConf), StringComparison.Ordinal);
        Assert.DoesNotContain(runner.Ran, r => r.Input?.Contains(Kill + " {", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task secrets_go_by_standard_input_alone_and_are_in_no_file()
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        runner.Answer("wg show cvault0 dump", Dump(handshake: 1_700_000_000, 500, 700));
        await tunnel.RenewAsync("cvault0", default);
        // FakeRunner looks at every argument.
        Assert.Equal(2, runner.Ran.Count(r => r.Input?.Contains(Samples.PresharedKey, StringComparison.Ordinal) == true));
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)) Samples.HasNoSecret(await File.ReadAllTextAsync(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(paths.State("cvault0")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(paths.Run));
    }

    [Fact]
    public async Task a_new_session_keeps_the_counts()
    {
        await UpAsync();
        runner.Answer("wg show cvault0 dump", Dump(1_700_000_000, 500, 700));
        await tunnel.RenewAsync("cvault0", default);
        Assert.Contains($"wg set cvault0 peer {Samples.PublicKey} remove peer {Samples.PublicKey} preshared-key /dev/stdin endpoint 203.0.113.7:51820 persistent-keepalive 25 allowed-ips 0.0.0.0/0,::/0", runner.Commands);
        runner.Answer("wg show cvault0 dump", Dump(0, 92, 148));
        var reading = (await tunnel.ReadAsync("cvault0", default))!;
        Assert.Equal((592, 848), (reading.RxBytes, reading.TxBytes));
        Assert.Null(reading.LastHandshake);
    }

    [Theory]
    [InlineData("ip link add")]
    [InlineData("wg setconf")]
    [InlineData("ip -4 address add")]
    [InlineData("ip -6 rule add pref 30001")]
    public async Task what_fails_is_taken_back(string command)
    {
        runner.Fail(command, "RTNETLINK answers: canary");
        var e = await Assert.ThrowsAsync<TunnelException>(() => UpAsync(new TunnelOptions { KillSwitch = true }));
        Assert.Equal(TunnelErrorCodes.CommandFailed, e.Code);
        Assert.Contains("canary", e.Message, StringComparison.Ordinal);
        Assert.False(paths.HasLink("cvault0"));
        Assert.Equal(Firewall.Remove(Kill), runner.Ran.Last().Input);
        Assert.False(File.Exists(paths.State("cvault0")));
        Assert.Equal("nameserver 192.0.2.53\n", await File.ReadAllTextAsync(paths.ResolvConf));
    }

    [Fact]
    public async Task a_kill_switch_that_stood_before_a_failure_stands_after_it()
    {
        runner.Answer("nft list table inet " + Kill, "table");
        runner.Fail("wg setconf", "no");
        await Assert.ThrowsAsync<TunnelException>(() => UpAsync(new TunnelOptions { KillSwitch = true }));
        Assert.DoesNotContain(runner.Ran, r => r.Input == Firewall.Remove(Kill));
        Assert.True(await tunnel.ExistsAsync("cvault0", default));
    }

    [Fact]
    public async Task between_two_tunnels_the_kill_switch_can_stay()
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        runner.Answer("nft list table inet " + Kill, "table");
        runner.Ran.Clear();
        await tunnel.DownAsync("cvault0", keepKillSwitch: true, default);
        Assert.DoesNotContain(runner.Ran, r => r.Input == Firewall.Remove(Kill));
        Assert.True(await tunnel.ExistsAsync("cvault0", default));
        Assert.Null(await tunnel.ReadAsync("cvault0", default));

        // The next one without it removes it, once it is up.
        runner.Ran.Clear();
        await UpAsync();
        Assert.Equal(Firewall.Remove(Kill), runner.Ran.Last().Input);
    }

    [Theory]
    [InlineData(1, "Error: Could not process rule: Cannot allocate memory")]
    [InlineData(127, "nft: error while loading shared libraries: libnftables.so.1: cannot open shared object file: No such file or directory")]
    public async Task a_kill_switch_that_nft_cannot_tell_of_is_not_taken_for_none(int exitCode, string error)
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        runner.Answers.Insert(0, ("nft list", () => new ProcessResult(exitCode, "", error)));
        Assert.Equal(TunnelErrorCodes.CommandFailed, (await Assert.ThrowsAsync<TunnelException>(() => tunnel.HasKillSwitchAsync("cvault0", default))).Code);
        runner.Ran.Clear();
        await tunnel.DownAsync("cvault0", keepKillSwitch: true, default);
        Assert.DoesNotContain(runner.Ran, r => r.Input == Firewall.Remove(Kill));
        Assert.True(await tunnel.ExistsAsync("cvault0", default));

        // And of one that this machine's state knows nothing of.
        File.Delete(paths.State("cvault0"));
        await Assert.ThrowsAsync<TunnelException>(() => tunnel.DownAsync("cvault0", keepKillSwitch: true, default));
        await Assert.ThrowsAsync<TunnelException>(() => UpAsync());
        Assert.DoesNotContain(runner.Ran, r => r.Input == Firewall.Remove(Kill));
    }

    [Fact]
    public async Task a_kill_switch_that_another_program_removed_is_loaded_again()
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        var loaded = runner.Ran.Single(r => r.Input?.Contains(Kill + " {", StringComparison.Ordinal) == true);
        runner.Ran.Clear();
        Assert.True(await tunnel.HoldKillSwitchAsync("cvault0", default));
        Assert.Equal(loaded, runner.Ran.Last());

        // Where it cannot be, it is not said to stand.
        runner.Fail("nft -f", "no");
        Assert.False(await tunnel.HoldKillSwitchAsync("cvault0", default));
        runner.Answers.RemoveAt(0);

        // One that is kept is held too, and is loaded before the tunnel goes.
        runner.Ran.Clear();
        await tunnel.DownAsync("cvault0", keepKillSwitch: true, default);
        Assert.InRange(runner.Ran.ToList().IndexOf(loaded), 0, runner.Commands.ToList().IndexOf("ip link delete dev cvault0"));
        runner.Ran.Clear();
        Assert.True(await tunnel.HoldKillSwitchAsync("cvault0", default));
        Assert.Equal(loaded, runner.Ran.Last());

        // One that was taken down, or was never wanted, is not.
        await tunnel.DownAsync("cvault0", keepKillSwitch: false, default);
        Assert.False(await tunnel.HoldKillSwitchAsync("cvault0", default));
        await UpAsync();
        runner.Ran.Clear();
        Assert.False(await tunnel.HoldKillSwitchAsync("cvault0", default));
        Assert.DoesNotContain("nft -f -", runner.Commands);
    }

    [Fact]
    public async Task a_kill_switch_stays_where_the_rest_could_not_be_undone()
    {
        await UpAsync(new TunnelOptions { KillSwitch = true });
        runner.Fail("ip link delete", "busy");
        runner.Ran.Clear();
        await Assert.ThrowsAsync<TunnelException>(() => tunnel.DownAsync("cvault0", keepKillSwitch: false, default));
        Assert.DoesNotContain(runner.Ran, r => r.Input == Firewall.Remove(Kill));
    }

    [Fact]
    public async Task where_the_kernel_has_no_wireguard_another_program_runs_it_apart_from_this_one()
    {
        runner.Answers.Insert(0, ("ip link add", () => { Links("cvault0"); return new ProcessResult(2, "", "Error: Unknown device type."); }));
        await UpAsync();
        Assert.Contains("setsid /usr/bin/wireguard-go cvault0", runner.Commands);
        await tunnel.DownAsync("cvault0", false, default);

        runner.Missing.Add("wireguard-go");
        Links();
        var e = await Assert.ThrowsAsync<TunnelException>(() => UpAsync());
        Assert.Equal(TunnelErrorCodes.ToolsMissing, e.Code);
        Assert.Contains("wireguard-go", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task a_machine_without_ipv6_gets_a_tunnel_without_it()
    {
        File.Delete(paths.DisableIPv6("cvault0"));
        await UpAsync();
        Assert.DoesNotContain(runner.Commands, c => c.StartsWith("ip -6 address", StringComparison.Ordinal) || c.StartsWith("ip -6 rule add", StringComparison.Ordinal));
    }

    [Fact]
    public async Task networks_of_a_split_tunnel_go_into_the_main_table()
    {
        await tunnel.UpAsync(WireGuardConfig.Parse(Samples.With("AllowedIPs", "AllowedIPs = 10.8.0.0/16")), new TunnelOptions(), default);
        Assert.Contains("ip -4 route add 10.8.0.0/16 dev cvault0", runner.Commands);
        Assert.DoesNotContain(runner.Commands, c => c.Contains("rule add", StringComparison.Ordinal));
    }

    [Fact]
    public async Task a_network_that_the_machine_has_a_route_to_is_refused_and_nothing_is_left()
    {
        runner.Fail("ip -4 route add 192.0.2.0/24", "RTNETLINK answers: File exists");
        var e = await Assert.ThrowsAsync<TunnelException>(() => UpAsync("AllowedIPs = 10.8.0.0/16, 192.0.2.0/24"));
        Assert.Equal(TunnelErrorCodes.CommandFailed, e.Code);
        Assert.Contains("192.0.2.0/24", e.Message, StringComparison.Ordinal);
        Assert.Contains("this machine's own already", e.Message, StringComparison.Ordinal);
        Assert.False(paths.HasLink("cvault0"));
        Assert.False(await tunnel.ExistsAsync("cvault0", default));

        // The kernel's own, of the tunnel's address, is no other's.
        runner.Answer("ip -4 route show 192.0.2.0/24 dev cvault0", "192.0.2.0/24 proto kernel scope link src 192.0.2.7\n");
        await UpAsync("AllowedIPs = 192.0.2.0/24");
    }

    [Theory]
    [InlineData("0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/1", "128.0.0.0/1")] // everything, around the default route
    [InlineData("203.0.113.0/24", "203.0.113.0/24")] // the server is in it
    public async Task wireguard_s_own_packets_never_go_into_the_tunnel(string allowed, params string[] networks)
    {
        await UpAsync("AllowedIPs = " + allowed);
        Assert.Equal(
            [
                .. networks.Select(n => $"ip -4 route add {n} dev cvault0 table 53000"),
                "ip -4 rule add pref 30000 table main suppress_prefixlength 0",
                "ip -4 rule add pref 30001 not fwmark 53000 table 53000",
            ],
            runner.Commands.Where(c => c.Contains("route add", StringComparison.Ordinal) || c.Contains("rule add", StringComparison.Ordinal)));
        Assert.Equal("1", await File.ReadAllTextAsync(paths.SrcValidMark));
    }

    [Fact]
    public async Task a_tunnel_whose_state_is_damaged_leaves_no_rules_and_another_s_stay()
    {
        await UpAsync();
        await UpAsync("AllowedIPs = 0.0.0.0/0", new TunnelOptions { InterfaceName = "full" });
        // "full" is owned, 53002 is in use, and 51820 is wg-quick's.
        string[] rules = ["30001: not from all fwmark 0xcf08 lookup 53000", "30003: not from all fwmark 0xcf09 lookup 53001", "30005: not from all fwmark 0xcf0a lookup 53002", "32765: not from all fwmark 0xca6c lookup 51820"];
        runner.Answer("ip -4 rule show", string.Join('\n', rules));
        runner.Answer("ip -4 route show table 53002", "default dev other scope link");
        runner.Answers.Insert(0, ("ip -4 rule delete", () => new ProcessResult(2, "", "RTNETLINK answers: No such file or directory")));
        await File.WriteAllTextAsync(paths.State("cvault0"), "");
        runner.Ran.Clear();
        await tunnel.DownAsync("cvault0", false, default);
        Assert.Equal(
            ["ip -4 rule delete pref 30000 table main suppress_prefixlength 0", "ip -4 rule delete pref 30001 not fwmark 53000 table 53000"],
            runner.Commands.Where(c => c.StartsWith("ip -4 rule delete", StringComparison.Ordinal)));
        Assert.Equal("1", await File.ReadAllTextAsync(paths.SrcValidMark));

        // Where no rule asks for a mark any more, nobody needs it.
        File.Delete(paths.State("full"));
        runner.Answer("ip -4 rule show", "30000: from all lookup main suppress_prefixlength 0");
        await tunnel.DownAsync("full", false, default);
        Assert.Equal("0", await File.ReadAllTextAsync(paths.SrcValidMark));
    }

    [Fact]
    public async Task a_split_tunnel_and_a_full_one_share_no_number_and_the_split_one_takes_no_rule_with_it()
    {
        await UpAsync("AllowedIPs = 10.8.0.0/16", new TunnelOptions { InterfaceName = "split" });
        await UpAsync("AllowedIPs = 0.0.0.0/0", new TunnelOptions { InterfaceName = "full" });
        Assert.Contains("ip -4 rule add pref 30003 not fwmark 53001 table 53001", runner.Commands);
        runner.Ran.Clear();
        await tunnel.DownAsync("split", false, default);
        Assert.DoesNotContain(runner.Commands, c => c.Contains("rule delete", StringComparison.Ordinal));
        await tunnel.DownAsync("full", false, default);
        Assert.Contains("ip -4 rule delete pref 30003 not fwmark 53001 table 53001", runner.Commands);
    }

    [Theory]
    [InlineData("30001:	not from all fwmark 0xcf08 lookup 53000 ", 53001)]
    [InlineData("30000:	from all lookup main suppress_prefixlength 0", 53001)]
    [InlineData("32765:	not from all fwmark 0xca6c lookup 51820", 53000)] // wg-quick's
    public async Task a_table_that_a_rule_leads_to_is_taken_though_it_is_empty(string rule, int table)
    {
        runner.Answer("ip -6 rule show", "0:	from all lookup local\n" + rule + "\n32766:	from all lookup main\n");
        await UpAsync();
        Assert.Contains($"ip -4 rule add pref {30001 + 2 * (table - 53000)} not fwmark {table} table {table}", runner.Commands);
    }

    [Fact]
    public async Task src_valid_mark_stays_while_another_tunnel_needs_it()
    {
        await UpAsync("AllowedIPs = 0.0.0.0/0", new TunnelOptions { InterfaceName = "one" });
        await UpAsync("AllowedIPs = 0.0.0.0/0", new TunnelOptions { InterfaceName = "two" });
        await UpAsync("AllowedIPs = 10.8.0.0/16", new TunnelOptions { InterfaceName = "split" });
        await tunnel.DownAsync("one", false, default);
        Assert.Equal("1", await File.ReadAllTextAsync(paths.SrcValidMark));
        await tunnel.DownAsync("two", false, default);
        Assert.Equal("0", await File.ReadAllTextAsync(paths.SrcValidMark));
    }

    [Fact]
    public async Task another_s_interface_is_left_alone()
    {
        Links("cvault0");
        Assert.Equal(TunnelErrorCodes.AlreadyUp, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync())).Code);
        Assert.All(runner.Commands, c => Assert.StartsWith("nft list", c, StringComparison.Ordinal));
        Assert.False(await tunnel.ExistsAsync("cvault0", default));
    }

    [Fact]
    public async Task who_may_not_and_what_is_missing_is_told_at_once()
    {
        runner.Missing.Add("wg");
        var missing = await Assert.ThrowsAsync<TunnelException>(() => UpAsync());
        Assert.Equal(TunnelErrorCodes.ToolsMissing, missing.Code);
        Assert.Contains("wireguard-tools", missing.Message, StringComparison.Ordinal);
        isRoot = false;
        Assert.Equal(TunnelErrorCodes.NotPermitted, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync())).Code);
        runner.Missing.Clear();
        isRoot = true;
        runner.Fail("ip link add", "RTNETLINK answers: Operation not permitted");
        Assert.Equal(TunnelErrorCodes.NotPermitted, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync())).Code);
    }

    private Task UpAsync(TunnelOptions? options = null) => tunnel.UpAsync(WireGuardConfig.Parse(Samples.Config), options ?? new TunnelOptions(), default);

    private Task UpAsync(string allowed, TunnelOptions? options = null) => tunnel.UpAsync(WireGuardConfig.Parse(Samples.With("AllowedIPs", allowed)), options ?? new TunnelOptions(), default);

    private void Links(params string[] names) =>
        File.WriteAllText(Path.Combine(paths.Proc, "net/dev"), "Inter-|   Receive\n face |bytes\n    lo: 0\n" + string.Concat(names.Select(n => $"{n}: 0\n")));

    private static string Dump(long handshake, long rx, long tx) =>
        $"{Samples.PrivateKey}\t{Samples.PublicKey}\t40000\t0xcf08\n{Samples.PublicKey}\t{Samples.PresharedKey}\t203.0.113.7:51820\t0.0.0.0/0,::/0\t{handshake}\t{rx}\t{tx}\t25\n";
}
