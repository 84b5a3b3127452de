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
    public void what_an_earlier_key_wrapped_is_read_and_what_is_wrapped_names_the_current_one()
    {
        byte[] older = RandomNumberGenerator.GetBytes(32), newer = RandomNumberGenerator.GetBytes(32);
        var before = new MasterKey(older).Wrap(secret, "key:1");
        var ring = new MasterKey(newer, older);
        Assert.Equal(secret, ring.Unwrap(before, "key:1"));
        var after = ring.Wrap(secret, "key:1");
        Assert.Equal(secret, new MasterKey(newer).Unwrap(after, "key:1"));
        Assert.ThrowsAny<CryptographicException>(() => new MasterKey(older).Unwrap(after, "key:1"));
        Assert.Equal([new MasterKey(newer).Id, new MasterKey(older).Id], ring.Ids);
        Assert.Equal("6d6b01" + ring.Id, Convert.ToHexStringLower(after.AsSpan(0, 7)));
    }

    [Fact]
    public void values_of_before_keys_had_names_are_still_read()
    {
        byte[] older = RandomNumberGenerator.GetBytes(32), newer = RandomNumberGenerator.GetBytes(32);
        var unnamed = Aead.Encrypt(older, secret, "key:1"u8.ToArray());
        Assert.Equal(secret, new MasterKey(older).Unwrap(unnamed, "key:1"));
        Assert.Equal(secret, new MasterKey(newer, older).Unwrap(unnamed, "key:1"));
        Assert.ThrowsAny<CryptographicException>(() => new MasterKey(newer).Unwrap(unnamed, "key:1"));
        Assert.ThrowsAny<CryptographicException>(() => new MasterKey(newer, older).Unwrap(unnamed, "key:2"));
    }

    [Fact]
    public void a_weak_earlier_key_is_refused_too() => Assert.Throws<ArgumentException>(() => new MasterKey(RandomNumberGenerator.GetBytes(32), new byte[32]));

    [Fact]
    public void printing_it_shows_nothing() => Assert.Equal(typeof(MasterKey).FullName, master.ToString());
}
