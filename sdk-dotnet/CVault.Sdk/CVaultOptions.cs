namespace CVault.Sdk;

/// <summary>What all three clients are told.</summary>
public abstract class CVaultOptions
{
    /// <summary>Where the API is, as in <c>https://api.example.com</c>. https, or http on this machine alone.</summary>
    public Uri? BaseUrl { get; set; }

    /// <summary>Where the login is kept; absent: in memory, so that it ends with the process.</summary>
    public ITokenStore? TokenStore { get; set; }

    /// <summary>
    /// Which client sends the requests; absent: one that the SDK makes. It should follow no redirects: they would carry the key
    /// elsewhere. For an http address it should use no proxy, which would be told keys and passwords in the clear. The SDK never disposes it.
    /// </summary>
    public HttpClient? HttpClient { get; set; }

    /// <summary>How long one attempt may take; 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many more attempts a failed one may be followed by; 2.</summary>
    public int MaxRetries { get; set; } = 2;

    /// <summary>Added to the <c>User-Agent</c>, as in <c>MyApp/1.2</c>.</summary>
    public string? UserAgent { get; set; }

    /// <summary>Hears of every attempt. Neither headers nor bodies nor query values are in it. What it throws is ignored.</summary>
    public Action<CVaultLogEntry>? Log { get; set; }

    /// <summary>In place of <see cref="HttpClient"/>, where each request asks for one anew (<c>IHttpClientFactory</c>).</summary>
    public Func<HttpClient>? HttpClientFactory { get; set; }

    /// <summary>Shows none of the values.</summary>
    public override string ToString() => GetType().Name;
}

/// <summary>What an app's <see cref="CVaultClient"/> is told.</summary>
public sealed class CVaultClientOptions : CVaultOptions
{
    /// <summary>The tenant's publishable key, <c>cvp_…</c>. A secret key has no place in an app.</summary>
    public string? ApiKey { get; set; }
}

/// <summary>What a tenant's server's <see cref="CVaultServerClient"/> is told.</summary>
public sealed class CVaultServerOptions : CVaultOptions
{
    /// <summary>The secret key's id, <c>cvk_…</c>.</summary>
    public string? ApiKey { get; set; }

    /// <summary>Its secret. Sent in a header of every call, shown nowhere.</summary>
    public string? ApiSecret { get; set; }
}

/// <summary>What the portal's <see cref="CVaultMemberClient"/> is told. It needs no key.</summary>
public sealed class CVaultMemberOptions : CVaultOptions;
