using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;

namespace CVault.Sdk.Tests;

/// <summary>What goes to this machine over http, keys and passwords with it, is no proxy's business.</summary>
public class ProxyTests
{
    private static readonly Watching Proxy = new();

    /// <summary>The system's proxy is looked up once, so it is another before any client is made.</summary>
    [ModuleInitializer]
    internal static void Watch() => HttpClient.DefaultProxy = Proxy;

    [Fact]
    public async Task A_client_for_this_machine_asks_for_no_proxy()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var before = AskedOf(server);
        await new CVaultClient(new CVaultClientOptions { BaseUrl = server.Url, ApiKey = "cvp_test" }).Servers.ListAsync();
        Assert.Equal(before, AskedOf(server));
    }

    [Fact]
    public async Task Nor_does_the_factorys()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var before = AskedOf(server);
        var services = new ServiceCollection();
        services.AddCVault(o => (o.BaseUrl, o.ApiKey) = (server.Url, "cvp_test"));
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredService<CVaultClient>().Servers.ListAsync();
        Assert.Equal(before, AskedOf(server));
    }

    [Fact]
    public async Task Https_goes_by_the_systems_proxy()
    {
        await Assert.ThrowsAsync<CVaultException>(() => new CVaultClient(new CVaultClientOptions { BaseUrl = new Uri("https://127.0.0.1:9"), ApiKey = "cvp_test", MaxRetries = 0 }).Servers.ListAsync());
        Assert.Contains("127.0.0.1:9", Proxy.Asked);
    }

    /// <summary>Another test's server may have had the same port before.</summary>
    private static int AskedOf(AnyOrderServer server) => Proxy.Asked.Count(asked => asked == server.Url.Authority);

    /// <summary>None, but it hears of whoever would use one.</summary>
    private sealed class Watching : IWebProxy
    {
        public ConcurrentBag<string> Asked { get; } = [];

        public ICredentials? Credentials { get; set; }

        public Uri? GetProxy(Uri destination)
        {
            Asked.Add(destination.Authority);
            return null;
        }

        public bool IsBypassed(Uri host)
        {
            Asked.Add(host.Authority);
            return false;
        }
    }
}
