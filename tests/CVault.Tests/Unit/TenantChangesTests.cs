using System.Text.Json;
using CVault.Tenants;

namespace CVault.Tests.Unit;

/// <summary>The body that creates and changes tenants.</summary>
public sealed class TenantChangesTests
{
    private static readonly TenantSettings Old = new(10, 20, 5, 30, LeasePolicy.Ephemeral, KeyCustody.Client, JsonDocument.Parse("""{"color":"red"}""").RootElement);

    [Fact]
    public void what_is_absent_stays() => Assert.Equal(Old, Of("{}").ApplyTo(Old));

    /// <summary>As a body may come: bytes that are no UTF-8 (a lone 0xFF), and half of a surrogate pair, in a member that is read only later.</summary>
    [Theory]
    [InlineData("\u00ff")]
    [InlineData("\\ud800")]
    public void a_text_that_is_none_is_refused_wherever_it_stands(string text)
    {
        Assert.Equal(["contact_email"], Fields("""{"contact_email":"a*@example.com"}"""));
        Assert.Equal(["whitelabel_config"], Fields("""{"whitelabel_config":{"color":"*"}}"""));

        IEnumerable<string> Fields(string json) => JsonSerializer.Deserialize<SettingsChanges>(System.Text.Encoding.Latin1.GetBytes(json.Replace("*", text, StringComparison.Ordinal)), Reply.Json)!.Errors().Select(e => e.Field);
    }

    [Fact]
    public void an_explicit_null_lifts_a_limit()
    {
        var settings = Of("""{"bandwidth_limit_gb":null,"user_limit":null,"requests_per_minute":null,"whitelabel_config":null}""").ApplyTo(Old);
        Assert.Equal(Old with { BandwidthLimitGb = null, UserLimit = null, RequestsPerMinute = null, WhitelabelConfig = null }, settings);
    }

    [Fact]
    public void a_value_takes_the_place_of_the_old_one()
    {
        var settings = Of("""
            {"bandwidth_limit_gb":0,"user_limit":1,"max_devices_per_user":2,"requests_per_minute":3,"requests_burst":4,"lease_policy":"sticky","key_custody":"managed","whitelabel_config":{"color":"blue"}}
            """).ApplyTo(Old);
        Assert.Equal(new TenantSettings(0, 1, 2, 3, RequestsBurst: 4), settings with { WhitelabelConfig = null });
        Assert.Equal("blue", settings.WhitelabelConfig!.Value.GetProperty("color").GetString());
    }

    [Fact]
    public void a_whole_and_sensible_body_has_no_errors() => Assert.Empty(Of("""
        {"name":"Acme & Söhne","status":"trial","bandwidth_limit_gb":100,"user_limit":null,"max_devices_per_user":1000,"lease_policy":"ephemeral","key_custody":"client","whitelabel_config":{}}
        """).Errors(nameRequired: true));

    [Theory]
    [InlineData("""{"name":""}""", "name")]
    [InlineData("""{"name":"   "}""", "name")]
    [InlineData("""{"name":"a\u0000b"}""", "name")]
    [InlineData("""{"whitelabel_config":{"a":["x\u0000y"]}}""", "whitelabel_config")]
    [InlineData("""{"whitelabel_config":{"a\u0000b":1}}""", "whitelabel_config")]
    [InlineData("""{"whitelabel_config":{"a":{"b":"\ud800"}}}""", "whitelabel_config")]
    [InlineData("""{"whitelabel_config":{"a":1e400}}""", "whitelabel_config")]
    [InlineData("""{"name":"a\nb"}""", "name")]
    [InlineData("""{"status":"deleted"}""", "status")]
    [InlineData("""{"status":"Active"}""", "status")]
    [InlineData("""{"status":"0"}""", "status")]
    [InlineData("""{"lease_policy":"forever"}""", "lease_policy")]
    [InlineData("""{"key_custody":"nobody"}""", "key_custody")]
    [InlineData("""{"max_devices_per_user":-1}""", "max_devices_per_user")]
    [InlineData("""{"max_devices_per_user":1001}""", "max_devices_per_user")]
    [InlineData("""{"user_limit":-1}""", "user_limit")]
    [InlineData("""{"user_limit":1.5}""", "user_limit")]
    [InlineData("""{"user_limit":"many"}""", "user_limit")]
    [InlineData("""{"user_limit":99999999999}""", "user_limit")]
    [InlineData("""{"bandwidth_limit_gb":true}""", "bandwidth_limit_gb")]
    [InlineData("""{"requests_per_minute":[]}""", "requests_per_minute")]
    [InlineData("""{"requests_burst":-1}""", "requests_burst")]
    [InlineData("""{"requests_burst":10001}""", "requests_burst")]
    [InlineData("""{"whitelabel_config":"red"}""", "whitelabel_config")]
    [InlineData("""{"whitelabel_config":[]}""", "whitelabel_config")]
    public void each_bad_member_is_named(string json, string field) => Assert.Equal([field], Of(json).Errors(nameRequired: false).Select(e => e.Field));

    /// <summary>Events and models of before.</summary>
    [Fact]
    public void settings_that_were_stored_without_a_burst_have_the_default_one()
    {
        var stored = JsonSerializer.Deserialize<TenantSettings>("""{"bandwidthLimitGb":null,"userLimit":7,"maxDevicesPerUser":3,"requestsPerMinute":null,"leasePolicy":0,"keyCustody":0}""", JsonSerializerOptions.Web)!;
        Assert.Equal(new CVault.Security.LimitRule(100, 20, 60), stored.RequestLimit);
    }

    [Fact]
    public void all_bad_members_are_named_at_once() => Assert.Equal(
        ["key_custody", "status", "user_limit"], Of("""{"status":"x","key_custody":"y","user_limit":-1}""").Errors(nameRequired: false).Select(e => e.Field).Order());

    [Fact]
    public void a_new_tenant_needs_a_name_and_a_changed_one_does_not()
    {
        Assert.Equal(["name"], Of("{}").Errors(nameRequired: true).Select(e => e.Field));
        Assert.Empty(Of("{}").Errors(nameRequired: false));
    }

    [Fact]
    public void a_name_has_at_most_255_characters()
    {
        Assert.Empty(new TenantChanges { Name = new string('n', 255) }.Errors(nameRequired: true));
        Assert.Single(new TenantChanges { Name = new string('n', 256) }.Errors(nameRequired: true));
    }

    [Fact]
    public void branding_has_at_most_16_KiB() =>
        Assert.Equal(["whitelabel_config"], Of("{\"whitelabel_config\":{\"logo\":\"" + new string('x', 17_000) + "\"}}").Errors(nameRequired: false).Select(e => e.Field));

    internal static TenantChanges Of(string json) => JsonSerializer.Deserialize<TenantChanges>(json, Reply.Json)!;
}
