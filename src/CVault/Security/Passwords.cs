using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using NSec.Cryptography;

namespace CVault.Security;

/// <summary>
/// Passwords by Argon2id (RFC 9106) at OWASP's parameters: 19 MiB, 2 passes, 1 lane. Stored in PHC form,
/// <c>$argon2id$v=19$m=19456,t=2,p=1$salt$hash</c>. As many are computed at once as there are cores, so that a flood
/// of logins costs waiting, not memory.
/// </summary>
public sealed class Passwords : IDisposable
{
    private const int MemoryKiB = 19456, Passes = 2, SaltSize = 16, HashSize = 32;
    private static readonly string Prefix = string.Create(CultureInfo.InvariantCulture, $"$argon2id$v=19$m={MemoryKiB},t={Passes},p=1$");
    private readonly SemaphoreSlim cores = new(Environment.ProcessorCount);
    private readonly string decoy;

    public Passwords() => decoy = Encode(RandomNumberGenerator.GetBytes(SaltSize), new byte[HashSize]);

    public void Dispose() => cores.Dispose();

    public async Task<string> HashAsync(string password, CancellationToken cancellation)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltSize);
        return Encode(salt, await ComputeAsync(password, salt, MemoryKiB, Passes, cancellation));
    }

    /// <summary>Costs the same whether there is a hash to compare with or not, so that time tells nothing.</summary>
    public async Task<bool> VerifyAsync(string password, string? hash, CancellationToken cancellation)
    {
        // $argon2id$v=19$m=…,t=…,p=1$salt$hash: what was hashed with other parameters than today's is verified with its own.
        var fields = (hash ?? decoy).Split('$');
        var parameters = fields[3].Split(',').Select(p => long.Parse(p.AsSpan(2), CultureInfo.InvariantCulture)).ToArray();
        var computed = await ComputeAsync(password, FromUnpadded(fields[4]), parameters[0], parameters[1], cancellation);
        return CryptographicOperations.FixedTimeEquals(computed, FromUnpadded(fields[5])) && hash is not null;
    }

    private async Task<byte[]> ComputeAsync(string password, byte[] salt, long memoryKiB, long passes, CancellationToken cancellation)
    {
        await cores.WaitAsync(cancellation);
        try
        {
            return await Task.Run(() =>
            {
                var argon2 = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters
                {
                    DegreeOfParallelism = 1, MemorySize = memoryKiB, NumberOfPasses = passes,
                });
                return argon2.DeriveBytes(Encoding.UTF8.GetBytes(password), salt, HashSize);
            }, cancellation);
        }
        finally
        {
            cores.Release();
        }
    }

    private static string Encode(byte[] salt, byte[] hash) => Prefix + Unpadded(salt) + "$" + Unpadded(hash);

    /// <summary>Base64 as PHC strings have it: without padding.</summary>
    private static string Unpadded(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static byte[] FromUnpadded(string text) => Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
}
