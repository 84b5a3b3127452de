using CVault.Security;

namespace CVault.Tests.Unit;

/// <summary>Unicode's normal form C, beside what another implementation made of the same texts (Python's unicodedata).</summary>
public sealed class NormalFormTests
{
    private static readonly (string Text, string Normal)[] Samples =
    [
        ("\u085a\u0397\U000115c0\u0313\u0345\u006a\u030c", "\u085a\u1f98\U000115c0\u01f0"),
        ("\u006f\uf97d", "\u006f\u8ad2"),
        ("\u1f12\ufa4a", "\u1f12\u7422"),
        ("\u5951\u114a", "\u5951\u114a"),
        ("\u0365\u22e1", "\u0365\u22e1"),
        ("\u0322\u11b4\u038c\uf9bc\u212b", "\u0322\u11b4\u038c\u5bee\u00c5"),
        ("\u0065\u7acb", "\u0065\u7acb"),
        ("\u116d\U00010377", "\u116d\U00010377"),
        ("\ufa4a\u0301\ufa32\ufa55\u1f9f\u01fb\u1164", "\u7422\u0301\u514d\u7a81\u1f9f\u01fb\u1164"),
        ("\u9678\u06df", "\u9678\u06df"),
        ("\u20d6\u07f0\uf991\u05b5", "\u20d6\u07f0\u649a\u05b5"),
        ("\u1e1d\uf9e1\U0002fa13\U0001e2ec\u0d3c\u04dc", "\u1e1d\u674e\U0002a20e\u0d3c\U0001e2ec\u04dc"),
        ("\u585a\U00011046\u0f42\u0fb7\u03b9\u0313\u0300\u0435\u0308\u7469", "\u585a\U00011046\u0f42\u0fb7\u1f32\u0451\u7469"),
        ("\u0305\uf9f2\u022c\ufb2d\u1126\uac5c\U0001e131", "\u0305\u9c57\u022c\u05e9\u05bc\u05c2\u1126\uac5c\U0001e131"),
        ("\u2244\U0002f974\u1e34\ua8e1\ufa55\u309e", "\u2244\u4359\u1e34\ua8e1\u7a81\u309e"),
        ("\u1df9\u11d4\u86e2\u0cc6\u0cc2", "\u1df9\u11d4\u86e2\u0cca"),
        ("\U0002f97f\u11c2\u0354\ufa22\u1dfb\uf952\uac56", "\u8070\u11c2\u0354\u8af8\u1dfb\u52d2\uac56"),
        ("\U0002f8b0\u3060\u1dc9\ufab7", "\u61f2\u3060\u1dc9\u8986"),
        ("\u05b6\u4e82", "\u05b6\u4e82"),
        ("\u08fb\U0002f922\u1eac\u089b\uac3d", "\u08fb\u7250\u1eac\u089b\uac3d"),
        ("\u017e\U0001d1ad\u0341\U0002f940\uf9d8", "\u017e\U0001d1ad\u0301\u76f4\u5f8b"),
        ("\U00026d6b\u9f3b\u006b\u0323\u0041\u0302\u0301\u3515\u006f\u0323", "\U00026d6b\u9f3b\u1e33\u1ea4\u3515\u1ecd"),
        ("\uac5d\ufa3e\U0002f9c5\u30c2\u031d\u0073", "\uac5d\u6168\U00027667\u30c2\u031d\u0073"),
        ("\u1ac5\uac00", "\u1ac5\uac00"),
        ("\U0001d17c\u030e\u004f\u0307\u0304\u6350\u5448\u0048\u0307\U00011370", "\U0001d17c\u030e\u0230\u6350\u5448\u1e22\U00011370"),
        ("\U0001e135\u0065\u302d\u1ce8\U0002f87c\u1f71", "\U0001e135\u0065\u1ce8\u302d\u5d43\u03ac"),
        ("\u1ec0\u012b\ua676\u1ee2\u0954\ufabf\u05b2", "\u1ec0\u012b\ua676\u1ee2\u0954\u8b39\u05b2"),
        ("\u0065\u0327\u1158\u788c\u1dc7\u065b", "\u0229\u1158\u788c\u1dc7\u065b"),
        ("\u11d1\u1fa4\u1f88\uac5c\u034e\u0931\u3062", "\u11d1\u1fa4\u1f88\uac5c\u034e\u0931\u3062"),
        ("\uf9b5\u1bab\u0732\u006f\u2278", "\u4f8b\u1bab\u0732\u006f\u2278"),
        ("\u1bf2\u57ce\u03c9\u0342\u0345\u0055\u031b\u0323\U0001e2ef\u03c5\u0314\u0342", "\u1bf2\u57ce\u1ff7\u1ef0\U0001e2ef\u1f57"),
        ("\u085b\u0358\u0b5d", "\u085b\u0358\u0b22\u0b3c"),
        ("\u1191\U00016b36\u1196", "\u1191\U00016b36\u1196"),
        ("\u1100\u1162\u11b8\u0073", "\uac2d\u0073"),
        ("\u0dda\u1a75\u1cdc\u00d2\u0817\u20d6", "\u0dda\u1cdc\u1a75\u00d2\u0817\u20d6"),
        ("\u1f25\ufaba\uf9fa\u1e47\u064c\U0002f811", "\u1f25\u8af8\u72c0\u1e47\u064c\u5177"),
        ("\u05d9\U00011d42\u05b4\U0001e017\u675e\u006f\u030f\u30c6\u3099", "\u05d9\U00011d42\u05b4\U0001e017\u675e\u020d\u30c7"),
        ("\U0002f9c9\uf9dd\u1f8e\u1fa5\u1fa9\u1f95\u04de", "\u88fa\u5229\u1f8e\u1fa5\u1fa9\u1f95\u04de"),
        ("\U00010d27\u1faf\u0302\u0f76\u0317", "\U00010d27\u1faf\u0302\u0fb2\u0f80\u0317"),
        ("\u08f0\u2dee\u0595", "\u08f0\u2dee\u0595"),
        ("\ufa95\u0207\u04d7\u00c0", "\u6b79\u0207\u04d7\u00c0"),
        ("\u0898\uf980\u04d1\u1f0a\ufaca\u013b", "\u0898\u5442\u04d1\u1f0a\u97ff\u013b"),
        ("\u112e\u983b", "\u112e\u983b"),
        ("\u0825\U00010d27\u11e4\u1ec1\ufa9b", "\u0825\U00010d27\u11e4\u1ec1\u701e"),
        ("\uac01\u0616\u05ab\u0061", "\uac01\u0616\u05ab\u0061"),
        ("\ua8e2\u1100\u1161\u11c1\u1100\u1162\u11b3\u0068\u032e\u0364", "\ua8e2\uac1a\uac28\u1e2b\u0364"),
        ("\u04d6\U0002f903\u1eae", "\u04d6\u6d69\u1eae"),
        ("\u1a7f\uac13\u0065\U0002f817\u08ed\uf92d\u012d", "\u1a7f\uac13\u0065\u5197\u08ed\u4f86\u012d"),
        ("\u4e39\u03b1\u0313\u0300\u081c", "\u4e39\u1f02\u081c"),
        ("\uf99b\u0145\U0002f926\uf95e\u1df2\U000111ca\u038e", "\u934a\u0145\U00024735\u4e39\U000111ca\u1df2\u038e"),
        ("\u0065\u18a9\uf936\u1f19\u094d\u1ee3\U0002f95e", "\u0065\u18a9\u865c\u1f19\u094d\u1ee3\U00025aa7"),
        ("\u6bba\u79ca\U00026523", "\u6bba\u79ca\U00026523"),
        ("\u1e74\U00010f4b\u116c\ufac8\U0002fa00\U0002f9a2", "\u1e74\U00010f4b\u116c\u9756\u9829\u83cc"),
        ("\U0002f9ea\u11af\U0002fa1c", "\u927c\u11af\u9f3b"),
        ("\u675e\u8f38\u117b\u110d\u76e7", "\u675e\u8f38\u117b\u110d\u76e7"),
        ("\u1ee3\U0002f8b7\u0150\u014c\U0002f9a9", "\u1ee3\u6350\u0150\u014c\u84f3"),
        ("\uaab7\u135d\u0f93\U0002f819", "\uaab7\u135d\u0f92\u0fb7\u4ecc"),
        ("\u0061\u0306\u0303\u3051\u3099\u5db2\u38c7\u0049\u0323\u0391\u0313\u0342", "\u1eb5\u3052\u5db2\u38c7\u1eca\u1f0e"),
        ("\u1162\u04d6", "\u1162\u04d6"),
        ("\ua92c\u1100\u1e95", "\ua92c\u1100\u1e95"),
    ];

    [Fact]
    public void texts_become_what_another_implementation_makes_of_them() =>
        Assert.Empty(Samples.Where(s => s.Text.Normalized() != s.Normal).Select(s => string.Join(' ', s.Text.EnumerateRunes().Select(r => $"{r.Value:x}"))));

    [Fact]
    public void what_is_normal_stays_as_it_is()
    {
        Assert.All(Samples, s => Assert.Equal(s.Normal, s.Normal.Normalized()));
        Assert.Equal("plain ASCII ~", "plain ASCII ~".Normalized());
        Assert.Equal("", "".Normalized());
    }

    [Fact]
    public void Korean_syllables_are_made_of_their_parts_and_back()
    {
        Assert.Equal("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af".Normalized());
        Assert.Equal("한글", "한글".Normalized());
    }
}
