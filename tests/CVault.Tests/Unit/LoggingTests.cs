using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using CVault.Api;
using CVault.Security;
using CVault.Users;
using Microsoft.Extensions.Logging;
using Serilog.Context;
using Serilog.Extensions.Logging;
using Serilog.Formatting;
using Serilog.Formatting.Compact;

namespace CVault.Tests.Unit;

/// <summary>What a log line looks like, and what none ever holds.</summary>
public sealed class LoggingTests
{
    private const string Password = "correct horse battery";

    private static string Logged(Action<Microsoft.Extensions.Logging.ILogger> write, ITextFormatter? formatter = null)
    {
        using var output = new StringWriter();
        using (var provider = new SerilogLoggerProvider(Logging.Logger(formatter ?? Logging.Text, output), dispose: true)) write(provider.CreateLogger("CVault.Some.Category"));
        return output.ToString();
    }

    [Fact]
    public void a_line_of_text_is_as_ops_test_reads_it() => Assert.Matches(
        @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warn: CVault\.Some\.Category\[0\] Link to server vpn1 is down: why not\n$",
        Logged(l => l.LogWarning("Link to server {Server} is down: {Reason}", "vpn1", "why\nnot")));

    [Theory]
    [InlineData(LogLevel.Trace, "trce")]
    [InlineData(LogLevel.Debug, "dbug")]
    [InlineData(LogLevel.Information, "info")]
    [InlineData(LogLevel.Warning, "warn")]
    [InlineData(LogLevel.Error, "fail")]
    [InlineData(LogLevel.Critical, "crit")]
    public void levels_have_the_words_that_they_had(LogLevel level, string word) => Assert.Contains($"Z {word}: CVault.Some.Category[7] said", Logged(l => l.Log(level, new EventId(7), "said")), StringComparison.Ordinal);

    [Fact]
    public void an_exception_stands_in_the_same_line() =>
        Assert.Matches("^[^\n]*failed System.InvalidOperationException: It broke[^\n]*\n$", Logged(l => l.LogError(new InvalidOperationException("It broke\nin two"), "failed")));

    [Fact]
    public void a_line_of_a_request_names_it()
    {
        using var _ = LogContext.PushProperty(Logging.Request, "request-1");
        Assert.EndsWith("said [request-1]\n", Logged(l => l.LogInformation("said")), StringComparison.Ordinal);
        Assert.Equal("request-1", JsonNode.Parse(Logged(l => l.LogInformation("said"), new RenderedCompactJsonFormatter()))!["Request"]!.ToString());
    }

    [Fact]
    public void in_JSON_the_security_log_keeps_its_details_apart()
    {
        using var output = new StringWriter();
        using (var factory = new SerilogLoggerFactory(Logging.Logger(new RenderedCompactJsonFormatter(), output), dispose: true)) new SecurityLog(factory.CreateLogger<SecurityLog>()).Write(SecurityEvent.KeyRefused, null, ("code", "INVALID_API_KEY"), ("route", "GET /x"));
        var line = JsonNode.Parse(output.ToString())!;
        Assert.Equal(("KeyRefused", "INVALID_API_KEY", "GET /x", "CVault.Security.SecurityLog"), (line["Event"]!.ToString(), line["code"]!.ToString(), line["route"]!.ToString(), line["SourceContext"]!.ToString()));
    }

    [Fact]
    public void values_of_secret_types_and_bodies_of_requests_are_never_written_whole()
    {
        var key = RandomNumberGenerator.GetBytes(32);
        object[] secrets = [new EmailAndPassword("ada@example.com", Password), new PendingRegistration("ada@example.com", Password), new Sealed(Password), new MasterKey(key), new DataKey(Guid.Empty, key), new OperatorToken(Password + Password),
            new RefreshTokens(Password), new TokenView { UserId = Guid.Empty, AccessToken = Password, RefreshToken = Password }, new Servers.WantedPeer("public", Password, "10.0.0.1/32")];
        foreach (var formatter in new[] { Logging.Text, new RenderedCompactJsonFormatter() })
        {
            foreach (var secret in secrets)
            {
                var written = Logged(l =>
                {
                    l.LogInformation("{@It}", secret);
                    l.LogInformation("{It}", secret);
                    l.LogInformation("{@Deep}", new { inner = new[] { secret } });
                    l.LogInformation("{$It}", secret);
                    l.LogInformation("{Text}", $"{secret}");
                    using var scope = l.BeginScope(new Dictionary<string, object> { ["It"] = secret, ["@At"] = secret });
                    l.LogInformation("scoped");
                }, formatter);
                Assert.DoesNotContain(Password, written, StringComparison.Ordinal);
                Assert.DoesNotContain("ada@", written, StringComparison.Ordinal);
                Assert.Contains("***", written, StringComparison.Ordinal);
            }
        }

        // And what is none is written, so that the above can fail.
        Assert.Contains(Password, Logged(l => l.LogInformation("{@It}", new { Password })), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cvs_0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE", "cvs_***")]
    [InlineData("cvr_0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE", "cvr_***")]
    [InlineData("cvo_0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE", "cvo_***")]
    [InlineData("cvt_0123456789abcdefghijklmnopqrstuvwxyz-_ABCDE", "cvt_***")]
    [InlineData("Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Bearer eyJ***")]
    [InlineData("PrivateKey = aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/abcde=", "PrivateKey = ***")]
    [InlineData("cvk_0123456789abcdefghij", "cvk_0123456789abcdefghij")]
    public void what_has_the_form_of_a_secret_is_masked_wherever_it_came_from(string text, string shown)
    {
        foreach (var formatter in new[] { Logging.Text, new RenderedCompactJsonFormatter() })
        {
            var line = Logged(l => l.LogError(new FormatException($"Cannot read '{text}'"), "failed at {Where}", text), formatter);
            Assert.Contains(shown, line, StringComparison.Ordinal);
            if (shown != text) Assert.DoesNotContain(text, line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void types_that_are_never_logged_print_nothing_of_what_they_hold()
    {
        var marked = typeof(Configuration).Assembly.GetTypes().Where(t => t.GetCustomAttribute<NeverLoggedAttribute>() is not null).ToArray();
        Assert.True(marked.Length > 10);
        Assert.Empty(marked.Where(PrintsItsMembers).Select(t => t.Name));
    }

    /// <summary>By name, since no type tells a password from a name: such a body is printed by whoever logs what he was sent.</summary>
    [Fact]
    public void bodies_with_secrets_print_nothing_of_what_they_hold() => Assert.Empty(
        Services.Bodies.Where(t => t.GetProperties().Any(p => p.Name.Contains("Password", StringComparison.Ordinal) || p.Name.Contains("Secret", StringComparison.Ordinal) || p.Name.EndsWith("Token", StringComparison.Ordinal)))
            .Where(PrintsItsMembers).Select(t => $"{t.Name}: give it a ToString of its own, and [NeverLogged]"));

    /// <summary>By name as well, in all that is ours: an attribute that is forgotten, or taken off, is missed by nobody else.</summary>
    [Fact]
    public void whatever_has_a_secret_by_its_name_prints_nothing_of_what_it_holds() => Assert.Empty(
        new[] { typeof(Configuration).Assembly, typeof(Settings).Assembly }.SelectMany(a => a.GetTypes())
            .Where(t => t.GetProperties().Any(p => p.PropertyType == typeof(string) && HasASecret(p.Name)))
            .Where(t => PrintsItsMembers(t) || (t.GetCustomAttribute<NeverLoggedAttribute>() is null && !Services.Bodies.Contains(t)))
            .Select(t => $"{t.Name}: give it a ToString of its own, and [NeverLogged]"));

    private static bool HasASecret(string name) =>
        name.EndsWith("Token", StringComparison.Ordinal) || name is "PrivateKey" or "PresharedKey" || new[] { "Password", "Secret", "Hash" }.Any(word => name.Contains(word, StringComparison.Ordinal));

    private static bool PrintsItsMembers(Type type) =>
        type.GetMethod(nameof(ToString), BindingFlags.Public | BindingFlags.Instance, [])!.GetCustomAttribute<CompilerGeneratedAttribute>(inherit: false) is not null;
}
