using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>Password hashes as they are stored.</summary>
public sealed class PasswordHashTests
{
    private const string Salt = "AAAAAAAAAAAAAAAAAAAAAA", Hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    [Fact]
    public void one_is_read_as_it_was_written()
    {
        var text = $"$argon2id$v=19$m=19456,t=2,p=1${Salt}${Hash}";
        var hash = PasswordHash.Parse(text);
        Assert.Equal((19456, 2, 16, 32), (hash.MemoryKiB, hash.Passes, hash.Salt.Length, hash.Hash.Length));
        Assert.Equal(text, hash.Text());
        Assert.DoesNotContain(Hash, hash.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("$argon2id")]
    [InlineData($"$2b$v=19$m=19456,t=2,p=1${Salt}${Hash}")]
    [InlineData($"$argon2id$v=19$m=19456,t=2,p=2${Salt}${Hash}")]
    [InlineData($"$argon2id$v=19$m=19456,t=2${Salt}${Hash}")]
    [InlineData($"$argon2id$v=19$m=,t=2,p=1${Salt}${Hash}")]
    [InlineData($"$argon2id$v=19$m=19456,t=-2,p=1${Salt}${Hash}")]
    [InlineData($"$argon2id$v=19$m=19456,t=2,p=1${Salt}AA${Hash}")]
    [InlineData($"$argon2id$v=19$m=19456,t=2,p=1${Salt}$no base64")]
    [InlineData($"$argon2id$v=19$m=19456,t=2,p=1${Salt}${Hash}${Hash}")]
    public void anything_else_is_none(string text) => Assert.Throws<FormatException>(() => PasswordHash.Parse(text));

    [Theory]
    [InlineData("m=2147483647,t=2")]
    [InlineData("m=19456,t=2147483647")]
    [InlineData("m=99999999999999999999,t=2")]
    public void one_that_would_cost_more_than_a_login_may_is_none(string parameters) =>
        Assert.Throws<FormatException>(() => PasswordHash.Parse($"$argon2id$v=19${parameters},p=1${Salt}${Hash}"));
}
