using System.Globalization;

namespace CVault.Security;

/// <summary>
/// A password's Argon2id hash in PHC form, <c>$argon2id$v=19$m=19456,t=2,p=1$salt$hash</c>: base64 without padding, and
/// memory in KiB. One that asks for more than a login may cost is none: whoever could write to the table would otherwise
/// choose how much memory a login takes.
/// </summary>
/// <param name="MemoryKiB">8 to 1,048,576.</param>
/// <param name="Passes">1 to 64.</param>
/// <param name="Salt">16 bytes.</param>
/// <param name="Hash">32 bytes.</param>
[NeverLogged]
public sealed record PasswordHash(int MemoryKiB, int Passes, byte[] Salt, byte[] Hash)
{
    public const int SaltSize = 16, HashSize = 32;

    /// <summary>What stands before salt and hash where these are the parameters.</summary>
    public static string PrefixOf(int memoryKiB, int passes) => string.Create(CultureInfo.InvariantCulture, $"$argon2id$v=19$m={memoryKiB},t={passes},p=1$");

    /// <exception cref="FormatException">It is no such text.</exception>
    public static PasswordHash Parse(string text) =>
        text.Split('$') is ["", "argon2id", "v=19", var parameters, var salt, var hash]
        && parameters.Split(',') is [['m', '=', .. var m], ['t', '=', .. var t], "p=1"]
        && Number(m) is { } memory and >= 8 and <= 1_048_576 && Number(t) is { } passes and >= 1 and <= 64
        && Bytes(salt, SaltSize) is { } saltBytes && Bytes(hash, HashSize) is { } hashBytes
            ? new PasswordHash(memory, passes, saltBytes, hashBytes)
            : throw new FormatException("No password's hash in PHC form."); // It is not quoted.

    /// <summary>In PHC form, as it is stored.</summary>
    public string Text() => PrefixOf(MemoryKiB, Passes) + Unpadded(Salt) + "$" + Unpadded(Hash);

    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(PasswordHash);

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string Unpadded(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static byte[]? Bytes(string text, int size)
    {
        var bytes = new byte[size];
        return text.Length < 64 && Convert.TryFromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='), bytes, out var length) && length == size ? bytes : null;
    }
}
