using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using CVault.Security;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Fuzz;

/// <summary>
/// Tokens. An input that begins with a brace is a header and, on the next line, a payload, which are signed here: what
/// a signature keeps from strangers is still what a tenant's own identity provider may say. Any other is a token as it came.
/// </summary>
public static class TokenTargets
{
    private const string PublicUrl = "https://api.example.com", Client = "client";

    /// <summary>What in an input stands for what differs in each process.</summary>
    private const string Kid = "KID", Issuer = "ISSUER";

    private const string Header = """{"alg":"ES256","typ":"JWT","kid":"KID"}""";
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly Lazy<SigningKey> Key = new(() => SigningKey.Create(Now, Now));
    private static readonly Lazy<Tokens> Ours = new(() =>
    {
        var keys = new SigningKeys(new MasterKey(SecretTargets.Made("master")), new Clock());
        keys.Set(Key.Value);
        return new Tokens(keys, PublicUrl, new Clock());
    });
    private static readonly Lazy<Provider> Theirs = new(() => new Provider(Key.Value));
    private static readonly Lazy<IdTokens> Outside = new(() => new IdTokens(new OutboundHttp(new Development()), new Clock(), NullLogger<IdTokens>.Instance));

    private static readonly string[] Words =
        ["ES256", "none", "HS256", "RS256", "\"kid\"", "KID", "ISSUER", "\"alg\"", "\"typ\"", "JWT", "at+jwt", "\"cty\"", "\"zip\"", "DEF", "\"crit\"", "\"enc\"", "\"aud\"", "\"exp\"", "\"nbf\"", "\"iat\"", "\"sub\"", "\"azp\"", "\"email\"", "\"tid\"", "\"sid\"",
            "null", "true", "[]", "{}", "1800000900", "1e400", "-1", "9223372036854775808", "\\u0000", "\\ud800", "cvault:user", "client"];

    public static IEnumerable<Target> All =>
    [
        Target.OfText("tokens", Access,
            [
                Header + "\n" + """{"iss":"https://api.example.com","aud":"cvault:user","iat":1800000000,"nbf":1800000000,"exp":1800000900,"sub":"0190a6e0-0000-7000-8000-000000000001","tid":"0190a6e0-0000-7000-8000-000000000002","sid":"0190a6e0-0000-7000-8000-000000000003","jti":"1"}""",
                Header + "\n" + """{"iss":"https://api.example.com","aud":["cvault:user"],"exp":1800000900,"nbf":1,"sub":7}""",
                """{"alg":"none"}""" + "\n{}", "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "..", "a.b.c",
            ], Words),
        Target.OfText("id-tokens", Identity,
            [
                Header + "\n" + """{"iss":"ISSUER","aud":"client","iat":1800000000,"exp":1800000900,"sub":"ada","email":"ada@example.com"}""",
                Header + "\n" + """{"iss":"ISSUER","aud":["client","other"],"azp":"client","iat":1800000000,"nbf":1800000000,"exp":1800000900,"sub":"ada","email":["ada@example.com"],"email_verified":true}""",
                """{"alg":"ES256"}""" + "\n" + """{"iss":"ISSUER","aud":"client","iat":1.8e9,"exp":1800000900,"sub":{"a":1}}""",
                "eyJhbGciOiJFUzI1NiJ9.e30.AAAA", "a.b.c.d.e", "",
            ], Words),
    ];

    private static void Access(string text)
    {
        var token = TokenOf(text, Kid, Key.Value.Kid);
        foreach (var audience in Enum.GetValues<Audience>()) _ = Ours.Value.VerifyAsync(token, audience).GetAwaiter().GetResult();
    }

    private static void Identity(string text)
    {
        var token = TokenOf(text, Issuer, Theirs.Value.Url);
        if (token.Length > IdTokens.MostCharacters) return; // As the command has it.
        try
        {
            if (Outside.Value.VerifyAsync(Theirs.Value.Url, Client, token, CancellationToken.None).GetAwaiter().GetResult() is { } known) Target.Must(known.Subject.Length is > 0 and <= 255, "A subject is bounded.");
        }
        catch (IssuerUnavailableException)
        {
            // Documented: a token that names a key which is not there has the issuer asked again, once in a while.
        }
    }

    private static string TokenOf(string text, string word, string meaning)
    {
        if (!text.StartsWith('{')) return text;
        var parts = text.Replace(Kid, Key.Value.Kid, StringComparison.Ordinal).Replace(word, meaning, StringComparison.Ordinal).Split('\n', 2);
        var content = string.Join('.', parts.Select(part => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(part))));
        return content + "." + Base64Url.EncodeToString(Key.Value.Key.ECDsa.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256));
    }

    /// <summary>It is always the same moment, so that the same input is.</summary>
    private sealed class Clock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }

    /// <summary>An identity provider on this machine: its discovery document and its keys.</summary>
    private sealed class Provider
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly string keys;

        public Provider(SigningKey key)
        {
            var point = key.Key.ECDsa.ExportParameters(includePrivateParameters: false).Q;
            keys = $$"""{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"{{key.Kid}}","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}]}""";
            listener.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
            new Thread(Serve) { IsBackground = true, Name = "identity provider" }.Start();
        }

        public string Url { get; }

        private void Serve()
        {
            while (true)
            {
                using var client = listener.AcceptTcpClient();
                using var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
                var asked = reader.ReadLine() ?? "";
                while (reader.ReadLine() is { Length: > 0 }) { }
                var body = asked.Contains("/keys", StringComparison.Ordinal) ? keys : $$"""{"issuer":"{{Url}}","jwks_uri":"{{Url}}/keys"}""";
                stream.Write(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n{body}"));
            }
        }
    }

    /// <summary>Where this machine may be called.</summary>
    private sealed class Development : IHostEnvironment
    {
        public string EnvironmentName { get; set; } = Environments.Development;
        public string ApplicationName { get; set; } = "";
        public string ContentRootPath { get; set; } = "";
        public IFileProvider ContentRootFileProvider { get; set; } = new NullFileProvider();
    }
}
