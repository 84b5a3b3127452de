using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace CVault.Sdk.Tests;

public class DependencyInjectionTests
{
    [Fact]
    public async Task The_app_client_is_one_and_uses_the_factory_the_store_and_the_handlers()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var services = new ServiceCollection();
        var counting = new Counting();
        services.AddSingleton<ITokenStore, MemoryTokenStore>();
        services.AddCVault(o => (o.BaseUrl, o.ApiKey) = (server.Url, "cvp_test")).AddHttpMessageHandler(() => counting);
        await using var provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
        var cvault = provider.GetRequiredService<CVaultClient>();
        Assert.Same(cvault, provider.GetRequiredService<CVaultClient>());
        await cvault.Auth.LoginAsync("ada@example.com", "correct horse battery");
        Assert.Equal("A1", (await provider.GetRequiredService<ITokenStore>().GetAsync())!.AccessToken);
        Assert.Equal(1, counting.Count);
    }

    [Fact]
    public async Task Redirects_are_not_followed_by_the_factorys_client()
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = http =>
        {
            http.Response.Redirect("/elsewhere");
            return Task.FromResult(true);
        };
        var services = new ServiceCollection();
        services.AddCVaultServer(o => (o.BaseUrl, o.ApiKey, o.ApiSecret) = (server.Url, "cvk_test", "cvs_test"));
        await using var provider = services.BuildServiceProvider();
        var error = await Assert.ThrowsAsync<CVaultException>(() => provider.GetRequiredService<CVaultServerClient>().Users.ListAsync());
        Assert.Equal((CVaultErrorCodes.UnexpectedAnswer, 302), (error.Code, error.Status));
        Assert.Single(server.Requests);
    }

    [Fact]
    public async Task A_portal_has_a_client_and_a_login_for_each_scope()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var services = new ServiceCollection();
        services.AddScoped<ITokenStore, MemoryTokenStore>();
        services.AddCVaultMember(o => o.BaseUrl = server.Url);
        await using var provider = services.BuildServiceProvider(new ServiceProviderOptions { ValidateScopes = true });
        await using var one = provider.CreateAsyncScope();
        await using var other = provider.CreateAsyncScope();
        await one.ServiceProvider.GetRequiredService<CVaultMemberClient>().Auth.LoginAsync("ada@example.com", "correct horse battery");
        Assert.NotNull(await one.ServiceProvider.GetRequiredService<ITokenStore>().GetAsync());
        Assert.Null(await other.ServiceProvider.GetRequiredService<CVaultMemberClient>().Auth.SessionAsync());
    }

    [Fact]
    public void Options_can_come_from_elsewhere_too()
    {
        var services = new ServiceCollection();
        services.AddCVault(o => o.BaseUrl = new Uri("https://api.example.com"));
        services.Configure<CVaultClientOptions>(o => o.ApiKey = "cvp_test");
        using var provider = services.BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<CVaultClient>());
        Assert.Equal("cvp_test", provider.GetRequiredService<IOptions<CVaultClientOptions>>().Value.ApiKey);
    }

    private sealed class Counting : DelegatingHandler
    {
        public int Count { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Count++;
            return base.SendAsync(request, cancellationToken);
        }
    }
}
