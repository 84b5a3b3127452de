using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel;

/// <summary>
/// A WireGuard tunnel of this machine. One call brings it up, one tells its status, one takes it down. While the object
/// lives it watches the tunnel: it says when the state changes, and has WireGuard find a server that was away at once
/// instead of after 15 s. The tunnel itself lives in the system, not in this object: it stays when the program is killed.
/// </summary>
/// <remarks>Safe for concurrent use. Watch a tunnel from one program at a time.</remarks>
public sealed class WireGuardTunnel : IAsyncDisposable
{
    private readonly ITunnelSystem system;
    private readonly ILogger logger;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource ended = new();
    private Task watch = Task.CompletedTask;
    private Reading? answered; // the last reading with a handshake in it
    private (TunnelState State, bool KillSwitch) last;
    private readonly Queue<TunnelStatus> untold = [];
    private bool telling;
    private int left; // 1: taken down or left up, and watched no more

    private WireGuardTunnel(ITunnelSystem system, string interfaceName, ILogger? logger, TimeProvider time) =>
        (this.system, InterfaceName, this.logger, this.time) = (system, interfaceName, logger ?? NullLogger.Instance, time);

    /// <summary>The interface's name.</summary>
    public string InterfaceName { get; }

    /// <summary>
    /// Raised when <see cref="TunnelStatus.State"/> or <see cref="TunnelStatus.KillSwitch"/> becomes another one, with the
    /// status then; on a thread of the pool, one at a time. A handler that throws breaks nothing, and it may take the tunnel down.
    /// </summary>
    public event EventHandler<TunnelStatus>? StatusChanged;

#pragma warning disable RS0026 // A text or a config: no later overload can stand between the two.
    /// <summary>Brings a tunnel up and waits for the server's first handshake.</summary>
    /// <param name="config">The config's text, as the API hands it out.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Takes everything back.</param>
    /// <exception cref="TunnelException">
    /// <c>CONFIG_INVALID</c>, <c>OPTIONS_INVALID</c>, <c>NOT_PERMITTED</c>, <c>TOOLS_MISSING</c>, <c>ALREADY_UP</c>,
    /// <c>ENDPOINT_UNRESOLVED</c>, <c>TIMEOUT</c>, <c>NOT_SUPPORTED</c>, <c>COMMAND_FAILED</c>. Nothing of the tunnel is left
    /// then; only a kill switch that stood before still stands.
    /// </exception>
    public static Task<WireGuardTunnel> UpAsync(string config, TunnelOptions? options = null, CancellationToken cancellation = default) =>
        UpAsync(WireGuardConfig.Parse(config), options, cancellation);

    /// <inheritdoc cref="UpAsync(string, TunnelOptions?, CancellationToken)"/>
    public static Task<WireGuardTunnel> UpAsync(WireGuardConfig config, TunnelOptions? options = null, CancellationToken cancellation = default) =>
        UpAsync(TunnelSystem.OfThisMachine(options?.Logger), TimeProvider.System, config, options ?? new TunnelOptions(), cancellation);
#pragma warning restore RS0026

    /// <summary>
    /// Adopts a tunnel that is there, or what is left of one: after a crash of the program that brought it up, or from
    /// another program. Null when there is nothing. <see cref="DetachAsync"/> lets go of it again.
    /// </summary>
    /// <param name="interfaceName">As in <see cref="TunnelOptions.InterfaceName"/>.</param>
    /// <param name="logger">Told what is done; null for nobody.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="TunnelException"><c>OPTIONS_INVALID</c>, <c>NOT_PERMITTED</c>, <c>TOOLS_MISSING</c>, <c>NOT_SUPPORTED</c>, <c>COMMAND_FAILED</c>.</exception>
    public static Task<WireGuardTunnel?> FindAsync(string interfaceName = "cvault0", ILogger? logger = null, CancellationToken cancellation = default) =>
        FindAsync(TunnelSystem.OfThisMachine(logger), TimeProvider.System, interfaceName, logger, cancellation);

    internal static async Task<WireGuardTunnel> UpAsync(
        ITunnelSystem system, TimeProvider time, WireGuardConfig config, TunnelOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(config);
        options.Validate();
        if (!config.HasPrivateKey)
            throw new TunnelException(TunnelErrorCodes.ConfigInvalid, "The config has no private key: the device brought its own. Put it in with WithPrivateKey.");
        var stoodBefore = await system.HoldKillSwitchAsync(options.InterfaceName, cancellation).ConfigureAwait(false);
        var tunnel = new WireGuardTunnel(system, options.InterfaceName, options.Logger, time);
        await system.UpAsync(config, options, cancellation).ConfigureAwait(false);
        try
        {
            if (options.HandshakeTimeout > TimeSpan.Zero) await tunnel.FirstHandshakeAsync(options.HandshakeTimeout, config, cancellation).ConfigureAwait(false);
        }
        catch
        {
            await tunnel.TakeBackAsync(keepKillSwitch: stoodBefore).ConfigureAwait(false);
            throw;
        }

        tunnel.StartWatch(options.HandshakeTimeout > TimeSpan.Zero ? TunnelState.Up : TunnelState.Connecting, options.KillSwitch);
        return tunnel;
    }

    internal static async Task<WireGuardTunnel?> FindAsync(
        ITunnelSystem system, TimeProvider time, string interfaceName, ILogger? logger, CancellationToken cancellation)
    {
        TunnelOptions.CheckInterfaceName(interfaceName);
        if (!await system.ExistsAsync(interfaceName, cancellation).ConfigureAwait(false)) return null;
        var tunnel = new WireGuardTunnel(system, interfaceName, logger, time);
        var status = await tunnel.StatusAsync(cancellation).ConfigureAwait(false);
        tunnel.StartWatch(status.State, status.KillSwitch);
        return tunnel;
    }

    /// <summary>The tunnel at this moment.</summary>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="TunnelException"><c>NOT_PERMITTED</c>, <c>TOOLS_MISSING</c>, <c>COMMAND_FAILED</c>, <c>TIMEOUT</c>.</exception>
    public async Task<TunnelStatus> StatusAsync(CancellationToken cancellation = default)
    {
        var reading = await ReadAsync(cancellation).ConfigureAwait(false);
        return Status(reading, await system.HasKillSwitchAsync(InterfaceName, cancellation).ConfigureAwait(false));
    }

    /// <summary>Takes everything down that is left of the tunnel: interface, routes, rules, DNS, and the kill switch last. Doing it again is harmless.</summary>
    /// <param name="keepKillSwitch">
    /// True between two tunnels, as when the region changes: nothing leaves the machine until the next <c>UpAsync</c> of this
    /// interface name, or a <c>DownAsync</c> without it.
    /// </param>
    /// <param name="cancellation">Ends the wait; what is left is then taken down by another call.</param>
    /// <exception cref="TunnelException"><c>NOT_PERMITTED</c>, <c>TOOLS_MISSING</c>, <c>COMMAND_FAILED</c>, <c>TIMEOUT</c>.</exception>
    public async Task DownAsync(bool keepKillSwitch = false, CancellationToken cancellation = default)
    {
        await DetachAsync().ConfigureAwait(false);
        await system.DownAsync(InterfaceName, keepKillSwitch, cancellation).ConfigureAwait(false);
        var now = (TunnelState.Down, keepKillSwitch && await system.HasKillSwitchAsync(InterfaceName, cancellation).ConfigureAwait(false));
        if (last == now) return;
        last = now;
        await TellAsync(Status(null, now.Item2)).ConfigureAwait(false);
    }

    /// <summary>Ends the watch and leaves the tunnel up, for a program that ends while the tunnel goes on. Disposing does nothing afterwards.</summary>
    public async Task DetachAsync()
    {
        Interlocked.Exchange(ref left, 1);
        await ended.CancelAsync().ConfigureAwait(false);
        await watch.ConfigureAwait(false);
    }

    /// <summary>As <see cref="DownAsync"/>, unless the tunnel was taken down or left up before.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref left, 1) == 0) await DownAsync().ConfigureAwait(false);
    }

    private async Task<Reading?> ReadAsync(CancellationToken cancellation)
    {
        var reading = await system.ReadAsync(InterfaceName, cancellation).ConfigureAwait(false);
        // A renewed session has no handshake yet; the one before it is still the last there was.
        if (reading is { LastHandshake: not null }) answered = reading;
        return reading;
    }

    private TunnelStatus Status(Reading? reading, bool killSwitch) => new()
    {
        InterfaceName = InterfaceName,
        State = StateOf(reading, time.GetUtcNow()),
        LastHandshake = answered?.LastHandshake,
        RxBytes = reading?.RxBytes ?? 0,
        TxBytes = reading?.TxBytes ?? 0,
        Endpoint = reading?.Endpoint,
        KillSwitch = killSwitch,
    };

    internal static TunnelState StateOf(Reading? reading, DateTimeOffset now) =>
        reading is null ? TunnelState.Down
        : reading.LastHandshake is { } at && now - at <= RejectAfter ? TunnelState.Up
        : TunnelState.Connecting;

    /// <summary>REJECT_AFTER_TIME: the age past which WireGuard uses no session.</summary>
    private static readonly TimeSpan RejectAfter = TimeSpan.FromSeconds(180);

    private async Task FirstHandshakeAsync(TimeSpan within, WireGuardConfig config, CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        while ((await ReadAsync(cancellation).ConfigureAwait(false))?.LastHandshake is null)
        {
            if (time.GetElapsedTime(start) > within)
                throw new TunnelException(TunnelErrorCodes.Timeout,
                    $"The server {config.EndpointHost}:{config.EndpointPort} answered no handshake within {within.TotalSeconds:0.#} s. " +
                    "Check that UDP to it is allowed and that the device still exists, then try again.");
            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellation).ConfigureAwait(false);
        }
    }

    private async Task TakeBackAsync(bool keepKillSwitch)
    {
        try
        {
            await system.DownAsync(InterfaceName, keepKillSwitch, CancellationToken.None).ConfigureAwait(false);
        }
        catch (TunnelException e)
        {
            // What made the tunnel fail is what the caller must hear.
            logger.LogWarning("{Interface}: not everything could be taken back: {Reason}", InterfaceName, e.Message);
        }
    }

    private void StartWatch(TunnelState state, bool killSwitch)
    {
        last = (state, killSwitch);
        watch = Task.Run(WatchAsync);
    }

    private async Task WatchAsync()
    {
        var rule = new ReconnectRule(Random.Shared);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        try
        {
            while (await timer.WaitForNextTickAsync(ended.Token).ConfigureAwait(false))
            {
                try
                {
                    await LookAsync(rule).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // The next look may go better; a watch that ended would be missed by nobody until it is needed.
                    logger.LogWarning("{Interface}: could not be read: {Reason}", InterfaceName, e.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Taken down, or left.
        }
    }

    private async Task LookAsync(ReconnectRule rule)
    {
        var killSwitch = await system.HoldKillSwitchAsync(InterfaceName, ended.Token).ConfigureAwait(false);
        var reading = await ReadAsync(ended.Token).ConfigureAwait(false);
        if (reading is not null && rule.MustRenew(reading, time.GetUtcNow()))
        {
            logger.LogInformation("{Interface}: what is sent stays unanswered; asking the server for a new session", InterfaceName);
            await system.RenewAsync(InterfaceName, ended.Token).ConfigureAwait(false);
            reading = await ReadAsync(ended.Token).ConfigureAwait(false);
        }

        var now = (StateOf(reading, time.GetUtcNow()), killSwitch);
        if (now == last) return;
        last = now;
        logger.LogInformation("{Interface}: {State}", InterfaceName, now.Item1);
        _ = TellAsync(Status(reading, killSwitch)); // not waited for: a handler may wait for DownAsync, which waits for this
    }

    /// <summary>Ends when the handlers were told; at once where they are being told of an earlier one, for one of them may be who waits.</summary>
    private Task TellAsync(TunnelStatus status)
    {
        lock (untold)
        {
            untold.Enqueue(status);
            if (telling) return Task.CompletedTask;
            telling = true;
        }

        return Task.Run(TellAll);
    }

    private void TellAll()
    {
        while (true)
        {
            TunnelStatus? status;
            lock (untold)
            {
                telling = untold.TryDequeue(out status);
                if (status is null) return;
            }

            try
            {
                StatusChanged?.Invoke(this, status);
            }
            catch (Exception e)
            {
                // Whatever a handler throws is its own affair.
                logger.LogWarning(e, "{Interface}: a handler of StatusChanged threw", InterfaceName);
            }
        }
    }
}
