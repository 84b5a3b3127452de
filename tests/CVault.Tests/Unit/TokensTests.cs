using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CVault.Security;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Tests.Unit;

/// <summary>Access tokens: what they prove, and to whom.</summary>
public sealed class TokensTests
{
    private const string Issuer = "https://api.example.com";
    private readonly ECDsa signingKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Clock clock = new(Samples.Now);
    private readonly Guid user = Guid.NewGuid(), tenant = Guid.NewGuid(), session = Guid.NewGuid();
    private readonly Tokens tokens;

    public TokensTests() => tokens = TokensOf(signingKey, Issuer, clock);

    private static Tokens TokensOf(ECDsa pair, string issuer, TimeProvider time)
    {
        var keys = new SigningKeys(new MasterKey(RandomNumberGenerator.GetBytes(32)), time);
        keys.Set(SigningKey.Of(pair, Samples.Now, DateTimeOffset.MinValue, null));
        return new Tokens(keys, issuer, time);
    }

    [Fact]
    public async Task a_token_proves_its_user_and_tenant() => Assert.Equal(new AccessToken(user, tenant, session), await tokens.VerifyAsync(tokens.Issue(Audience.User, user, tenant, session), Audience.User));

    [Fact]
    public void no_two_tokens_are_the_same() => Assert.NotEqual(tokens.Issue(Audience.User, user, tenant, session), tokens.Issue(Audience.User, user, tenant, session));

    [Fact]
    public async Task it_proves_nothing_once_expired()
    {
        var token = tokens.Issue(Audience.User, user, tenant, session);
        clock.Now += Tokens.AccessLifetime - TimeSpan.FromSeconds(1);
        Assert.NotNull(await tokens.VerifyAsync(token, Audience.User));
        clock.Now += TimeSpan.FromMinutes(1);
        Assert.Null(await tokens.VerifyAsync(token, Audience.User));
    }

    [Fact]
    public async Task it_proves_nothing_before_its_time()
    {
        var token = tokens.Issue(Audience.User, user, tenant, session);
        clock.Now -= TimeSpan.FromMinutes(1);
        Assert.Null(await tokens.VerifyAsync(token, Audience.User));
    }

    [Fact]
    public async Task whoever_reads_the_published_keys_can_verify_it_without_us()
    {
        var token = TokensOf(signingKey, Issuer, TimeProvider.System).Issue(Audience.User, user, tenant, session);
        var published = new JsonWebKeySet(JsonSerializer.Serialize(tokens.KeySet()));
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = Issuer, ValidAudience = "cvault:user", IssuerSigningKeys = published.GetSigningKeys(), TryAllIssuerSigningKeys = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        Assert.Equal(user.ToString(), result.Claims["sub"]);
        Assert.Equal(tenant.ToString(), result.Claims["tid"]);
        Assert.Equal(SecurityAlgorithms.EcdsaSha256, new JsonWebToken(token).Alg);
        Assert.Equal(published.Keys.Single().Kid, new JsonWebToken(token).Kid);
    }

    [Fact]
    public void the_published_keys_hold_nothing_private()
    {
        var published = JsonSerializer.SerializeToNode(tokens.KeySet())!["keys"]!.AsArray().Single()!.AsObject();
        Assert.Equal(["alg", "crv", "kid", "kty", "use", "x", "y"], published.Select(m => m.Key).Order());
    }

    [Fact]
    public async Task a_token_without_a_signature_proves_nothing()
    {
        var payload = tokens.Issue(Audience.User, user, tenant, session).Split('.')[1];
        foreach (var alg in new[] { "none", "None", "NONE" })
        {
            Assert.Null(await tokens.VerifyAsync($"{Encode($$"""{"alg":"{{alg}}","typ":"JWT"}""")}.{payload}.", Audience.User));
        }

        Assert.Null(await tokens.VerifyAsync(tokens.Issue(Audience.User, user, tenant, session).Split('.')[0] + "." + payload + ".", Audience.User));
    }

    [Fact]
    public async Task a_token_signed_by_another_key_proves_nothing_even_under_our_key_id()
    {
        using var theirs = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Null(await tokens.VerifyAsync(TokensOf(theirs, Issuer, clock).Issue(Audience.User, user, tenant, session), Audience.User));
        Assert.Null(await tokens.VerifyAsync(Forge(new ECDsaSecurityKey(theirs), SecurityAlgorithms.EcdsaSha256), Audience.User));
    }

    [Fact]
    public async Task the_public_key_used_as_a_shared_secret_proves_nothing() =>
        Assert.Null(await tokens.VerifyAsync(Forge(new SymmetricSecurityKey(signingKey.ExportSubjectPublicKeyInfo()), SecurityAlgorithms.HmacSha256), Audience.User));

    [Theory]
    [InlineData(SecurityAlgorithms.EcdsaSha384)]
    [InlineData(SecurityAlgorithms.EcdsaSha512)]
    public async Task our_own_signature_by_another_algorithm_proves_nothing(string algorithm) =>
        Assert.Null(await tokens.VerifyAsync(Forge(new ECDsaSecurityKey(signingKey), algorithm), Audience.User));

    [Fact]
    public async Task a_key_that_was_replaced_proves_nothing_after_its_time_though_the_token_would_be_good()
    {
        var token = tokens.Issue(Audience.User, user, tenant, session);
        var keys = new SigningKeys(new MasterKey(RandomNumberGenerator.GetBytes(32)), clock);
        keys.Set(SigningKey.Of(signingKey, Samples.Now, DateTimeOffset.MinValue, Samples.Now.AddMinutes(5)), SigningKey.Create(Samples.Now, Samples.Now));
        var later = new Tokens(keys, Issuer, clock);
        Assert.NotNull(await later.VerifyAsync(token, Audience.User));
        clock.Now += TimeSpan.FromMinutes(5);
        Assert.Null(await later.VerifyAsync(token, Audience.User));
        Assert.Single(JsonSerializer.SerializeToNode(later.KeySet())!["keys"]!.AsArray());
    }

    [Fact]
    public async Task another_issuers_token_proves_nothing() =>
        Assert.Null(await tokens.VerifyAsync(TokensOf(signingKey, "https://elsewhere.example.com", clock).Issue(Audience.User, user, tenant, session), Audience.User));

    [Fact]
    public async Task a_token_for_another_audience_proves_nothing()
    {
        Assert.NotNull(await tokens.VerifyAsync(Forge(new ECDsaSecurityKey(signingKey), SecurityAlgorithms.EcdsaSha256), Audience.User));
        Assert.Null(await tokens.VerifyAsync(Forge(new ECDsaSecurityKey(signingKey), SecurityAlgorithms.EcdsaSha256, audience: "cvault:portal"), Audience.User));
    }

    [Fact]
    public async Task a_token_that_never_expires_proves_nothing() =>
        Assert.Null(await tokens.VerifyAsync(Forge(new ECDsaSecurityKey(signingKey), SecurityAlgorithms.EcdsaSha256, lifetime: null), Audience.User));

    [Fact]
    public async Task a_claim_changed_after_signing_proves_nothing()
    {
        var parts = tokens.Issue(Audience.User, user, tenant, session).Split('.');
        var payload = JsonNode.Parse(Base64UrlEncoder.Decode(parts[1]))!;
        payload["tid"] = Guid.NewGuid().ToString();
        Assert.Null(await tokens.VerifyAsync($"{parts[0]}.{Encode(payload.ToJsonString())}.{parts[2]}", Audience.User));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a.b.c")]
    [InlineData("no token at all")]
    public async Task what_is_no_token_proves_nothing(string text) => Assert.Null(await tokens.VerifyAsync(text, Audience.User));

    [Fact]
    public void only_a_P256_key_signs()
    {
        using var big = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Throws<ArgumentException>(() => TokensOf(big, Issuer, clock));
    }

    private string Forge(SecurityKey key, string algorithm, string audience = "cvault:user", double? lifetime = 15)
    {
        key.KeyId = JsonSerializer.SerializeToNode(tokens.KeySet())!["keys"]![0]!["kid"]!.ToString();
        var now = clock.Now.UtcDateTime;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer, Audience = audience, IssuedAt = now, NotBefore = now, Expires = lifetime is { } minutes ? now.AddMinutes(minutes) : null,
            Claims = new Dictionary<string, object> { ["sub"] = user.ToString(), ["tid"] = tenant.ToString(), ["sid"] = session.ToString() },
            SigningCredentials = new SigningCredentials(key, algorithm),
        });
    }

    private static string Encode(string json) => Base64UrlEncoder.Encode(Encoding.UTF8.GetBytes(json));
}
