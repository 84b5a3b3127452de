using System.Text.Json;

namespace CVault.Tenants;

/// <summary>
/// The members that <c>POST /admin/tenants</c> and <c>PATCH /admin/tenants/{id}</c> share. In a PATCH an absent member
/// stays as it is and an explicit null sets it to null, so absence and null are told apart; what cannot be null stays as it is then, too.
/// </summary>
public sealed class TenantChanges
{
    public string? Name { get; init; }
    public string? Status { get; init; }
    public JsonElement BandwidthLimitGb { get; init; }
    public JsonElement UserLimit { get; init; }
    public JsonElement MaxDevicesPerUser { get; init; }
    public JsonElement RequestsPerMinute { get; init; }
    public int? RequestsBurst { get; init; }
    public string? LeasePolicy { get; init; }
    public JsonElement LeaseIdleDays { get; init; }
    public string? KeyCustody { get; init; }
    public string? EmailVerification { get; init; }
    public JsonElement WhitelabelConfig { get; init; }

    /// <summary>What is wrong with the shape; empty when nothing is.</summary>
    public IEnumerable<(string Field, string Message)> Errors(bool nameRequired)
    {
        if (nameRequired || Name is not null)
        {
            foreach (var error in NameErrors(Name, "name")) yield return error;
        }

        if (Status is not null && !Names.TryParse<TenantStatus>(Status, out _)) yield return ("status", OneOf<TenantStatus>());
        if (LeasePolicy is not null && !Names.TryParse<LeasePolicy>(LeasePolicy, out _)) yield return ("lease_policy", OneOf<LeasePolicy>());
        if (KeyCustody is not null && !Names.TryParse<KeyCustody>(KeyCustody, out _)) yield return ("key_custody", OneOf<KeyCustody>());
        if (EmailVerification is not null && !Names.TryParse<EmailVerification>(EmailVerification, out _)) yield return ("email_verification", OneOf<EmailVerification>());
        if (LeaseIdleDays.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null)
            && !(LeaseIdleDays.ValueKind == JsonValueKind.Number && LeaseIdleDays.TryGetInt32(out var days) && days is >= 1 and <= 3650))
        {
            yield return ("lease_idle_days", "A whole number from 1 to 3650, or null for never.");
        }

        if (MaxDevicesPerUser.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null)
            && !(MaxDevicesPerUser.ValueKind == JsonValueKind.Number && MaxDevicesPerUser.TryGetInt32(out var devices) && devices is >= 0 and <= 1000))
        {
            yield return ("max_devices_per_user", "A whole number from 0 to 1000, or null for no limit.");
        }

        if (RequestsBurst is < 0 or > 10_000) yield return ("requests_burst", "0 to 10000.");
        foreach (var (field, value) in new[] { ("bandwidth_limit_gb", BandwidthLimitGb), ("user_limit", UserLimit), ("requests_per_minute", RequestsPerMinute) })
        {
            if (value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null) continue;
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var n) || n < 0) yield return (field, field == "requests_per_minute" ? "A whole number from 0, or null for the default." : "A whole number from 0, or null for no limit.");
        }

        if (WhitelabelConfig.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Object or JsonValueKind.Null)) yield return ("whitelabel_config", "A JSON object.");
        // First of all: the raw text of what is no UTF-8 cannot be had.
        else if (!Texts.IsStorable(WhitelabelConfig)) yield return ("whitelabel_config", "A text in it holds a character that cannot be stored.");
        else if (WhitelabelConfig.ValueKind == JsonValueKind.Object && WhitelabelConfig.GetRawText().Length > 16_384) yield return ("whitelabel_config", "At most 16 KiB.");
    }

    /// <summary>What is wrong with a business's name.</summary>
    public static IEnumerable<(string Field, string Message)> NameErrors(string? name, string field)
    {
        if (string.IsNullOrWhiteSpace(name)) yield return (field, "A name is required.");
        else if (name.Length > 255 || name.Any(char.IsControl)) yield return (field, "1 to 255 characters, no control characters.");
    }

    /// <summary>The settings after the change.</summary>
    public TenantSettings ApplyTo(TenantSettings old) => old with
    {
        BandwidthLimitGb = Number(BandwidthLimitGb, old.BandwidthLimitGb),
        UserLimit = Number(UserLimit, old.UserLimit),
        MaxDevicesPerUser = Number(MaxDevicesPerUser, old.MaxDevicesPerUser),
        RequestsPerMinute = Number(RequestsPerMinute, old.RequestsPerMinute),
        RequestsBurst = RequestsBurst ?? old.RequestsBurst,
        LeasePolicy = Names.TryParse<LeasePolicy>(LeasePolicy, out var lease) ? lease : old.LeasePolicy,
        LeaseIdleDays = Number(LeaseIdleDays, old.LeaseIdleDays),
        KeyCustody = Names.TryParse<KeyCustody>(KeyCustody, out var custody) ? custody : old.KeyCustody,
        EmailVerification = Names.TryParse<EmailVerification>(EmailVerification, out var verification) ? verification : old.EmailVerification,
        WhitelabelConfig = WhitelabelConfig.ValueKind switch
        {
            JsonValueKind.Undefined => old.WhitelabelConfig,
            JsonValueKind.Object => WhitelabelConfig.Clone(),
            _ => null,
        },
    };

    private static int? Number(JsonElement value, int? old) => value.ValueKind switch
    {
        JsonValueKind.Undefined => old,
        JsonValueKind.Number => value.GetInt32(),
        _ => null,
    };

    private static string OneOf<T>() where T : struct, Enum => "One of: " + string.Join(", ", Names.All<T>()) + ".";
}
