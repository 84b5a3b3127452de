using CVault.Sdk.Tunnel;
using Microsoft.Extensions.Logging;

namespace CVault.Client;

/// <summary>
/// This computer's one tunnel, found if another process brought it up, and held while this process lives: whoever holds it
/// also has it reconnect quickly. Letting go leaves it up.
/// </summary>
public sealed class HeldTunnel(string interfaceName, ILogger log) : IAsyncDisposable
{
    private readonly SemaphoreSlim gate = new(1, 1);
    private WireGuardTunnel? held;

    public Task UpAsync(string config, bool killSwitch, CancellationToken cancellation) => AloneAsync(async () =>
    {
        await LetGoAsync();
        held = await WireGuardTunnel.UpAsync(config, new TunnelOptions { InterfaceName = interfaceName, KillSwitch = killSwitch, Logger = log }, cancellation);
        return true;
    }, cancellation);

    /// <summary>Takes down whatever is there, the kill switch too.</summary>
    public Task DownAsync(CancellationToken cancellation) => AloneAsync(async () =>
    {
        held ??= await WireGuardTunnel.FindAsync(interfaceName, log, cancellation);
        if (held is not null) await held.DownAsync(keepKillSwitch: false, cancellation);
        held = null;
        return true;
    }, cancellation);

    /// <summary>Null when neither a tunnel nor a kill switch is there.</summary>
    public Task<TunnelStatus?> StatusAsync(CancellationToken cancellation) => AloneAsync(async () =>
    {
        held ??= await WireGuardTunnel.FindAsync(interfaceName, log, cancellation);
        if (held is null) return null;
        var status = await held.StatusAsync(cancellation);
        if (status is not { State: TunnelState.Down, KillSwitch: false }) return status;
        await LetGoAsync();
        return null;
    }, cancellation);

    public async ValueTask DisposeAsync() => await AloneAsync(async () =>
    {
        await LetGoAsync();
        return true;
    }, CancellationToken.None);

    private async Task LetGoAsync()
    {
        if (held is not null) await held.DetachAsync();
        held = null;
    }

    private async Task<T> AloneAsync<T>(Func<Task<T>> work, CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation);
        try
        {
            return await work();
        }
        finally
        {
            gate.Release();
        }
    }
}
