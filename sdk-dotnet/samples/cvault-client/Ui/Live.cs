using Microsoft.Extensions.Logging;

namespace CVault.Client.Ui;

/// <summary>The addresses with which this computer is seen.</summary>
/// <param name="Before">The last that was seen while there was no tunnel.</param>
/// <param name="Now">The last that was seen.</param>
/// <param name="Note">Why there is none; else null.</param>
public sealed record AddressView(string? Before, string? Now, string? Note);

/// <summary>
/// What the dashboard shows and the client alone does not know: what is under way, the addresses, and what went wrong while
/// nobody had clicked.
/// </summary>
public sealed class Live(DemoClient client, FileLog log, TimeProvider time)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1), Rested = TimeSpan.FromSeconds(60), Soon = TimeSpan.FromSeconds(5);

    private ConnectionStatus? underWay;
    private string? before, now;
    private bool unreachable;
    private volatile bool stale = true; // the way out may have changed since the address was seen
    private Failure? unread, failed;

    /// <summary>What went wrong by itself: the tunnel cannot be read, or auto-connect failed, which the next click clears.</summary>
    public Failure? Problem => unread ?? failed;

    public AddressView Address => client.Settings?.CheckUrl is null
        ? new(before, now, "Set an address check URL in the settings to see your address.")
        : new(before, now ?? "checking…", unreachable ? "The page that tells your address does not answer now." : null);

    public async Task<ConnectionView> ConnectionAsync(CancellationToken cancellation)
    {
        if (underWay is { } status) return new ConnectionView(status);
        try
        {
            var connection = await client.StatusAsync(cancellation);
            unread = null;
            return connection;
        }
        catch (Sdk.Tunnel.TunnelException e)
        {
            unread = Failure.Of(e);
            return new ConnectionView(ConnectionStatus.Disconnected);
        }
    }

    public Task<ConnectionView> ConnectAsync(string? region, CancellationToken cancellation) =>
        DuringAsync(ConnectionStatus.Connecting, () => client.ConnectAsync(region, client.Settings?.KillSwitch ?? false, cancellation));

    public Task<DisconnectView> DisconnectAsync(CancellationToken cancellation) =>
        DuringAsync(ConnectionStatus.Disconnecting, () => client.DisconnectAsync(cancellation));

    public Task LogoutAsync(CancellationToken cancellation) => DuringAsync(ConnectionStatus.Disconnecting, async () =>
    {
        await client.LogoutAsync(cancellation);
        return true;
    });

    /// <summary>Until it is cancelled: connects once if it should, then keeps an eye on the address.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        await AutoConnectAsync(cancellation);
        using var timer = new PeriodicTimer(Beat, time);
        (ConnectionStatus Status, Uri? Url) seen = default;
        var due = DateTimeOffset.MinValue;
        while (await timer.WaitForNextTickAsync(cancellation))
        {
            try
            {
                var status = (await ConnectionAsync(cancellation)).Status;
                if (status is ConnectionStatus.Connecting or ConnectionStatus.Disconnecting) continue;
                var url = client.Settings?.CheckUrl;
                if (!stale && (status, url) == seen && time.GetUtcNow() < due) continue;
                seen = (status, url);
                await CheckAsync(status, url, cancellation);
                due = time.GetUtcNow() + (unreachable ? Soon : Rested);
            }
            catch (Exception e) when (e is ClientException or IOException)
            {
                log.LogWarning("The address was not checked: {Code}", Failure.Of(e).Code); // settings.json is damaged
            }
        }
    }

    private async Task CheckAsync(ConnectionStatus status, Uri? url, CancellationToken cancellation)
    {
        stale = false;
        var address = url is null ? null : await AddressCheck.AskAsync(url, cancellation);
        // An answer that came over a tunnel that is no more, or from before one that now is: the next beat asks again.
        if (stale || (await ConnectionAsync(cancellation)).Status != status)
        {
            stale = true;
            return;
        }

        unreachable = url is not null && address is null;
        now = unreachable ? "not reachable" : address;
        if (status == ConnectionStatus.Disconnected) before = now;
    }

    private async Task AutoConnectAsync(CancellationToken cancellation)
    {
        try
        {
            if (client.Settings is not { AutoConnect: true } settings || !await client.IsSignedInAsync(cancellation)) return;
            if ((await client.StatusAsync(cancellation)).Status != ConnectionStatus.Disconnected) return;
            log.LogInformation("Auto-connect");
            await ConnectAsync(settings.Region, cancellation);
        }
        catch (Exception e) when (e is Sdk.CVaultException or Sdk.Tunnel.TunnelException or ClientException)
        {
            failed = Failure.Of(e);
            log.LogWarning("Auto-connect failed: {Code}", failed.Code);
        }
    }

    private async Task<T> DuringAsync<T>(ConnectionStatus status, Func<Task<T>> work)
    {
        failed = null;
        underWay = status;
        try
        {
            return await work();
        }
        finally
        {
            (now, stale) = (null, true);
            underWay = null;
        }
    }
}
