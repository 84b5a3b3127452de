using CVault.Security;

namespace CVault.Billing;

/// <summary>How Stripe is reached. Where it is not configured nothing is sent there and its webhooks are not taken.</summary>
[NeverLogged]
public sealed class StripeSettings(string secretKey, string webhookSecret, string meterEvent, Uri? apiBase, TimeSpan timeout)
{
    public const string DefaultMeterEvent = "cvault_bytes";
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The account's secret or restricted key.</summary>
    public string SecretKey { get; } = secretKey;

    /// <summary>By which Stripe signs what it sends (<c>whsec_…</c>).</summary>
    public string WebhookSecret { get; } = webhookSecret;

    /// <summary>The <c>event_name</c> of the meter that sums up bytes.</summary>
    public string MeterEvent { get; } = meterEvent;

    /// <summary>Null: Stripe's own.</summary>
    public Uri? ApiBase { get; } = apiBase;

    /// <summary>How long one call may take.</summary>
    public TimeSpan Timeout { get; } = timeout;
}
