using System.Diagnostics;
using CVault.Security;
using NSec.Cryptography;

namespace CVault.Tests.Unit;

/// <summary>How passwords are kept.</summary>
public sealed class PasswordsTests : IDisposable
{
    private readonly Passwords passwords = new();
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => passwords.Dispose();

    /// <summary>OWASP's Argon2id parameters, in the PHC string format: base64 without padding.</summary>
    [Fact]
    public async Task a_hash_is_a_PHC_string_of_Argon2id_with_19_MiB_and_two_passes() =>
        Assert.Matches(@"^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$", await passwords.HashAsync("correct horse", Cancellation));

    [Fact]
    public async Task the_right_password_is_right_and_a_wrong_one_wrong()
    {
        var hash = await passwords.HashAsync("correct horse", Cancellation);
        Assert.True(await passwords.VerifyAsync("correct horse", hash, Cancellation));
        Assert.False(await passwords.VerifyAsync("Correct horse", hash, Cancellation));
        Assert.False(await passwords.VerifyAsync("correct horse ", hash, Cancellation));
        Assert.False(await passwords.VerifyAsync("", hash, Cancellation));
    }

    [Fact]
    public async Task the_same_password_never_has_the_same_hash() =>
        Assert.NotEqual(await passwords.HashAsync("correct horse", Cancellation), await passwords.HashAsync("correct horse", Cancellation));

    [Fact]
    public async Task passwords_of_any_alphabet_work_to_their_last_character()
    {
        var hash = await passwords.HashAsync("пароль-密码-🔑", Cancellation);
        Assert.True(await passwords.VerifyAsync("пароль-密码-🔑", hash, Cancellation));
        Assert.False(await passwords.VerifyAsync("пароль-密码-🔒", hash, Cancellation));
    }

    [Fact]
    public async Task without_a_hash_no_password_is_right_and_saying_so_takes_as_long()
    {
        var hash = await passwords.HashAsync("correct horse", Cancellation);
        var known = await FastestAsync(() => passwords.VerifyAsync("wrong horse", hash, Cancellation));
        var unknown = await FastestAsync(() => passwords.VerifyAsync("wrong horse", null, Cancellation));
        Assert.True(unknown > known / 3, $"An unknown user is refused in {unknown.TotalMilliseconds} ms, a known one in {known.TotalMilliseconds} ms: time tells who exists.");
    }

    [Theory]
    [InlineData("7 chars", true)]
    [InlineData("8 chars!", false)]
    [InlineData("🔑🔒🔑🔒🔑🔒🔑", true)] // 14 of UTF-16's units, and seven for whoever types them.
    [InlineData("🔑🔒🔑🔒🔑🔒🔑🔒", false)]
    [InlineData("        x", false)]
    [InlineData("пароль-密码-🔑", false)]
    [InlineData("aaaaaaaab", false)] // No rules of composition.
    [InlineData("password", true)]
    [InlineData("PassWord", true)]
    [InlineData("1234567890", true)]
    [InlineData("qwertyuiop", true)]
    [InlineData("ada.lovelace@example.com", true)]
    [InlineData(" Ada.Lovelace@Example.com", true)]
    [InlineData("ada.lovelace", true)]
    [InlineData("ada.lovelace's", false)]
    public void what_is_short_common_or_the_email_is_refused(string password, bool refused) =>
        Assert.Equal(refused, Passwords.ErrorsOf(password, "ada.lovelace@example.com").Any());

    [Fact]
    public void at_most_128_characters_count_however_many_bytes_they_are()
    {
        var longest = string.Concat(Enumerable.Repeat("🔑", 128));
        Assert.Empty(Passwords.ErrorsOf(longest, null));
        Assert.True(Passwords.IsPossible(longest));
        Assert.Equal("password", Assert.Single(Passwords.ErrorsOf(longest + "x", null)).Field);
        Assert.False(Passwords.IsPossible(longest + "x"));
    }

    [Fact]
    public void the_list_of_common_passwords_is_long_enough_for_NIST()
    {
        string[] first = ["12345678", "123456789", "1234567890", "baseball", "football", "qwertyuiop", "superman", "1qaz2wsx", "trustno1", "iloveyou", "password1", "qwerty123", "letmein1", "11111111", "00000000"];
        Assert.All(first, p => Assert.True(CommonPasswords.Contains(p), p));
        Assert.True(CommonPasswords.Count > 3000);
    }

    [Fact]
    public async Task a_password_typed_on_another_keyboard_is_the_same()
    {
        var hash = await passwords.HashAsync("crème brûlée", Cancellation);
        Assert.True(await passwords.VerifyAsync("cre\u0300me bru\u0302le\u0301e", hash, Cancellation));
        Assert.False(await passwords.VerifyAsync("creme brulee", hash, Cancellation));
    }

    [Fact]
    public async Task only_a_hash_of_lesser_parameters_is_outdated()
    {
        Assert.False(Passwords.IsOutdated(await passwords.HashAsync("correct horse", Cancellation)));
        Assert.True(Passwords.IsOutdated(Weak("correct horse")));
        Assert.True(await passwords.VerifyAsync("correct horse", Weak("correct horse"), Cancellation));
    }

    [Fact]
    public async Task of_a_flood_as_many_are_answered_as_may_wait_and_the_rest_are_refused_at_once()
    {
        var asked = Enumerable.Range(0, 3 * Passwords.Places).Select(async _ =>
        {
            var start = Stopwatch.GetTimestamp();
            try
            {
                await passwords.HashAsync("correct horse", Cancellation);
                return (Done: true, Stopwatch.GetElapsedTime(start));
            }
            catch (ProblemException refused)
            {
                Assert.Equal("RATE_LIMITED", Problems.CodeOf(refused.Problem));
                return (Done: false, Stopwatch.GetElapsedTime(start));
            }
        }).ToArray();
        // Whoever is done before the last has asked leaves a place: as many as the machine stood still for.
        var left = asked.Count(a => a.IsCompletedSuccessfully && a.Result.Done);
        var all = await Task.WhenAll(asked);
        Assert.True(all.Count(a => !a.Done && a.Item2 < TimeSpan.FromSeconds(2)) >= Passwords.Places, "Those for whom there is no place wait all the same.");
        Assert.InRange(all.Count(a => a.Done), 1, Passwords.Places + (2 * Passwords.AtOnce) + left);
        Assert.True(await passwords.VerifyAsync("correct horse", await passwords.HashAsync("correct horse", Cancellation), Cancellation), "The gate stayed shut.");
    }

    /// <summary>Of parameters that nobody would choose any more.</summary>
    public static string Weak(string password)
    {
        var salt = new byte[16];
        var hash = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters { DegreeOfParallelism = 1, MemorySize = 8192, NumberOfPasses = 1 })
            .DeriveBytes(System.Text.Encoding.UTF8.GetBytes(password), salt, 32);
        return $"$argon2id$v=19$m=8192,t=1,p=1${Convert.ToBase64String(salt).TrimEnd('=')}${Convert.ToBase64String(hash).TrimEnd('=')}";
    }

    /// <summary>The fastest of a few: what the work takes when nothing else disturbs it.</summary>
    private static async Task<TimeSpan> FastestAsync(Func<Task<bool>> verify)
    {
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 12; i++)
        {
            var start = Stopwatch.GetTimestamp();
            Assert.False(await verify());
            best = Stopwatch.GetElapsedTime(start) < best ? Stopwatch.GetElapsedTime(start) : best;
        }

        return best;
    }
}
