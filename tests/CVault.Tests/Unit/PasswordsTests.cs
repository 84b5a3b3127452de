using System.Diagnostics;
using CVault.Security;

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

    /// <summary>The fastest of a few: what the work takes when nothing else disturbs it.</summary>
    private static async Task<TimeSpan> FastestAsync(Func<Task<bool>> verify)
    {
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            var start = Stopwatch.GetTimestamp();
            Assert.False(await verify());
            best = Stopwatch.GetElapsedTime(start) < best ? Stopwatch.GetElapsedTime(start) : best;
        }

        return best;
    }
}
