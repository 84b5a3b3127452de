using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Tests;

/// <summary>An OpenID provider of a test's own, on this machine, with real keys.</summary>
public sealed class TestIssuer : IAsyncDisposable
{
    private readonly WebApplication app;

    private TestIssuer(WebApplication app) => this.app = app;

    /// <summary>With a part that no other has: the API remembers issuers by their URL, and a port may be had again.</summary>
    public string Url => app.Urls.Single() + path;

    private readonly string path = "/" + Guid.NewGuid().ToString("N")[..8];

    /// <summary>What its JWKS publishes now.</summary>
    public List<SecurityKey> Keys { get; } = [];

    /// <summary>How often its JWKS was asked for.</summary>
    public int Reads { get; private set; }

    /// <summary>Set to answer something else than the discovery document.</summary>
    public Func<HttpContext, Task>? Instead { get; set; }

    /// <summary>What the discovery document names as issuer, and as the place of the keys.</summary>
    public string? NamedIssuer { get; set; }
    public string? NamedKeys { get; set; }

    public static async Task<TestIssuer> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var issuer = new TestIssuer(builder.Build());
        issuer.app.MapGet(issuer.path + "/.well-known/openid-configuration", http => issuer.Instead is { } instead ? instead(http) : http.Response.WriteAsync(new JsonObject
        {
            ["issuer"] = issuer.NamedIssuer ?? issuer.Url, ["jwks_uri"] = issuer.NamedKeys ?? issuer.Url + "/keys",
            ["authorization_endpoint"] = issuer.Url + "/authorize", ["id_token_signing_alg_values_supported"] = new JsonArray("RS256", "ES256"),
        }.ToJsonString()));
        issuer.app.MapGet(issuer.path + "/keys", http =>
        {
            issuer.Reads++;
            return http.Response.WriteAsync(new JsonObject { ["keys"] = new JsonArray([.. issuer.Keys.Select(Published)]) }.ToJsonString());
        });
        await issuer.app.StartAsync();
        return issuer;
    }

    public RsaSecurityKey NewRsaKey(string kid, bool publish = true)
    {
        var key = new RsaSecurityKey(RSA.Create(2048)) { KeyId = kid };
        if (publish) Keys.Add(key);
        return key;
    }

    public ECDsaSecurityKey NewEcKey(string kid)
    {
        var key = new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP256)) { KeyId = kid };
        Keys.Add(key);
        return key;
    }

    /// <summary>An ID token as it should be, but for what is named. A claim that is set to null is left out.</summary>
    public string Token(SecurityKey key, string client, string subject, string? algorithm = null, params (string Name, object? Value)[] but)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = Url, ["aud"] = client, ["sub"] = subject, ["iat"] = now, ["nbf"] = now, ["exp"] = now + 300,
        };
        foreach (var (name, value) in but)
        {
            if (value is null) claims.Remove(name);
            else claims[name] = value;
        }

        algorithm ??= key is ECDsaSecurityKey ? SecurityAlgorithms.EcdsaSha256 : SecurityAlgorithms.RsaSha256;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor { Claims = claims, SigningCredentials = new SigningCredentials(key, algorithm) });
    }

    /// <summary>A token whose header says what it likes; its signature is the last part given.</summary>
    public static string Forged(string header, string payload, string signature) => $"{Base64UrlEncoder.Encode(header)}.{payload}.{signature}";

    /// <summary>The public key as its JWKS shows it to the world: what a forger would use as a shared secret.</summary>
    public static byte[] PublicBytes(RsaSecurityKey key) => Encoding.UTF8.GetBytes(key.Rsa.ExportSubjectPublicKeyInfoPem());

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static JsonNode Published(SecurityKey key)
    {
        if (key is RsaSecurityKey rsa)
        {
            var p = rsa.Rsa.ExportParameters(false);
            return new JsonObject { ["kty"] = "RSA", ["use"] = "sig", ["kid"] = key.KeyId, ["n"] = Base64UrlEncoder.Encode(p.Modulus), ["e"] = Base64UrlEncoder.Encode(p.Exponent) };
        }

        var q = ((ECDsaSecurityKey)key).ECDsa.ExportParameters(false).Q;
        return new JsonObject { ["kty"] = "EC", ["use"] = "sig", ["kid"] = key.KeyId, ["crv"] = "P-256", ["x"] = Base64UrlEncoder.Encode(q.X), ["y"] = Base64UrlEncoder.Encode(q.Y) };
    }
}
