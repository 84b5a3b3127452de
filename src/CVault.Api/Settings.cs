using System.Security.Cryptography;
using CVault.IpLeases;
using CVault.Mail;
using CVault.Security;
using MimeKit;
using Renci.SshNet;

namespace CVault.Api;

/// <summary>
/// What the environment gives. A secret <c>X</c> is read from the file that <c>X_FILE</c> names, else from <c>X</c>
/// itself. The process does not start with one missing or weak, and says which.
/// </summary>
public sealed record Settings
{
    /// <summary><c>CVAULT_DATABASE_URL</c>.</summary>
    public required string ConnectionString { get; init; }

    /// <summary><c>CVAULT_API_PORT</c>, on 127.0.0.1; null leaves the address to ASP.NET's own settings.</summary>
    public int? ApiPort { get; init; }

    /// <summary><c>CVAULT_PUBLIC_URL</c>: where callers reach the API, and the issuer of its tokens.</summary>
    public required string PublicUrl { get; init; }

    /// <summary><c>CVAULT_OPERATOR_TOKEN</c>: at least 32 characters.</summary>
    public required OperatorToken OperatorToken { get; init; }

    /// <summary><c>CVAULT_MASTER_KEY</c>: 32 random bytes in base64.</summary>
    public required MasterKey MasterKey { get; init; }

    /// <summary><c>CVAULT_SSH_KEY</c>: the private key that servers know, in OpenSSH form; without it only simulated servers work.</summary>
    public IPrivateKeySource? SshKey { get; init; }

    /// <summary><c>CVAULT_LEASE_QUARANTINE</c>: seconds that a released address rests, 0 to 86,400; 300 when it is not set.</summary>
    public LeaseRules LeaseRules { get; init; } = LeaseRules.Default;

    /// <summary>
    /// <c>CVAULT_SMTP_URL</c>, without which no mail is sent; <c>CVAULT_MAIL_FROM</c>; and <c>CVAULT_PORTAL_URL</c>, to
    /// which the links in mails lead (the public URL when it is not set).
    /// </summary>
    public required MailSettings Mail { get; init; }

    /// <summary><c>CVAULT_TRUSTED_PROXIES</c>: whose word on a caller's address and scheme counts; by default nobody's.</summary>
    public IReadOnlyList<System.Net.IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>CVAULT_AUTH_PER_ADDRESS</c>: calls of <c>auth/…</c> a minute from one address, 1 to 1,000,000; 60 when it is not set.</summary>
    public AttemptRules AttemptRules { get; init; } = new();

    /// <exception cref="InvalidOperationException">Something is missing or unusable; the message names it.</exception>
    public static Settings Read(IConfiguration configuration)
    {
        string? Optional(string name) => configuration[name + "_FILE"] is { Length: > 0 } file ? File.ReadAllText(file).Trim() : configuration[name];
        T Required<T>(string name, Func<string, T> parse) => Optional(name) is { } text && !string.IsNullOrWhiteSpace(text)
            ? Parsed(name, text, parse)
            : throw new InvalidOperationException($"{name} (or {name}_FILE) is not set.");
        T Parsed<T>(string name, string text, Func<string, T> parse)
        {
            try
            {
                return parse(text);
            }
            catch (Exception e) when (e is ArgumentException or FormatException or CryptographicException)
            {
                // The inner exception may quote the value.
                throw new InvalidOperationException($"{name} cannot be used: {(e is FormatException ? "it is not in the right form" : e.Message)}");
            }
        }

        var quarantine = configuration["CVAULT_LEASE_QUARANTINE"];
        if (!string.IsNullOrWhiteSpace(quarantine) && !(int.TryParse(quarantine, System.Globalization.CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 86_400))
        {
            throw new InvalidOperationException("CVAULT_LEASE_QUARANTINE is a number of seconds from 0 to 86400.");
        }

        var perAddress = new AttemptRules();
        if (configuration["CVAULT_AUTH_PER_ADDRESS"] is { Length: > 0 } given)
        {
            perAddress = int.TryParse(given, System.Globalization.CultureInfo.InvariantCulture, out var calls) && calls is >= 1 and <= 1_000_000
                ? new AttemptRules(calls)
                : throw new InvalidOperationException("CVAULT_AUTH_PER_ADDRESS is a number of calls from 1 to 1000000.");
        }

        var port = configuration["CVAULT_API_PORT"] is { Length: > 0 } p ? int.Parse(p, System.Globalization.CultureInfo.InvariantCulture) : (int?)null;
        var publicUrl = configuration["CVAULT_PUBLIC_URL"] is { Length: > 0 } url ? url.TrimEnd('/') : $"http://127.0.0.1:{port ?? 8080}";
        return new Settings
        {
            ConnectionString = Required("CVAULT_DATABASE_URL", Database.ConnectionString),
            ApiPort = port,
            PublicUrl = publicUrl,
            Mail = new MailSettings(
                Optional("CVAULT_SMTP_URL") is { Length: > 0 } smtp ? Parsed("CVAULT_SMTP_URL", smtp, SmtpServer.Parse) : null,
                Parsed("CVAULT_MAIL_FROM", configuration["CVAULT_MAIL_FROM"] is { Length: > 0 } from ? from : "CVault <no-reply@cvault.invalid>",
                    t => MailboxAddress.TryParse(t, out var address) ? address : throw new FormatException()),
                configuration["CVAULT_PORTAL_URL"] is { Length: > 0 } portal ? portal.TrimEnd('/') : publicUrl),
            OperatorToken = Required("CVAULT_OPERATOR_TOKEN", t => new OperatorToken(t)),
            MasterKey = Required("CVAULT_MASTER_KEY", t => new MasterKey(Convert.FromBase64String(t))),
            LeaseRules = string.IsNullOrWhiteSpace(quarantine) ? LeaseRules.Default : new LeaseRules(TimeSpan.FromSeconds(int.Parse(quarantine, System.Globalization.CultureInfo.InvariantCulture))),
            TrustedProxies = Hygiene.Proxies(configuration["CVAULT_TRUSTED_PROXIES"]),
            AttemptRules = perAddress,
            SshKey = Optional("CVAULT_SSH_KEY") is { Length: > 0 } ssh ? new PrivateKeyFile(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(ssh + "\n"))) : null,
        };
    }
}
