namespace CVault.Sdk;

/// <summary>
/// What an app and a tenant's server have in common: a user's devices and VPN. Clients are thread-safe and made to be kept.
/// </summary>
public abstract class CVaultUserClient
{
    private protected CVaultUserClient(Api api)
    {
        Api = api;
        Devices = new DevicesClient(api);
        Servers = new ServersClient(api);
        Vpn = new VpnClient(api, connection => Raise(Connected, connection), disconnection => Raise(Disconnected, disconnection));
        api.Failed = error => Raise(Error, error);
    }

    /// <summary>After every successful <see cref="VpnClient.ConnectAsync"/>. What a handler throws is ignored.</summary>
    public event EventHandler<VpnConnection>? Connected;

    /// <summary>After every successful <see cref="VpnClient.DisconnectAsync"/>. What a handler throws is ignored.</summary>
    public event EventHandler<VpnDisconnection>? Disconnected;

    /// <summary>With every <see cref="CVaultException"/> that a call throws. What a handler throws is ignored.</summary>
    public event EventHandler<CVaultException>? Error;

    /// <summary>The user's devices.</summary>
    public DevicesClient Devices { get; }

    /// <summary>Where there are servers.</summary>
    public ServersClient Servers { get; }

    /// <summary>The user's connection.</summary>
    public VpnClient Vpn { get; }

    private protected Api Api { get; }

    /// <summary>Shows neither key nor token.</summary>
    public override string ToString() => GetType().Name;

    private void Raise<T>(EventHandler<T>? handlers, T what)
    {
        foreach (var handler in handlers?.GetInvocationList() ?? [])
        {
            try
            {
                ((EventHandler<T>)handler)(this, what);
            }
            catch (Exception)
            {
                // Who listens must not break who calls.
            }
        }
    }
}

/// <summary>For apps: a publishable key, and the login of the app's user.</summary>
public sealed class CVaultClient : CVaultUserClient
{
    /// <summary>A client for one user.</summary>
    /// <param name="options">At least <see cref="CVaultClientOptions.ApiKey"/> and <see cref="CVaultOptions.BaseUrl"/>.</param>
    /// <exception cref="ArgumentException">Something in the options is missing or not as it must be; the message names it.</exception>
    public CVaultClient(CVaultClientOptions options) : base(Api.ForUser(options, options?.ApiKey, secret: null)) => Auth = new AuthClient(Api);

    /// <summary>The user's login.</summary>
    public AuthClient Auth { get; }
}
