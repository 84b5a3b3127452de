using System.Security.Cryptography;
using System.Text.Json;
using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>Texts sealed under a user's data key.</summary>
public sealed class SealedTests
{
    private readonly DataKey key = DataKey.Create(Guid.NewGuid());

    [Theory]
    [InlineData("")]
    [InlineData("alice@example.com")]
    [InlineData("Zoë's 📱")]
    public void what_was_sealed_opens_again(string text) => Assert.Equal(text, key.Open("email", key.Seal("email", text)));

    [Fact]
    public void a_sealed_text_says_nothing_and_never_the_same_twice()
    {
        var one = key.Seal("email", "alice@example.com");
        Assert.StartsWith("s1.", one.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("alice", one.Text, StringComparison.OrdinalIgnoreCase);
        Assert.NotEqual(one, key.Seal("email", "alice@example.com"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("s1")]
    [InlineData("s1.")]
    [InlineData("s1.no base64url at all")]
    [InlineData("s2.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void what_is_no_sealed_value_is_refused_like_an_altered_one(string? text) => Refused(() => key.Open("email", new Sealed(text!)));

    [Fact]
    public void it_does_not_open_for_another_purpose() => Refused(() => key.Open("device-name", key.Seal("email", "alice")));

    [Fact]
    public void it_does_not_open_under_another_users_key() => Refused(() => DataKey.Create(key.UserId).Open("email", key.Seal("email", "alice")));

    [Fact]
    public void the_same_key_does_not_open_it_for_another_user()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        var sealedText = new DataKey(Guid.NewGuid(), bytes).Seal("email", "alice");
        Refused(() => new DataKey(Guid.NewGuid(), bytes).Open("email", sealedText));
    }

    [Fact]
    public void whatever_byte_is_altered_it_does_not_open()
    {
        var whole = System.Buffers.Text.Base64Url.DecodeFromChars(key.Seal("email", "alice").Text.AsSpan(3));
        for (var i = 0; i < whole.Length; i++)
        {
            var altered = whole.ToArray();
            altered[i] ^= 1;
            Refused(() => key.Open("email", new Sealed("s1." + System.Buffers.Text.Base64Url.EncodeToString(altered))));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(27)]
    public void what_is_cut_off_does_not_open(int length) =>
        Refused(() => key.Open("email", new Sealed("s1." + System.Buffers.Text.Base64Url.EncodeToString(new byte[length]))));

    [Fact]
    public void it_is_stored_as_one_string()
    {
        var value = key.Seal("email", "alice");
        var json = JsonSerializer.Serialize(value);
        Assert.Equal($"\"{value.Text}\"", json);
        Assert.Equal(value, JsonSerializer.Deserialize<Sealed>(json));
    }

    [Fact]
    public void printing_it_shows_nothing() => Assert.Equal("(sealed)", $"{key.Seal("email", "alice")}");

    [Fact]
    public void printing_a_data_key_shows_nothing() => Assert.Equal(typeof(DataKey).FullName, key.ToString());

    private static void Refused(Action open) => Assert.ThrowsAny<CryptographicException>(open);
}
