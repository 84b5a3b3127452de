using System.Security.Cryptography;
using CVault.Security;
using CVault.Tenants;

namespace CVault.Tests.Unit;

/// <summary>What is found and compared by keyed hash: emails and secrets.</summary>
public sealed class LookupKeyTests
{
    private readonly LookupKey lookup = new(RandomNumberGenerator.GetBytes(32));

    [Fact]
    public void a_hash_is_the_same_for_the_same_value_and_another_for_another_key_or_purpose()
    {
        var hash = lookup.Hash("email", "alice");
        Assert.Matches("^[0-9a-f]{64}$", hash);
        Assert.Equal(hash, lookup.Hash("email", "alice"));
        Assert.Equal(4, new[] { hash, lookup.Hash("email", "bob"), lookup.Hash("secret", "alice"), new LookupKey(RandomNumberGenerator.GetBytes(32)).Hash("email", "alice") }.Distinct().Count());
    }

    [Fact]
    public void an_emails_index_is_one_per_tenant_whatever_its_case()
    {
        Assert.Equal(Emails.IndexOf(lookup, "t1", "Alice@example.com "), Emails.IndexOf(lookup, "t1", "alice@example.com"));
        Assert.NotEqual(Emails.IndexOf(lookup, "t1", "alice@example.com"), Emails.IndexOf(lookup, "t2", "alice@example.com"));
    }

    [Fact]
    public void an_API_secret_opens_its_own_key_only()
    {
        var (key, secret) = ApiKey.NewSecret(Guid.NewGuid(), lookup, Samples.Now);
        var (other, otherSecret) = ApiKey.NewSecret(Guid.NewGuid(), lookup, Samples.Now);
        Assert.True(key.SecretMatches(secret, lookup));
        Assert.False(key.SecretMatches(otherSecret, lookup));
        Assert.False(key.SecretMatches(secret + "x", lookup));
        Assert.False(key.SecretMatches("", lookup));
        Assert.NotEqual(key.Id, other.Id);
    }

    [Fact]
    public void a_stored_key_does_not_hold_its_secret()
    {
        var (key, secret) = ApiKey.NewSecret(Guid.NewGuid(), lookup, Samples.Now);
        Assert.DoesNotContain(secret, System.Text.Json.JsonSerializer.Serialize(key), StringComparison.Ordinal);
        Assert.DoesNotContain(secret, key.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void a_publishable_key_has_no_secret_that_could_match()
    {
        var key = ApiKey.NewPublishable(Guid.NewGuid(), Samples.Now);
        Assert.StartsWith("cvp_", key.Id, StringComparison.Ordinal);
        Assert.Null(key.SecretHash);
        Assert.False(key.SecretMatches("", lookup));
    }
}
