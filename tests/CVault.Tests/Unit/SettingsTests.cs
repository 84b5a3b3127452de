using System.Security.Cryptography;
using CVault.Api;
using Microsoft.Extensions.Configuration;

namespace CVault.Tests.Unit;

/// <summary>What the process starts with, and does not start without.</summary>
public sealed class SettingsTests
{
    private static Dictionary<string, string?> Good() => new()
    {
        ["CVAULT_DATABASE_URL"] = "postgresql://localhost/vpn",
        ["CVAULT_OPERATOR_TOKEN"] = new string('t', 32) + "oken",
        ["CVAULT_MASTER_KEY"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)),
    };

    private static Settings Read(Dictionary<string, string?> settings) => Settings.Read(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());

    [Fact]
    public void good_ones_are_taken() => Assert.Equal("http://127.0.0.1:8080", Read(Good()).PublicUrl);

    [Fact]
    public void all_that_is_wrong_is_told_at_once()
    {
        var wrong = Assert.Throws<SettingsException>(() => Read(new() { ["CVAULT_LEASE_QUARANTINE"] = "-1", ["CVAULT_API_PORT"] = "70000", ["CVAULT_SSH_KEY_FILE"] = "/nowhere/at/all" }));
        foreach (var name in Good().Keys.Append("CVAULT_LEASE_QUARANTINE").Append("CVAULT_API_PORT").Append("CVAULT_SSH_KEY")) Assert.Contains(wrong.Wrong, w => w.StartsWith(name, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("CVAULT_TRUSTED_PROXIES", "10.0.0.0/8,the balancer")]
    [InlineData("CVAULT_DATABASE_URL", "postgresql://localhost:99999999999/vpn")]
    [InlineData("CVAULT_SSH_KEY", "-----BEGIN PRIVATE KEY-----\nTwA=\n-----END PRIVATE KEY-----")]
    public void what_is_in_no_form_at_all_is_named_like_the_rest(string name, string value)
    {
        var settings = Good();
        settings[name] = value;
        Assert.StartsWith(name, Assert.Single(Assert.Throws<SettingsException>(() => Read(settings)).Wrong), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CVAULT_OPERATOR_TOKEN", "short-secret")]
    [InlineData("CVAULT_MASTER_KEY", "c2hvcnQtc2VjcmV0")]
    [InlineData("CVAULT_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("CVAULT_MASTER_KEY", "not base64 at all")]
    [InlineData("CVAULT_MASTER_KEY_PREVIOUS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("CVAULT_SSH_KEY", "no key")]
    [InlineData("CVAULT_DATABASE_URL", "postgresql://user:short-secret@localhost")]
    public void weak_or_broken_secrets_are_refused_and_never_quoted(string name, string value)
    {
        var settings = Good();
        settings[name] = value;
        var wrong = Assert.Throws<SettingsException>(() => Read(settings));
        Assert.StartsWith(name.Replace("_PREVIOUS", "", StringComparison.Ordinal), Assert.Single(wrong.Wrong), StringComparison.Ordinal);
        Assert.DoesNotContain(value, wrong.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("short-secret", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void earlier_master_keys_are_parted_by_white_space()
    {
        var settings = Good();
        var previous = new[] { RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32) };
        settings["CVAULT_MASTER_KEY_PREVIOUS"] = string.Join("\n", previous.Select(Convert.ToBase64String)) + "\n";
        Assert.Equal(3, Read(settings).MasterKey.Ids.Count());
    }
}
