using CVault.Billing;
using CVault.IpLeases;
using CVault.Mail;
using CVault.Peers;
using CVault.Security;
using MimeKit;
using Renci.SshNet;

namespace CVault.Api;

/// <summary>
/// What the environment gives. A secret <c>X</c> is read from the file that <c>X_FILE</c> names, else from <c>X</c>
/// itself. The process does not start with one missing or weak, and says which, all at once.
/// </summary>
public sealed record Settings
{
    /// <summary><c>CVAULT_DATABASE_URL</c>.</summary>
    public required string ConnectionString { get; init; }

    /// <summary><c>CVAULT_API_PORT</c>, on 127.0.0.1; null leaves the address to ASP.NET's own settings.</summary>
    public int? ApiPort { get; init; }

    /// <summary><c>CVAULT_METRICS_PORT</c>, on 127.0.0.1, where <c>/metrics</c> is; null: nowhere.</summary>
    public int? MetricsPort { get; init; }

    /// <summary><c>CVAULT_PUBLIC_URL</c>: where callers reach the API, and the issuer of its tokens.</summary>
    public required string PublicUrl { get; init; }

    /// <summary><c>CVAULT_OPERATOR_TOKEN</c>: at least 32 characters.</summary>
    public required OperatorToken OperatorToken { get; init; }

    /// <summary>
    /// <c>CVAULT_MASTER_KEY</c>: 32 random bytes in base64. <c>CVAULT_MASTER_KEY_PREVIOUS</c>: others, parted by white space, by which
    /// values are read as well.
    /// </summary>
    public required MasterKey MasterKey { get; init; }

    /// <summary><c>CVAULT_SSH_KEY</c>: the private key that servers know, in OpenSSH form; without it only simulated servers work.</summary>
    public IPrivateKeySource? SshKey { get; init; }

    /// <summary><c>CVAULT_LEASE_QUARANTINE</c>: seconds that a released address rests, 0 to 86,400; 300 when it is not set.</summary>
    public LeaseRules LeaseRules { get; init; } = LeaseRules.Default;

    /// <summary><c>CVAULT_METER_INTERVAL</c>: seconds between two readings of a server's peers and counters, 1 to 300; 15 when it is not set.</summary>
    public PassRules PassRules { get; init; } = PassRules.Default;

    /// <summary><c>CVAULT_BILLING_CLOSE_AFTER</c>: seconds from a month's end to its invoices, 0 to 2,592,000; 21,600 (six hours) when it is not set.</summary>
    /// <remarks><c>CVAULT_BILLING_GRACE_DAYS</c>: days from an invoice's due date to the tenant's suspension, 0 to 3650; 14 when it is not set.</remarks>
    public BillingRules BillingRules { get; init; } = BillingRules.Default;

    /// <summary><c>CVAULT_SELLER_NAME</c>, <c>CVAULT_SELLER_ADDRESS</c> (in lines) and <c>CVAULT_SELLER_TAX_ID</c>: who issues the invoices.</summary>
    public Seller Seller { get; init; } = new("CVault", "", null);

    /// <summary>
    /// <c>CVAULT_STRIPE_SECRET_KEY</c> and <c>CVAULT_STRIPE_WEBHOOK_SECRET</c>, both or neither: without them Stripe is not spoken to.
    /// <c>CVAULT_STRIPE_METER_EVENT</c> (<c>cvault_bytes</c>), <c>CVAULT_STRIPE_TIMEOUT</c> in seconds (30), and for stand-ins
    /// <c>CVAULT_STRIPE_API_BASE</c>.
    /// </summary>
    public StripeSettings? Stripe { get; init; }

    /// <summary>
    /// <c>CVAULT_SMTP_URL</c>, without which no mail is sent; <c>CVAULT_MAIL_FROM</c>; and <c>CVAULT_PORTAL_URL</c>, to
    /// which the links in mails lead (the public URL when it is not set).
    /// </summary>
    public required MailSettings Mail { get; init; }

    /// <summary><c>CVAULT_TRUSTED_PROXIES</c>: whose word on a caller's address and scheme counts; by default nobody's.</summary>
    public IReadOnlyList<System.Net.IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>CVAULT_AUTH_PER_ADDRESS</c>: calls of <c>auth/…</c> a minute from one address, 1 to 1,000,000; 60 when it is not set.</summary>
    public AttemptRules AttemptRules { get; init; } = new();

    /// <exception cref="SettingsException">Something is missing or unusable; all of it is named.</exception>
    public static Settings Read(IConfiguration configuration)
    {
        var wrong = new List<string>();
        string? Optional(string name)
        {
            try
            {
                return configuration[name + "_FILE"] is { Length: > 0 } file ? File.ReadAllText(file).Trim() : configuration[name];
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                wrong.Add($"{name}_FILE names a file that cannot be read.");
                return null;
            }
        }

        T Required<T>(string name, Func<string, T> parse)
        {
            var known = wrong.Count;
            var text = Optional(name);
            try
            {
                if (!string.IsNullOrWhiteSpace(text)) return parse(text);
                if (wrong.Count == known) wrong.Add($"{name} (or {name}_FILE) is not set.");
            }
            catch (Exception e)
            {
                // Of whatever kind: libraries read some of them, and of a broken key SSH.NET says so in a dozen ways. What an
                // exception carries may quote the value.
                wrong.Add($"{name} cannot be used: {(e is ArgumentException ? e.Message.Split(" (Parameter")[0] : "it is not in the right form.")}");
            }

            return default!; // Never seen: what is wrong is thrown before anything is returned.
        }

        var quarantine = configuration["CVAULT_LEASE_QUARANTINE"];
        if (!string.IsNullOrWhiteSpace(quarantine) && !(int.TryParse(quarantine, System.Globalization.CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 86_400))
        {
            wrong.Add("CVAULT_LEASE_QUARANTINE is a number of seconds from 0 to 86400.");
            quarantine = null;
        }

        var passRules = PassRules.Default;
        if (configuration["CVAULT_METER_INTERVAL"] is { Length: > 0 } every)
        {
            if (int.TryParse(every, System.Globalization.CultureInfo.InvariantCulture, out var interval) && interval is >= 1 and <= 300) passRules = new PassRules(TimeSpan.FromSeconds(interval));
            else wrong.Add("CVAULT_METER_INTERVAL is a number of seconds from 1 to 300.");
        }

        var billing = BillingRules.Default;
        if (configuration["CVAULT_BILLING_CLOSE_AFTER"] is { Length: > 0 } after)
        {
            if (int.TryParse(after, System.Globalization.CultureInfo.InvariantCulture, out var wait) && wait is >= 0 and <= 2_592_000) billing = new BillingRules(TimeSpan.FromSeconds(wait));
            else wrong.Add("CVAULT_BILLING_CLOSE_AFTER is a number of seconds from 0 to 2592000.");
        }

        if (configuration["CVAULT_BILLING_GRACE_DAYS"] is { Length: > 0 } grace)
        {
            if (int.TryParse(grace, System.Globalization.CultureInfo.InvariantCulture, out var days) && days is >= 0 and <= 3650) billing = billing with { GraceDays = days };
            else wrong.Add("CVAULT_BILLING_GRACE_DAYS is a number of days from 0 to 3650.");
        }

        StripeSettings? stripe = null;
        var (stripeKey, webhookSecret) = (Optional("CVAULT_STRIPE_SECRET_KEY"), Optional("CVAULT_STRIPE_WEBHOOK_SECRET"));
        if (string.IsNullOrWhiteSpace(stripeKey) != string.IsNullOrWhiteSpace(webhookSecret)) wrong.Add("CVAULT_STRIPE_SECRET_KEY and CVAULT_STRIPE_WEBHOOK_SECRET are set both or neither.");
        else if (!string.IsNullOrWhiteSpace(stripeKey))
        {
            Uri? apiBase = null;
            // The key goes there: in the clear only to this machine.
            if (configuration["CVAULT_STRIPE_API_BASE"] is { Length: > 0 } there && !(Uri.TryCreate(there, UriKind.Absolute, out apiBase) && (apiBase.Scheme == Uri.UriSchemeHttps || (apiBase.Scheme == Uri.UriSchemeHttp && apiBase.IsLoopback))))
            {
                wrong.Add("CVAULT_STRIPE_API_BASE is an https URL, or an http one of this machine.");
            }

            var timeout = StripeSettings.DefaultTimeout;
            if (configuration["CVAULT_STRIPE_TIMEOUT"] is { Length: > 0 } patience)
            {
                if (int.TryParse(patience, System.Globalization.CultureInfo.InvariantCulture, out var most) && most is >= 1 and <= 60) timeout = TimeSpan.FromSeconds(most);
                else wrong.Add("CVAULT_STRIPE_TIMEOUT is a number of seconds from 1 to 60.");
            }

            stripe = new StripeSettings(stripeKey, webhookSecret!, configuration["CVAULT_STRIPE_METER_EVENT"] is { Length: > 0 } meter ? meter : StripeSettings.DefaultMeterEvent, apiBase, timeout);
        }

        var perAddress = new AttemptRules();
        if (configuration["CVAULT_AUTH_PER_ADDRESS"] is { Length: > 0 } given)
        {
            if (int.TryParse(given, System.Globalization.CultureInfo.InvariantCulture, out var calls) && calls is >= 1 and <= 1_000_000) perAddress = new AttemptRules(calls);
            else wrong.Add("CVAULT_AUTH_PER_ADDRESS is a number of calls from 1 to 1000000.");
        }

        int? Port(string name)
        {
            if (configuration[name] is not { Length: > 0 } text) return null;
            if (ushort.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number)) return number;
            wrong.Add($"{name} is no port.");
            return null;
        }

        var port = Port("CVAULT_API_PORT");
        var previous = (Optional("CVAULT_MASTER_KEY_PREVIOUS") ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var publicUrl = configuration["CVAULT_PUBLIC_URL"] is { Length: > 0 } url ? url.TrimEnd('/') : $"http://127.0.0.1:{port ?? 8080}";
        IReadOnlyList<System.Net.IPNetwork> proxies = [];
        try
        {
            proxies = Hygiene.Proxies(configuration["CVAULT_TRUSTED_PROXIES"]);
        }
        catch (FormatException e)
        {
            wrong.Add(e.Message);
        }

        var settings = new Settings
        {
            ConnectionString = Required("CVAULT_DATABASE_URL", Database.ConnectionString),
            ApiPort = port,
            MetricsPort = Port("CVAULT_METRICS_PORT"),
            PublicUrl = publicUrl,
            Mail = new MailSettings(
                Optional("CVAULT_SMTP_URL") is { Length: > 0 } ? Required("CVAULT_SMTP_URL", SmtpServer.Parse) : null,
                string.IsNullOrWhiteSpace(configuration["CVAULT_MAIL_FROM"]) ? MailboxAddress.Parse("CVault <no-reply@cvault.invalid>") : Required("CVAULT_MAIL_FROM", t => MailboxAddress.TryParse(t, out var address) ? address : throw new FormatException()),
                configuration["CVAULT_PORTAL_URL"] is { Length: > 0 } portal ? portal.TrimEnd('/') : publicUrl),
            OperatorToken = Required("CVAULT_OPERATOR_TOKEN", t => new OperatorToken(t)),
            MasterKey = Required("CVAULT_MASTER_KEY", t => new MasterKey(Convert.FromBase64String(t), [.. previous.Select(Convert.FromBase64String)])),
            LeaseRules = string.IsNullOrWhiteSpace(quarantine) ? LeaseRules.Default : new LeaseRules(TimeSpan.FromSeconds(int.Parse(quarantine, System.Globalization.CultureInfo.InvariantCulture))),
            TrustedProxies = proxies,
            AttemptRules = perAddress,
            BillingRules = billing,
            Stripe = stripe,
            Seller = new Seller(
                configuration["CVAULT_SELLER_NAME"] is { Length: > 0 } name ? name : "CVault", configuration["CVAULT_SELLER_ADDRESS"] ?? "", configuration["CVAULT_SELLER_TAX_ID"] is { Length: > 0 } taxId ? taxId : null),
            PassRules = passRules,
            SshKey = Optional("CVAULT_SSH_KEY") is { Length: > 0 } ? Required("CVAULT_SSH_KEY", t => new PrivateKeyFile(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(t + "\n")))) : null,
        };
        return wrong.Count == 0 ? settings : throw new SettingsException(wrong);
    }
}

/// <summary>What is wrong with the settings; no value is quoted.</summary>
public sealed class SettingsException(IReadOnlyList<string> wrong) : Exception("CVault cannot start:\n" + string.Join('\n', wrong.Select(w => "  " + w)))
{
    public IReadOnlyList<string> Wrong { get; } = wrong;
}
