using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace CVault.Tests.Api;

/// <summary>Row 29 of the reliability plan: a token that is anything but ours, untouched and for this purpose, opens nothing.</summary>
public sealed class TokenTamperingTests(Stack stack, ITestOutputHelper output)
{
    private static readonly string[] Algorithms = ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "EdDSA", "ES256K", "", "es256"];
    private static readonly string[] KeyIds = ["", "../../../../dev/null", "/etc/passwd", "' or 1=1 --", "http://127.0.0.1:1/key", "null", "0", "\0", new string('k', 4000)];
    private static readonly string[] Audiences = ["cvault:member", "cvault:operator", "cvault:users", "", "*", "cvault"];

    [Fact]
    public async Task no_mutation_of_a_token_is_believed()
    {
        var tenant = await stack.NewTenantAsync();
        var (user, other) = (await tenant.NewUserAsync(), await (await stack.NewTenantAsync()).NewUserAsync());
        var good = user.AccessToken.Split('.');
        (await CallAsync(tenant, user.AccessToken)).Is(HttpStatusCode.OK);

        var mutations = Mutations(good, other.AccessToken.Split('.'), user.RefreshToken, tenant.ApiSecret).Distinct().Where(t => t != user.AccessToken).ToArray();
        Assert.True(mutations.Length >= 200, $"Only {mutations.Length} mutations.");
        var answers = new Dictionary<HttpStatusCode, int>();
        foreach (var token in mutations)
        {
            var answer = await CallAsync(tenant, token);
            Assert.True(answer.Status == HttpStatusCode.Unauthorized, $"{(int)answer.Status} for {token}: {answer.Body}");
            Assert.DoesNotContain("IDX", answer.Body, StringComparison.Ordinal);
            answers[answer.Status] = answers.GetValueOrDefault(answer.Status) + 1;
        }

        output.WriteLine($"{mutations.Length} mutations, {string.Join(", ", answers.Select(a => $"{(int)a.Key}: {a.Value}"))}");
        (await CallAsync(tenant, user.AccessToken)).Is(HttpStatusCode.OK);
    }

    private Task<Answer> CallAsync(TestTenant tenant, string token) =>
        stack.SendAsync(HttpMethod.Get, "/api/v1/devices", headers: [("X-API-Key", tenant.PublishableKey), ("Authorization", "Bearer " + token)]);

    private static IEnumerable<string> Mutations(string[] good, string[] other, string refresh, string secret)
    {
        var (header, payload) = (JsonNode.Parse(Base64UrlEncoder.Decode(good[0]))!.AsObject(), JsonNode.Parse(Base64UrlEncoder.Decode(good[1]))!.AsObject());
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string Signed(JsonObject h, JsonObject p)
        {
            var text = Encode(h) + "." + Encode(p);
            return text + "." + Base64UrlEncoder.Encode(own.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256));
        }

        // Other algorithms, with no signature, ours, and one that takes the public key for a shared secret.
        foreach (var alg in Algorithms)
        {
            var h = With(header, "alg", alg);
            yield return $"{Encode(h)}.{good[1]}.";
            yield return $"{Encode(h)}.{good[1]}.{good[2]}";
            yield return $"{Encode(h)}.{good[1]}.{Base64UrlEncoder.Encode(HMACSHA256.HashData(own.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(Encode(h) + "." + good[1])))}";
            yield return Signed(h, payload);
        }

        // Keys that the token brings along or points at.
        var jwk = JsonSerializer.SerializeToNode(JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(own)));
        foreach (var (name, value) in new (string, JsonNode?)[]
        {
            ("jwk", jwk), ("jku", "http://127.0.0.1:1/jwks.json"), ("x5u", "http://127.0.0.1:1/cert.pem"), ("x5c", new JsonArray("AAAA")), ("crit", new JsonArray("exp")), ("typ", "at+jwt"), ("cty", "JWT"), ("zip", "DEF"), ("b64", false),
        })
        {
            yield return Signed(With(header, name, value), payload);
            yield return $"{Encode(With(header, name, value))}.{good[1]}.{good[2]}";
        }

        foreach (var kid in KeyIds) yield return Signed(With(header, "kid", kid), payload);
        yield return Signed(Without(header, "kid"), payload);

        // What it says, changed under our signature and under a stranger's.
        var theirs = JsonNode.Parse(Base64UrlEncoder.Decode(other[1]))!.AsObject();
        var claims = Audiences.Select(a => With(payload, "aud", a)).Concat(
        [
            With(payload, "aud", new JsonArray("cvault:user", "cvault:member")), With(payload, "iss", "https://elsewhere.example.com"), With(payload, "iss", ""),
            With(payload, "tid", theirs["tid"]), With(payload, "sub", theirs["sub"]), With(payload, "sid", theirs["sid"]), With(payload, "sub", "operator"), With(payload, "tid", "*DEFAULT*"),
            With(payload, "exp", 99999999999), With(payload, "exp", 1), With(payload, "exp", "never"), With(payload, "exp", -1), With(payload, "nbf", 99999999999), With(payload, "iat", 0),
            Without(payload, "exp"), Without(payload, "aud"), Without(payload, "iss"), Without(payload, "sub"), Without(payload, "tid"), Without(payload, "sid"), With(payload, "role", "owner"), With(payload, "operator", true),
        ]);
        foreach (var claim in claims)
        {
            yield return $"{good[0]}.{Encode(claim)}.{good[2]}";
            yield return Signed(header, claim);
        }

        // Parts of two good tokens.
        yield return $"{other[0]}.{good[1]}.{other[2]}";
        yield return $"{good[0]}.{other[1]}.{good[2]}";
        yield return $"{good[0]}.{good[1]}.{other[2]}";

        // One character changed, everywhere; parts cut, doubled and spelled otherwise.
        var whole = string.Join('.', good);
        for (var i = 0; i < whole.Length; i += Math.Max(1, whole.Length / 120)) yield return whole[..i] + (whole[i] == 'A' ? 'B' : 'A') + whole[(i + 1)..];
        yield return whole[..^1] + (char)(whole[^1] + 1);
        yield return whole[..^1];
        yield return whole + "A";
        yield return whole + "=";
        yield return whole + "==";
        yield return whole + ".";
        yield return whole + "." + good[2];
        yield return "." + whole;
        yield return good[0] + "." + good[1];
        yield return good[0] + "." + good[1] + ".";
        yield return good[0] + ".." + good[2];
        yield return whole.Replace('.', ',');
        yield return whole.Replace('-', '+').Replace('_', '/') + "=";
        yield return $"{good[0]}.{good[1]}.{Base64UrlEncoder.Encode(new byte[64])}";
        yield return $"{good[0]}.{good[1]}.{Base64UrlEncoder.Encode([])}";
        yield return $"{good[0]}.{good[1]}.{good[2]}{good[2]}";

        // Other secrets where a token belongs.
        yield return refresh;
        yield return secret;
        yield return Stack.OperatorToken;
        yield return "null";
        yield return "undefined";
        yield return new string('A', 6000);
        yield return string.Join('.', Enumerable.Repeat("e30", 5));
    }

    private static JsonObject With(JsonObject json, string name, JsonNode? value)
    {
        var copy = json.DeepClone().AsObject();
        copy[name] = value?.DeepClone();
        return copy;
    }

    private static JsonObject Without(JsonObject json, string name)
    {
        var copy = json.DeepClone().AsObject();
        copy.Remove(name);
        return copy;
    }

    private static string Encode(JsonObject json) => Base64UrlEncoder.Encode(Encoding.UTF8.GetBytes(json.ToJsonString()));
}
