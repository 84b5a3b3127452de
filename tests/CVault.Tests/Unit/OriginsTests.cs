using CVault.Tenants;
using Microsoft.AspNetCore.Cors.Infrastructure;

namespace CVault.Tests.Unit;

/// <summary>The web origins that a key may name.</summary>
public sealed class OriginsTests
{
    [Theory]
    [InlineData("https://example.com")]
    [InlineData("https://example.com:8443")]
    [InlineData("https://xn--bcher-kva.example")]
    [InlineData("http://localhost:3000")]
    [InlineData("https://[2001:db8::1]:8443")]
    [InlineData("capacitor://localhost")]
    public void one_as_a_browser_sends_it_is_taken_and_answered(string origin)
    {
        Assert.True(Origins.IsOrigin(origin));
        Assert.True(new CorsPolicyBuilder().WithOrigins(origin).Build().IsOriginAllowed(origin));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("https://*.example.com")]
    [InlineData("https://example.com/")]
    [InlineData("https://Example.com")]
    [InlineData("https://example.com:443")]
    [InlineData("http://example.com")]
    [InlineData("https://bücher.example")]  // A browser sends it as xn--bcher-kva, so this one would never be met.
    public void what_no_browser_sends_is_refused(string origin) => Assert.False(Origins.IsOrigin(origin));
}
