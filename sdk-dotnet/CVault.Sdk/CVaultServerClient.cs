namespace CVault.Sdk;

/// <summary>For a tenant's server: a secret key. It manages the tenant's users and acts for each of them.</summary>
public sealed class CVaultServerClient : CVaultUserClient
{
    /// <summary>A client for a tenant.</summary>
    /// <param name="options">At least key, secret and <see cref="CVaultOptions.BaseUrl"/>.</param>
    /// <exception cref="ArgumentException">Something in the options is missing or not as it must be; the message names it.</exception>
    /// <exception cref="PlatformNotSupportedException">In a browser, where the secret would be everybody's.</exception>
    public CVaultServerClient(CVaultServerOptions options) : this(Api.ForUser(options, options?.ApiKey, options?.ApiSecret ?? "")) { }

    private CVaultServerClient(Api api) : base(api)
    {
        Auth = new ServerAuthClient(api);
        Users = new UsersClient(api);
        Usage = new UsageClient(api);
        Billing = new BillingClient(api, asMember: false);
    }

    /// <summary>The login of the user for whom this client acts.</summary>
    public ServerAuthClient Auth { get; }

    /// <summary>The tenant's users.</summary>
    public UsersClient Users { get; }

    /// <summary>What the tenant's users used.</summary>
    public UsageClient Usage { get; }

    /// <summary>What the tenant pays.</summary>
    public BillingClient Billing { get; }

    /// <summary>A client with the same key and connections that acts for another user: the one whose login is in this store.</summary>
    /// <param name="tokenStore">One user's own.</param>
    public CVaultServerClient ForUser(ITokenStore tokenStore) => new(Api.WithStore(tokenStore ?? throw new ArgumentNullException(nameof(tokenStore))));
}
