using System.Runtime.InteropServices;
using CVault.Sdk;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>CVault's clients as services.</summary>
public static class CVaultServices
{
    /// <summary>
    /// A <see cref="CVaultClient"/> for the app's one user: a singleton. An <see cref="ITokenStore"/> that is registered, as a
    /// singleton, keeps the login.
    /// </summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">At least key and address; options bound elsewhere hold too.</param>
    /// <returns>The HTTP client's builder, for handlers of your own.</returns>
    public static IHttpClientBuilder AddCVault(this IServiceCollection services, Action<CVaultClientOptions> configure)
    {
        services.TryAddSingleton(provider => new CVaultClient(provider.GetRequiredService<IOptions<CVaultClientOptions>>().Value));
        return Add(services, configure, nameof(CVaultClient));
    }

    /// <summary>
    /// A <see cref="CVaultServerClient"/> for a tenant's server: a singleton. <see cref="CVaultServerClient.ForUser"/> gives one for
    /// each user that it acts for.
    /// </summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">At least key, secret and address; options bound elsewhere hold too.</param>
    /// <returns>The HTTP client's builder, for handlers of your own.</returns>
    public static IHttpClientBuilder AddCVaultServer(this IServiceCollection services, Action<CVaultServerOptions> configure)
    {
        services.TryAddSingleton(provider => new CVaultServerClient(provider.GetRequiredService<IOptions<CVaultServerOptions>>().Value));
        return Add(services, configure, nameof(CVaultServerClient));
    }

    /// <summary>
    /// A <see cref="CVaultMemberClient"/> for portals: one a scope, since each is one member's. An <see cref="ITokenStore"/> that is
    /// registered, as scoped, keeps the login.
    /// </summary>
    /// <param name="services">Where to.</param>
    /// <param name="configure">At least the address; options bound elsewhere hold too.</param>
    /// <returns>The HTTP client's builder, for handlers of your own.</returns>
    public static IHttpClientBuilder AddCVaultMember(this IServiceCollection services, Action<CVaultMemberOptions> configure)
    {
        services.TryAddScoped(provider => new CVaultMemberClient(provider.GetRequiredService<IOptionsSnapshot<CVaultMemberOptions>>().Value));
        return Add(services, configure, nameof(CVaultMemberClient));
    }

    private static IHttpClientBuilder Add<TOptions>(IServiceCollection services, Action<TOptions> configure, string name) where TOptions : CVaultOptions
    {
        // Known before the first handler is made: it is these options that ask for a client.
        var here = false;
        services.AddOptions<TOptions>().Configure(configure).PostConfigure<IServiceProvider>((options, provider) =>
        {
            here = options.BaseUrl is { IsAbsoluteUri: true, Scheme: "http" };
            if (options.HttpClient is null) options.HttpClientFactory ??= () => provider.GetRequiredService<IHttpClientFactory>().CreateClient(name);
            options.TokenStore ??= provider.GetService<ITokenStore>();
            options.Log ??= LogTo(provider.GetRequiredService<ILoggerFactory>().CreateLogger("CVault.Sdk." + name));
        });
        return services.AddHttpClient(name, http => http.Timeout = Timeout.InfiniteTimeSpan)
            .ConfigurePrimaryHttpMessageHandler(() => RuntimeInformation.IsOSPlatform(OSPlatform.Create("BROWSER"))
                ? new HttpClientHandler()
                // http is for this machine alone: a proxy would be told keys and passwords in the clear.
                : new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = !here })
            // They would write query values, and at their lowest level headers.
            .RemoveAllLoggers();
    }

    private static Action<CVaultLogEntry> LogTo(ILogger logger) => entry => logger.LogDebug(
        "{Method} {Path} {Outcome} {Milliseconds} ms attempt {Attempt} {RequestId}",
        entry.Method, entry.Path, entry.Failure ?? (object)entry.Status, (long)entry.Elapsed.TotalMilliseconds, entry.Attempt, entry.RequestId);
}
