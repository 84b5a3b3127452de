using CVault.Sdk;
using CVault.Sdk.Tunnel;
using Microsoft.Extensions.Logging;

namespace CVault.Client;

/// <summary>What <c>status</c> and the dashboard show.</summary>
public enum ConnectionStatus
{
    Disconnected,

    /// <summary>A connect is under way.</summary>
    Connecting,

    /// <summary>The server answered within the last 180 s.</summary>
    Connected,

    /// <summary>The tunnel is there and its server does not answer.</summary>
    Waiting,

    /// <summary>No tunnel is there, and the kill switch of one still is: nothing gets out.</summary>
    Blocked,

    /// <summary>A disconnect is under way.</summary>
    Disconnecting,
}

/// <summary>The connection at one moment. Of what is not known the value is null.</summary>
/// <param name="RxBytes">Received through the tunnel since it came up.</param>
/// <param name="TxBytes">Sent through it.</param>
public sealed record ConnectionView(
    ConnectionStatus Status, string? Region = null, string? Server = null, string? AssignedIp = null, DateTimeOffset? Since = null, bool KillSwitch = false,
    DateTimeOffset? LastHandshake = null, long RxBytes = 0, long TxBytes = 0);

/// <summary>A device as the user is shown it.</summary>
/// <param name="ThisDevice">Whether it is this computer.</param>
public sealed record DeviceView(Guid DeviceId, string DeviceName, string? AssignedIp, DateTimeOffset CreatedAt, bool ThisDevice);

/// <summary>What a disconnect did.</summary>
/// <param name="SessionEnded">False where the API could not be told; the session then ends by itself within minutes.</param>
public sealed record DisconnectView(ConnectionStatus Status, bool SessionEnded);

/// <summary>All that the client does, for its commands and its pages alike. Each call holds the folder (<see cref="ClientFolder.LockAsync"/>).</summary>
public sealed class DemoClient(ClientFolder folder, FileLog log, TimeProvider time) : IAsyncDisposable
{
    private readonly HeldTunnel tunnel = new("cvault0", log);

    public Settings? Settings => folder.Read<Settings>(Settings.File);

    public string Folder => folder.Path;

    public async Task<bool> IsSignedInAsync(CancellationToken cancellation) => await new FileTokenStore(folder).GetAsync(cancellation) is not null;

    /// <summary>Takes an API and a key, once the API has answered to the key. Another API than before ends the login with that one.</summary>
    public async Task ConfigureAsync(string? apiUrl, string? apiKey, string? checkUrl, CancellationToken cancellation)
    {
        var url = Typed.ApiUrl(apiUrl);
        var key = Typed.ApiKey(apiKey);
        var check = Typed.CheckUrl(checkUrl);
        using var held = await folder.LockAsync(cancellation);
        if (HasConnected) await RefuseWhileConnectedAsync(cancellation);
        var before = Settings;
        var next = (before ?? new Settings(url, key, check)) with { ApiUrl = url, ApiKey = key, CheckUrl = check };
        using (var http = NewHttp(url)) await Api(next, http).Servers.ListAsync(limit: 1, cancellationToken: cancellation);
        if (before is not null && (before.ApiUrl != url || before.ApiKey != key))
        {
            await new FileTokenStore(folder).ClearAsync(cancellation);
            folder.Delete(ThisDevice.File);
        }

        folder.Write(Settings.File, next);
        log.LogInformation("Configured for {Host}", url.Authority);
    }

    public async Task<AuthResult> RegisterAsync(string? email, string? password, CancellationToken cancellation)
    {
        var (e, p) = (Typed.Needed("email", email), Typed.Needed("password", password));
        return await WithApiAsync(async api =>
        {
            var result = await api.Auth.RegisterAsync(e, p, cancellationToken: cancellation);
            log.LogInformation("Registered, {Outcome}", result.Status == "verification_sent" ? "a mail with a code is on its way" : "signed in");
            return result;
        }, cancellation);
    }

    /// <summary>With the code that the mail brought, where the business has emails verified.</summary>
    public async Task<AuthResult> VerifyAsync(string? token, CancellationToken cancellation)
    {
        var code = Typed.Needed("token", token);
        return await WithApiAsync(async api =>
        {
            var result = await api.Auth.VerifyAsync(code, cancellationToken: cancellation);
            log.LogInformation("Email verified, signed in");
            return result;
        }, cancellation);
    }

    public async Task<AuthResult> LoginAsync(string? email, string? password, CancellationToken cancellation)
    {
        var (e, p) = (Typed.Needed("email", email), Typed.Needed("password", password));
        return await WithApiAsync(async api =>
        {
            var result = await api.Auth.LoginAsync(e, p, cancellationToken: cancellation);
            log.LogInformation("Signed in");
            return result;
        }, cancellation);
    }

    /// <summary>Ends the connection and the login. The device stays the user's, for the next time.</summary>
    public async Task LogoutAsync(CancellationToken cancellation)
    {
        if (HasConnected) await DisconnectAsync(cancellation);
        await WithApiAsync(async api =>
        {
            await api.Auth.LogoutAsync(Brief(), cancellation);
            log.LogInformation("Signed out");
            return true;
        }, cancellation);
    }

    public Task<IReadOnlyList<VpnServer>> ServersAsync(CancellationToken cancellation) =>
        WithApiAsync(async api => (IReadOnlyList<VpnServer>)await api.Servers.ListAllAsync(pageSize: 200, cancellationToken: cancellation).ToListAsync(cancellation), cancellation);

    public Task<IReadOnlyList<DeviceView>> DevicesAsync(CancellationToken cancellation) => AsUserAsync(async (api, session) =>
    {
        var mine = DeviceOf(session)?.DeviceId;
        return (IReadOnlyList<DeviceView>)await api.Devices.ListAllAsync(cancellationToken: cancellation)
            .Select(d => new DeviceView(d.Id, d.DeviceName, d.AssignedIp, d.CreatedAt, d.Id == mine)).ToListAsync(cancellation);
    }, cancellation);

    /// <summary>Removes one of the user's devices; of this one the tunnel goes first.</summary>
    public async Task RemoveDeviceAsync(Guid id, CancellationToken cancellation)
    {
        if (folder.Read<Connection>(Connection.File)?.DeviceId == id) await DisconnectAsync(cancellation);
        await AsUserAsync(async (api, session) =>
        {
            await api.Devices.RemoveAsync(id, cancellationToken: cancellation);
            if (DeviceOf(session)?.DeviceId == id) folder.Delete(ThisDevice.File);
            log.LogInformation("Removed device {Device}", id);
            return true;
        }, cancellation);
    }

    /// <summary>Opens a session and brings its tunnel up. A computer without a device registers one first.</summary>
    /// <param name="region">Null: where the device is, or for a new one wherever there is most room.</param>
    public Task<ConnectionView> ConnectAsync(string? region, bool killSwitch, CancellationToken cancellation) => AsUserAsync(async (api, session) =>
    {
        await RefuseWhileConnectedAsync(cancellation);
        log.LogInformation("Connecting to {Region}, kill switch {KillSwitch}", region ?? "any region", killSwitch ? "on" : "off");
        var opened = await OpenSessionAsync(api, session, region, cancellation);
        // Before the tunnel: should this process be killed, the next one knows that there may be one.
        folder.Write(Connection.File, new Connection(opened.SessionId, opened.DeviceId, opened.ServerRegion, opened.ServerIp, opened.AssignedIp, time.GetUtcNow(), killSwitch));
        try
        {
            // Asked for each time: a server that was drained meanwhile has given the device another config, and none need be kept.
            var config = await api.Devices.ConfigTextAsync(opened.DeviceId, cancellationToken: cancellation);
            await tunnel.UpAsync(config, killSwitch, cancellation);
        }
        catch (Exception e)
        {
            log.LogWarning("The tunnel did not come up: {Code}", Failure.Of(e).Code);
            folder.Delete(Connection.File);
            await EndSessionAsync(api, opened.DeviceId);
            throw;
        }

        folder.Write(Settings.File, Settings! with { Region = opened.ServerRegion });
        log.LogInformation("Connected to {Region} by {Server}", opened.ServerRegion, opened.ServerIp);
        return await StatusAsync(cancellation);
    }, cancellation);

    /// <summary>
    /// Takes the tunnel and its kill switch down, then ends the session. In this order: a server that is away must not keep
    /// the user from their network. Disconnecting what is not connected is no error.
    /// </summary>
    public async Task<DisconnectView> DisconnectAsync(CancellationToken cancellation)
    {
        Connection? connection;
        using (await folder.LockAsync(cancellation))
        {
            connection = folder.Read<Connection>(Connection.File);
            await tunnel.DownAsync(cancellation);
            folder.Delete(Connection.File);
        }

        if (connection is null) return new DisconnectView(ConnectionStatus.Disconnected, SessionEnded: true);
        bool ended;
        try
        {
            ended = await AsUserAsync((api, _) => EndSessionAsync(api, connection.DeviceId), cancellation);
        }
        catch (ClientException)
        {
            ended = false; // The login is gone; the tunnel is what mattered.
        }

        log.LogInformation("Disconnected");
        return new DisconnectView(ConnectionStatus.Disconnected, ended);
    }

    /// <summary>The tunnel as this computer has it; the API is not asked.</summary>
    public async Task<ConnectionView> StatusAsync(CancellationToken cancellation)
    {
        if (await tunnel.StatusAsync(cancellation) is not { } now) return new ConnectionView(ConnectionStatus.Disconnected);
        var status = now.State switch
        {
            TunnelState.Up => ConnectionStatus.Connected,
            TunnelState.Connecting => ConnectionStatus.Waiting,
            _ => ConnectionStatus.Blocked,
        };
        var connection = folder.Read<Connection>(Connection.File);
        return new ConnectionView(status, connection?.Region, connection?.Server, connection?.AssignedIp, connection?.Since, now.KillSwitch, now.LastHandshake, now.RxBytes, now.TxBytes);
    }

    /// <summary>Lets go of the tunnel, which stays as it is.</summary>
    public ValueTask DisposeAsync() => tunnel.DisposeAsync();

    /// <summary>Changes what the user chose; null leaves a value as it is, an empty URL takes the check away.</summary>
    public async Task ChangeAsync(bool? autoConnect, bool? killSwitch, string? checkUrl, CancellationToken cancellation)
    {
        var check = Typed.CheckUrl(checkUrl);
        using var held = await folder.LockAsync(cancellation);
        var settings = Settings ?? throw ClientException.NotConfigured();
        folder.Write(Settings.File, settings with
        {
            AutoConnect = autoConnect ?? settings.AutoConnect, KillSwitch = killSwitch ?? settings.KillSwitch, CheckUrl = checkUrl is null ? settings.CheckUrl : check,
        });
    }

    private async Task<VpnConnection> OpenSessionAsync(CVaultClient api, CVaultSession session, string? region, CancellationToken cancellation)
    {
        if (DeviceOf(session) is { } known)
        {
            try
            {
                return await api.Vpn.ConnectAsync(known.DeviceId, region, cancellationToken: cancellation);
            }
            catch (CVaultException e) when (e.Code == CVaultErrorCodes.NotFound)
            {
                log.LogInformation("This device was removed elsewhere; registering anew");
                folder.Delete(ThisDevice.File);
            }
        }

        var device = await api.Devices.RegisterAsync(Environment.MachineName, serverRegion: region, cancellationToken: cancellation);
        folder.Write(ThisDevice.File, new ThisDevice(session.UserId, device.Id));
        log.LogInformation("Registered this computer as device {Device}", device.Id);
        return await api.Vpn.ConnectAsync(device.Id, region, cancellationToken: cancellation);
    }

    /// <returns>Whether the API was told.</returns>
    private async Task<bool> EndSessionAsync(CVaultClient api, Guid deviceId)
    {
        try
        {
            await api.Vpn.DisconnectAsync(deviceId, Brief());
            return true;
        }
        catch (CVaultException e)
        {
            log.LogWarning("The API was not told that the session ended: {Code}", e.Code);
            return false;
        }
    }

    /// <summary>
    /// Whether there may be a tunnel of ours. Only then is it looked for by what has another purpose, since looking needs rights
    /// that signing in does not.
    /// </summary>
    private bool HasConnected => File.Exists(folder.PathOf(Connection.File));

    private async Task RefuseWhileConnectedAsync(CancellationToken cancellation)
    {
        if ((await StatusAsync(cancellation)).Status == ConnectionStatus.Disconnected) return;
        throw new ClientException("CONNECTED", "A connection is there already.", "End it first: cvault-client disconnect");
    }

    /// <summary>This computer's device, if it is the user's who is signed in.</summary>
    private ThisDevice? DeviceOf(CVaultSession session) => folder.Read<ThisDevice>(ThisDevice.File) is { } device && device.UserId == session.UserId ? device : null;

    private Task<T> AsUserAsync<T>(Func<CVaultClient, CVaultSession, Task<T>> work, CancellationToken cancellation) =>
        WithApiAsync(async api => await work(api, await api.Auth.SessionAsync(cancellation) ?? throw ClientException.NotSignedIn()), cancellation);

    private async Task<T> WithApiAsync<T>(Func<CVaultClient, Task<T>> work, CancellationToken cancellation)
    {
        using var held = await folder.LockAsync(cancellation);
        var settings = Settings ?? throw ClientException.NotConfigured();
        using var http = NewHttp(settings.ApiUrl);
        return await work(Api(settings, http));
    }

    private CVaultClient Api(Settings settings, HttpClient http) => new(new CVaultClientOptions
    {
        BaseUrl = settings.ApiUrl, ApiKey = settings.ApiKey, TokenStore = new FileTokenStore(folder), HttpClient = http, UserAgent = "cvault-client/0.1.0",
        Log = entry => log.LogDebug("{Attempt}", entry),
    });

    /// <summary>New for each call: a connection that was made outside the tunnel is dead once the tunnel is there, and the other way round. http is for this machine alone: a proxy would be told the password.</summary>
    private static HttpClient NewHttp(Uri api) => new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = api.Scheme == "https" }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>For what must not keep the user waiting when the API is away.</summary>
    private static RequestOptions Brief() => new() { Timeout = TimeSpan.FromSeconds(5), MaxRetries = 1 };
}
