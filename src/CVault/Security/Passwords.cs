using System.Security.Cryptography;
using System.Text;
using NSec.Cryptography;

namespace CVault.Security;

/// <summary>
/// Passwords by Argon2id (RFC 9106) at OWASP's parameters: 19 MiB, 2 passes, 1 lane. Stored in PHC form,
/// <c>$argon2id$v=19$m=19456,t=2,p=1$salt$hash</c>. As many are computed at once as there are cores, and a bounded
/// number wait for a bounded time; a flood of logins is refused with 429, and costs neither memory nor others' time.
/// </summary>
public sealed class Passwords : IDisposable
{
    /// <summary>In Unicode code points, as NIST SP 800-63B counts them: what a user sees as one character is at least one.</summary>
    public const int Least = 8, Most = 128;

    /// <summary>How many requests of this process may wait for a core, and how long each.</summary>
    public const int Places = 64;

    private const int MemoryKiB = 19456, Passes = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly string Prefix = PasswordHash.PrefixOf(MemoryKiB, Passes);
    private readonly SemaphoreSlim cores = new(AtOnce);
    private readonly PasswordHash decoy = new(MemoryKiB, Passes, RandomNumberGenerator.GetBytes(PasswordHash.SaltSize), new byte[PasswordHash.HashSize]);
    private int waiting;

    /// <summary>How many are computed at the same time: one a core.</summary>
    public static int AtOnce => Environment.ProcessorCount;

    public void Dispose() => cores.Dispose();

    /// <summary>What is wrong with a password that somebody chose; empty when nothing is. Any characters, in any composition.</summary>
    /// <param name="password">The password.</param>
    /// <param name="email">Its owner's, where it is known: too easy to guess to be a password.</param>
    /// <param name="field">The member of the body that the password stands in.</param>
    public static IEnumerable<(string Field, string Message)> ErrorsOf(string? password, string? email, string field = "password")
    {
        if (password is null || LengthOf(password) is < Least or > Most)
        {
            yield return (field, $"{Least} to {Most} characters.");
            yield break;
        }

        if (CommonPasswords.Contains(password.Normalized())) yield return (field, "This password is among the most common ones, which are guessed first. Choose another.");
        if (email?.Trim() is { Length: > 0 } own && (Same(password, own) || Same(password, own.Split('@')[0]))) yield return (field, "The email address is no password. Choose another.");

        static bool Same(string password, string email) => string.Equals(password.Trim(), email, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether it can be anyone's password at all. What is longer is not worth hashing.</summary>
    public static bool IsPossible(string? password) => password is not null && password.Length <= 2 * Most && LengthOf(password) <= Most;

    /// <summary>Whether a hash was made with less than today's parameters, so that it should be made anew at the next login.</summary>
    public static bool IsOutdated(string hash) => !hash.StartsWith(Prefix, StringComparison.Ordinal);

    /// <exception cref="ProblemException">Too many wait: RATE_LIMITED.</exception>
    public async Task<string> HashAsync(string password, CancellationToken cancellation)
    {
        var salt = RandomNumberGenerator.GetBytes(PasswordHash.SaltSize);
        return new PasswordHash(MemoryKiB, Passes, salt, await ComputeAsync(password.Normalized(), salt, MemoryKiB, Passes, cancellation)).Text();
    }

    /// <summary>Costs the same whether there is a hash to compare with or not, so that time tells nothing.</summary>
    /// <exception cref="ProblemException">Too many wait: RATE_LIMITED.</exception>
    /// <exception cref="FormatException">What is stored is no password's hash.</exception>
    public async Task<bool> VerifyAsync(string password, string? hash, CancellationToken cancellation)
    {
        // What was hashed with other parameters than today's is verified with its own.
        var stored = hash is null ? decoy : PasswordHash.Parse(hash);
        // As it was typed too: what was hashed before passwords were normalized is still somebody's password.
        foreach (var text in new[] { password.Normalized(), password }.Distinct())
        {
            var computed = await ComputeAsync(text, stored.Salt, stored.MemoryKiB, stored.Passes, cancellation);
            if (CryptographicOperations.FixedTimeEquals(computed, stored.Hash) && hash is not null) return true;
        }

        return false;
    }

    private async Task<byte[]> ComputeAsync(string text, byte[] salt, int memoryKiB, int passes, CancellationToken cancellation)
    {
        await EnterAsync(cancellation);
        try
        {
            return await Task.Run(() =>
            {
                var argon2 = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters
                {
                    DegreeOfParallelism = 1, MemorySize = memoryKiB, NumberOfPasses = passes,
                });
                return argon2.DeriveBytes(Encoding.UTF8.GetBytes(text), salt, PasswordHash.HashSize);
            }, cancellation);
        }
        finally
        {
            cores.Release();
        }
    }

    private async Task EnterAsync(CancellationToken cancellation)
    {
        if (cores.Wait(0, cancellation)) return;
        try
        {
            if (Interlocked.Increment(ref waiting) > Places || !await cores.WaitAsync(Patience, cancellation)) throw new ProblemException(Problems.RateLimited());
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    private static int LengthOf(string password) => password.EnumerateRunes().Count();
}
