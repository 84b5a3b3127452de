using System.Security.Cryptography;
using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>The key above all keys.</summary>
public sealed class MasterKeyTests
{
    private readonly MasterKey master = new(RandomNumberGenerator.GetBytes(32));
    private readonly byte[] secret = RandomNumberGenerator.GetBytes(32);

    [Fact]
    public void what_it_wraps_it_unwraps() => Assert.Equal(secret, master.Unwrap(master.Wrap(secret, "key:1"), "key:1"));

    [Fact]
    public void what_it_wrapped_for_one_subject_it_does_not_unwrap_for_another() =>
        Assert.ThrowsAny<CryptographicException>(() => master.Unwrap(master.Wrap(secret, "key:1"), "key:2"));

    [Fact]
    public void another_master_key_does_not_unwrap_it() =>
        Assert.ThrowsAny<CryptographicException>(() => new MasterKey(RandomNumberGenerator.GetBytes(32)).Unwrap(master.Wrap(secret, "key:1"), "key:1"));

    [Fact]
    public void a_users_data_key_survives_its_storage()
    {
        var key = DataKey.Create(Guid.NewGuid());
        var value = key.Seal("email", "alice");
        Assert.Equal("alice", DataKey.Unwrap(master, key.UserId, key.Wrap(master)).Open("email", value));
    }

    [Fact]
    public void one_users_stored_data_key_cannot_be_passed_off_as_anothers() =>
        Assert.ThrowsAny<CryptographicException>(() => DataKey.Unwrap(master, Guid.NewGuid(), DataKey.Create(Guid.NewGuid()).Wrap(master)));

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(64)]
    public void a_key_that_is_not_32_bytes_is_refused(int length) => Assert.Throws<ArgumentException>(() => new MasterKey(RandomNumberGenerator.GetBytes(length)));

    [Fact]
    public void a_key_that_is_not_random_is_refused()
    {
        Assert.Throws<ArgumentException>(() => new MasterKey(new byte[32]));
        Assert.Throws<ArgumentException>(() => new MasterKey("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb"u8.ToArray()));
    }

    [Fact]
    public void its_id_is_stable_and_tells_nothing_of_it()
    {
        var bytes = RandomNumberGenerator.GetBytes(32);
        var id = new MasterKey(bytes).Id;
        Assert.Equal(id, new MasterKey([.. bytes]).Id);
        Assert.NotEqual(id, master.Id);
        Assert.Matches("^[0-9a-f]{8}$", id);
        Assert.DoesNotContain(id, Convert.ToHexStringLower(bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void printing_it_shows_nothing() => Assert.Equal(typeof(MasterKey).FullName, master.ToString());
}
