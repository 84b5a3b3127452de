using System.Security.Cryptography;
using CVault.Devices;
using NSec.Cryptography;

namespace CVault.Tests.Unit;

/// <summary>Which texts are keys that WireGuard could use.</summary>
public sealed class WireGuardKeysTests
{
    [Fact]
    public void a_new_pair_is_a_pair_and_its_public_half_is_accepted()
    {
        var (publicKey, privateKey) = WireGuardKeys.NewPair();
        Assert.True(WireGuardKeys.IsPublicKey(publicKey));
        using var key = Key.Import(KeyAgreementAlgorithm.X25519, Convert.FromBase64String(privateKey), KeyBlobFormat.RawPrivateKey);
        Assert.Equal(publicKey, Convert.ToBase64String(key.PublicKey.Export(KeyBlobFormat.RawPublicKey)));
    }

    [Fact]
    public void no_two_pairs_are_the_same() => Assert.Equal(100, Enumerable.Range(0, 100).Select(_ => WireGuardKeys.NewPair().PrivateKey).Distinct().Count());

    [Fact]
    public void a_preshared_key_is_32_random_bytes()
    {
        var one = Convert.FromBase64String(WireGuardKeys.NewPresharedKey());
        Assert.Equal(32, one.Length);
        Assert.NotEqual(one, Convert.FromBase64String(WireGuardKeys.NewPresharedKey()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(64)]
    public void a_key_of_another_length_is_refused(int bytes) => Assert.False(WireGuardKeys.IsPublicKey(Convert.ToBase64String(RandomNumberGenerator.GetBytes(bytes))));

    [Fact]
    public void base64_that_is_not_canonical_is_refused_for_one_key_must_not_have_two_names()
    {
        const string canonical = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
        Assert.True(WireGuardKeys.IsPublicKey(canonical));
        Assert.False(WireGuardKeys.IsPublicKey("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB="));
        Assert.False(WireGuardKeys.IsPublicKey(canonical[..^1]));
        Assert.False(WireGuardKeys.IsPublicKey(canonical + "\n"));
        Assert.False(WireGuardKeys.IsPublicKey(" " + canonical));
        Assert.False(WireGuardKeys.IsPublicKey(canonical[..20] + " " + canonical[21..]));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("not a key")]
    [InlineData("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")]
    [InlineData("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy-=")]
    public void what_is_no_base64_is_refused(string? text) => Assert.False(WireGuardKeys.IsPublicKey(text));

    /// <summary>The points of small order, https://cr.yp.to/ecdh.html#validate, and their twins beyond the field's prime.</summary>
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000080")]
    public void a_point_of_small_order_is_refused(string hex) => Assert.False(WireGuardKeys.IsPublicKey(Convert.ToBase64String(Convert.FromHexString(hex))));
}
