using CVault.Tenants;
using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>How the API spells things.</summary>
public sealed class NamesTests
{
    private enum Fruit { Apple, BloodOrange }

    [Fact]
    public void values_are_spelt_in_snake_case()
    {
        Assert.Equal("blood_orange", Names.Of(Fruit.BloodOrange));
        Assert.Equal(["apple", "blood_orange"], Names.All<Fruit>());
    }

    [Fact]
    public void every_name_reads_back_as_its_value()
    {
        foreach (var value in Enum.GetValues<TenantStatus>()) Assert.Equal(value, Names.Parse<TenantStatus>(Names.Of(value)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("BloodOrange")]
    [InlineData("Blood_orange")]
    [InlineData(" blood_orange")]
    [InlineData("1")]
    [InlineData("apple,blood_orange")]
    public void nothing_else_is_a_name(string? text) => Assert.False(Names.TryParse<Fruit>(text, out _));

    [Theory]
    [InlineData("a@b.co", true)]
    [InlineData("  Alice@Example.COM ", true)]
    [InlineData("o'brien+vpn@sub.example.co.uk", true)]
    [InlineData("", false)]
    [InlineData("alice", false)]
    [InlineData("@example.com", false)]
    [InlineData("alice@", false)]
    [InlineData("a@b@c.com", false)]
    [InlineData("a b@c.com", false)]
    [InlineData("a\0@c.com", false)]
    [InlineData("a@.com", false)]
    [InlineData("a@example.com.", false)]
    [InlineData("ü@example.com", true)]
    [InlineData("a@xn--bcher-kva.example", true)]
    [InlineData("a,b@example.com", false)]
    [InlineData("\"a\"@example.com", false)]
    [InlineData("a(x)@example.com", false)]
    [InlineData("<a@example.com", false)]
    [InlineData("a;b@example.com", false)]
    [InlineData("a:b@example.com", false)]
    [InlineData("a\\b@example.com", false)]
    [InlineData("a..b@example.com", false)]
    [InlineData(".a@example.com", false)]
    [InlineData("a.@example.com", false)]
    [InlineData("a@b..c", false)]
    [InlineData("a@[127.0.0.1]", false)]
    [InlineData("a@-b.com", false)]
    [InlineData("a@example\u3002com", false)]
    [InlineData("a@\uff45xample.com", false)]
    public void an_email_has_something_sensible_on_both_sides_of_one_at(string email, bool wellFormed) => Assert.Equal(wellFormed, Emails.IsWellFormed(email));

    [Theory]
    [InlineData("Ada+vpn@Example.com", "ada@example.com")]
    [InlineData("ada@example.com", "ada@example.com")]
    [InlineData("+ada@example.com", "+ada@example.com")]
    public void a_mailbox_is_one_whatever_is_added_to_its_name(string email, string mailbox) => Assert.Equal(mailbox, Emails.MailboxOf(email));

    [Fact]
    public void an_email_is_no_longer_than_mail_allows()
    {
        Assert.True(Emails.IsWellFormed(new string('a', 64) + "@example.com"));
        Assert.False(Emails.IsWellFormed(new string('a', 65) + "@example.com"));
        Assert.False(Emails.IsWellFormed("a@" + new string('b', 250) + ".com"));
    }

    [Fact]
    public void emails_are_compared_without_case_and_surrounding_space() => Assert.Equal("alice@example.com", Emails.Normalize("  Alice@EXAMPLE.com\t"));
}
