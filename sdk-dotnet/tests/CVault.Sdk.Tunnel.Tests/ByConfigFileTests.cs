using CVault.Sdk.Tunnel.ByConfigFile;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>What would be run on macOS and Windows. It was not run there: these tests are all that there is.</summary>
public sealed class ByConfigFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("cvault-conf-").FullName;
    private readonly FakeRunner runner = new();

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task macos_runs_wg_quick_on_a_file_that_only_root_reads()
    {
        var conf = Path.Combine(folder, "db/cvault0.conf");
        var tunnel = new MacTunnel(runner, NullLogger.Instance, () => true, SecretFiles.WriteUnix, Path.Combine(folder, "db"), folder);
        Assert.Null(await tunnel.ReadAsync("cvault0", default));
        await UpAsync(tunnel);
        Assert.Equal("wg-quick up " + conf, runner.Commands.Single());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(conf));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(folder, "db")));
        Assert.Equal(WireGuardConfig.Parse(Samples.Config).ToQuickConf(useDns: true), await File.ReadAllTextAsync(conf));

        await File.WriteAllTextAsync(Path.Combine(folder, "cvault0.name"), "utun7\n");
        runner.Answer("wg show utun7 dump", $"k\tk\t1\toff\n{Samples.PublicKey}\t{Samples.PresharedKey}\t203.0.113.7:51820\t0.0.0.0/0,::/0\t1700000000\t5\t7\t25\n");
        Assert.Equal((5, 7), await tunnel.ReadAsync("cvault0", default) is { } r ? (r.RxBytes, r.TxBytes) : default);
        Assert.Equal(TunnelErrorCodes.AlreadyUp, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync(tunnel))).Code);
        await tunnel.RenewAsync("cvault0", default);
        Assert.Equal((10, 14), await tunnel.ReadAsync("cvault0", default) is { } again ? (again.RxBytes, again.TxBytes) : default);

        Assert.True(await tunnel.ExistsAsync("cvault0", default));
        await tunnel.DownAsync("cvault0", false, default);
        Assert.Equal("wg-quick down " + conf, runner.Commands.Last());
        Assert.False(File.Exists(conf));
    }

    [Fact]
    public async Task windows_installs_the_tunnel_service_and_removes_it()
    {
        var conf = Path.Combine(folder, "cvault0.conf");
        var tunnel = Windows();
        await UpAsync(tunnel);
        Assert.Equal("wireguard /installtunnelservice " + conf, runner.Commands.Single());
        runner.Fail("wg show", "No such device");
        Assert.Null(await tunnel.ReadAsync("cvault0", default));
        await tunnel.DownAsync("cvault0", false, default);
        Assert.Equal("wireguard /uninstalltunnelservice cvault0", runner.Commands.Last());
        Assert.False(File.Exists(conf));
        await tunnel.DownAsync("cvault0", false, default);
    }

    [Fact]
    public async Task no_config_is_left_where_the_program_fails()
    {
        runner.Fail("wireguard /install", "no");
        Assert.Equal(TunnelErrorCodes.CommandFailed, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync(Windows()))).Code);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task the_kill_switch_is_refused_and_so_is_who_may_not()
    {
        var e = await Assert.ThrowsAsync<TunnelException>(() => UpAsync(Windows(), new TunnelOptions { KillSwitch = true }));
        Assert.Equal(TunnelErrorCodes.NotSupported, e.Code);
        var user = new WindowsTunnel(runner, NullLogger.Instance, () => false, folder, File.WriteAllText);
        Assert.Equal(TunnelErrorCodes.NotPermitted, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync(user))).Code);
        runner.Missing.Add("wireguard");
        Assert.Equal(TunnelErrorCodes.ToolsMissing, (await Assert.ThrowsAsync<TunnelException>(() => UpAsync(Windows()))).Code);
    }

    private WindowsTunnel Windows() => new(runner, NullLogger.Instance, () => true, folder, File.WriteAllText);

    private static Task UpAsync(ConfigFileTunnel tunnel, TunnelOptions? options = null) => tunnel.UpAsync(WireGuardConfig.Parse(Samples.Config), options ?? new TunnelOptions(), default);
}
