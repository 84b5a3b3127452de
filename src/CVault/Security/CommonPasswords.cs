namespace CVault.Security;

/// <summary>
/// The passwords that guessers try first: some 22,000 of at least eight characters, most common first, lower case
/// (<c>common-passwords.txt</c>; where they come from is in ops/decisions/0014).
/// </summary>
public static class CommonPasswords
{
    private static readonly Lazy<HashSet<string>> List = new(Read);

    public static int Count => List.Value.Count;

    /// <summary>Whatever its case.</summary>
    public static bool Contains(string password) => List.Value.Contains(password.ToLowerInvariant());

    private static HashSet<string> Read()
    {
        using var stream = typeof(CommonPasswords).Assembly.GetManifestResourceStream("common-passwords.txt")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);
    }
}
