using System.Net;
using CVault.Client.Ui;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CVault.Client.Tests;

/// <summary>What a page says the address is, is shown only if it is one.</summary>
public sealed class AddressCheckTests
{
    [Theory]
    [InlineData("/ip", "192.0.2.7")]
    [InlineData("/ip6", "2001:db8::7")]
    [InlineData("/html", null)]
    [InlineData("/long", null)]
    [InlineData("/moved", null)]
    [InlineData("/missing", null)]
    public async Task only_an_address_is_taken(string path, string? address)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        await using var page = builder.Build();
        page.UseRouting();
        page.MapGet("/ip", () => "192.0.2.7\n");
        page.MapGet("/ip6", () => "2001:db8::7");
        page.MapGet("/html", () => "<script>alert(1)</script>");
        page.MapGet("/long", () => new string('1', 10_000));
        page.MapGet("/moved", () => Results.Redirect("/ip"));
        await page.StartAsync(TestContext.Current.CancellationToken);

        Assert.Equal(address, await AddressCheck.AskAsync(new Uri(new Uri(page.Urls.Single()), path), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task a_page_that_is_not_there_is_no_error() =>
        Assert.Null(await AddressCheck.AskAsync(new Uri("http://127.0.0.1:9/"), TestContext.Current.CancellationToken));
}
