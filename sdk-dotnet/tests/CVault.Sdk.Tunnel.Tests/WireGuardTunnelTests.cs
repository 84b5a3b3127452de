using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>A tunnel's life, on a system that answers as told.</summary>
public sealed class WireGuardTunnelTests
{
    private readonly FakeSystem system = new();

    [Fact]
    public async Task up_waits_for_the_server_and_dispose_takes_down()
    {
        system.Now = new Reading(null, 0, 148, null);
        var up = UpAsync();
        await Task.Delay(300);
        Assert.False(up.IsCompleted);
        system.Now = new Reading(DateTimeOffset.UtcNow, 92, 180, null);
        var tunnel = await up;
        Assert.Equal(TunnelState.Up, (await tunnel.StatusAsync()).State);
        await tunnel.DisposeAsync();
        await tunnel.DisposeAsync();
        Assert.Equal(["up", "down"], system.Done);
    }

    [Fact]
    public async Task a_server_that_does_not_answer_is_a_timeout_and_everything_is_taken_back()
    {
        system.Now = new Reading(null, 0, 148, null);
        var e = await Assert.ThrowsAsync<TunnelException>(() => UpAsync(TimeSpan.FromMilliseconds(300)));
        Assert.Equal(TunnelErrorCodes.Timeout, e.Code);
        Assert.Contains("203.0.113.7:51820", e.Message, StringComparison.Ordinal);
        Assert.Equal(["up", "down"], system.Done);
    }

    [Fact]
    public async Task a_caller_that_waits_no_more_gets_everything_taken_back()
    {
        system.Now = new Reading(null, 0, 148, null);
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WireGuardTunnel.UpAsync(system, TimeProvider.System, WireGuardConfig.Parse(Samples.Config), new TunnelOptions(), soon.Token));
        Assert.Equal(["up", "down"], system.Done);
    }

    [Fact]
    public async Task a_kill_switch_that_stood_before_stays_when_the_server_does_not_answer()
    {
        system.HasKillSwitch = true;
        system.Now = new Reading(null, 0, 148, null);
        await Assert.ThrowsAsync<TunnelException>(() => UpAsync(TimeSpan.FromMilliseconds(100)));
        Assert.Equal(["up", "down but for the kill switch"], system.Done);
    }

    [Fact]
    public async Task a_tunnel_that_is_detached_stays_up()
    {
        var tunnel = await UpAsync();
        await tunnel.DetachAsync();
        await tunnel.DisposeAsync();
        Assert.Equal(["up"], system.Done);
    }

    [Fact]
    public async Task one_that_is_there_is_adopted_and_nothing_is_not()
    {
        Assert.Null(await WireGuardTunnel.FindAsync(system, TimeProvider.System, "cvault0", null, default));
        system.Exists = true;
        var tunnel = await WireGuardTunnel.FindAsync(system, TimeProvider.System, "cvault0", null, default);
        await tunnel!.DownAsync(keepKillSwitch: true);
        Assert.Equal(["down but for the kill switch"], system.Done);
    }

    [Fact]
    public async Task changes_are_told_once_and_a_handler_that_throws_breaks_nothing()
    {
        var told = new ConcurrentQueue<TunnelState>();
        await using var tunnel = await UpAsync();
        tunnel.StatusChanged += (_, status) => told.Enqueue(status.State);
        tunnel.StatusChanged += (_, _) => throw new InvalidOperationException("a handler's own affair");
        system.Now = null;
        await UntilAsync(() => told.Count == 1);
        system.Now = new Reading(DateTimeOffset.UtcNow, 1, 1, null);
        await UntilAsync(() => told.Count == 2);
        await Task.Delay(1500); // the next look tells nothing
        Assert.Equal([TunnelState.Down, TunnelState.Up], told);
        Assert.DoesNotContain("renewed", system.Done);
    }

    [Fact]
    public async Task the_watch_asks_for_a_new_session_and_says_so()
    {
        var told = new ConcurrentQueue<TunnelStatus>();
        var handshake = DateTimeOffset.UtcNow;
        system.Now = new Reading(handshake, 1000, 1000, null);
        await using var tunnel = await UpAsync();
        tunnel.StatusChanged += (_, status) => told.Enqueue(status);
        await Task.Delay(1200);
        for (var i = 1; i <= 60 && told.IsEmpty; i++)
        {
            if (!system.Done.Contains("renewed")) system.Now = new Reading(handshake, 1000, 1000 + 500 * i, null);
            await Task.Delay(200);
        }

        Assert.Contains("renewed", system.Done);
        Assert.True(told.TryPeek(out var status));
        // The last handshake there was is still the last there was.
        Assert.Equal((TunnelState.Connecting, handshake), (status.State, status.LastHandshake));
        system.Now = new Reading(DateTimeOffset.UtcNow, 1092, 9000, null);
        await UntilAsync(() => told.Count == 2);
        Assert.Equal([TunnelState.Connecting, TunnelState.Up], told.Select(s => s.State));
    }

    [Fact]
    public async Task a_handler_may_wait_for_the_tunnel_to_go_down()
    {
        var told = new ConcurrentQueue<TunnelState>();
        var tunnel = await UpAsync();
        tunnel.StatusChanged += (_, status) => told.Enqueue(status.State);
        tunnel.StatusChanged += (_, status) =>
        {
            if (status.State == TunnelState.Connecting) tunnel.DownAsync().GetAwaiter().GetResult();
        };
        system.Now = new Reading(null, 92, 180, null);
        for (var i = 0; i < 100 && told.Count < 2; i++) await Task.Delay(100);
        Assert.Equal([TunnelState.Connecting, TunnelState.Down], told);
        Assert.Contains("down", system.Done);
    }

    [Fact]
    public async Task who_takes_it_down_finds_it_told()
    {
        TunnelState? told = null;
        var tunnel = await UpAsync();
        tunnel.StatusChanged += (_, status) =>
        {
            Thread.Sleep(200);
            told = status.State;
        };
        await tunnel.DownAsync();
        Assert.Equal(TunnelState.Down, told);
    }

    [Fact]
    public async Task the_watch_holds_the_kill_switch_and_tells_when_it_cannot()
    {
        var told = new ConcurrentQueue<(TunnelState, bool)>();
        system.HasKillSwitch = system.Holds = true;
        await using var tunnel = await WireGuardTunnel.UpAsync(system, TimeProvider.System, WireGuardConfig.Parse(Samples.Config), new TunnelOptions { KillSwitch = true }, default);
        tunnel.StatusChanged += (_, status) => told.Enqueue((status.State, status.KillSwitch));
        system.HasKillSwitch = false;
        await UntilAsync(() => system.HasKillSwitch);
        Assert.True((await tunnel.StatusAsync()).KillSwitch);
        Assert.Empty(told);
        system.HasKillSwitch = system.Holds = false;
        await UntilAsync(() => told.Count == 1);
        system.Holds = true;
        await UntilAsync(() => told.Count == 2);
        Assert.Equal([(TunnelState.Up, false), (TunnelState.Up, true)], told);
        // One that is kept and does not stand is not said to.
        system.HasKillSwitch = system.Holds = false;
        await tunnel.DownAsync(keepKillSwitch: true);
        await UntilAsync(() => told.Last() == (TunnelState.Down, false));
    }

    [Fact]
    public async Task a_config_without_a_key_and_a_bad_name_reach_no_system()
    {
        var keyless = WireGuardConfig.Parse(Samples.With("PrivateKey", null));
        Assert.Equal(TunnelErrorCodes.ConfigInvalid, (await Assert.ThrowsAsync<TunnelException>(() => WireGuardTunnel.UpAsync(system, TimeProvider.System, keyless, new TunnelOptions(), default))).Code);
        foreach (var name in new[] { "", "0cvault", "cvault-too-long-name", "a;b", "a b", "a\"b", "../a", "a.b", "ü" })
        {
            var options = new TunnelOptions { InterfaceName = name };
            Assert.Equal(TunnelErrorCodes.OptionsInvalid, (await Assert.ThrowsAsync<TunnelException>(() => WireGuardTunnel.UpAsync(system, TimeProvider.System, WireGuardConfig.Parse(Samples.Config), options, default))).Code);
            Assert.Equal(TunnelErrorCodes.OptionsInvalid, (await Assert.ThrowsAsync<TunnelException>(() => WireGuardTunnel.FindAsync(name))).Code);
        }

        Assert.Empty(system.Done);
    }

    /// <summary>The watch looks once a second, and on a busy machine later.</summary>
    private static async Task UntilAsync(Func<bool> so, [CallerArgumentExpression(nameof(so))] string? what = null)
    {
        for (var i = 0; i < 600 && !so(); i++) await Task.Delay(50);
        Assert.True(so(), $"Not within 30 s: {what}");
    }

    private Task<WireGuardTunnel> UpAsync(TimeSpan? wait = null) => WireGuardTunnel.UpAsync(
        system, TimeProvider.System, WireGuardConfig.Parse(Samples.Config), new TunnelOptions { HandshakeTimeout = wait ?? TimeSpan.FromSeconds(15) }, default);

    private sealed class FakeSystem : ITunnelSystem
    {
        public volatile Reading? Now = new(DateTimeOffset.UtcNow, 92, 180, null);

        public ConcurrentQueue<string> Done { get; } = [];
        public bool Exists { get; set; }
        public bool HasKillSwitch { get; set; }
        public bool Holds { get; set; }

        public Task UpAsync(WireGuardConfig config, TunnelOptions options, CancellationToken cancellation) => Do("up");

        public Task<Reading?> ReadAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(Now);

        public Task RenewAsync(string interfaceName, CancellationToken cancellation)
        {
            Now = Now! with { LastHandshake = null };
            return Do("renewed");
        }

        public Task DownAsync(string interfaceName, bool keepKillSwitch, CancellationToken cancellation) => Do(keepKillSwitch ? "down but for the kill switch" : "down");

        public Task<bool> ExistsAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(Exists);

        public Task<bool> HasKillSwitchAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(HasKillSwitch);

        public Task<bool> HoldKillSwitchAsync(string interfaceName, CancellationToken cancellation) => Task.FromResult(HasKillSwitch |= Holds);

        private Task Do(string what)
        {
            Done.Enqueue(what);
            return Task.CompletedTask;
        }
    }
}
