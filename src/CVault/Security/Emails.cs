namespace CVault.Security;

/// <summary>Emails as we compare them: trimmed, lower case. Found by keyed hash, so that none is stored in the clear.</summary>
public static class Emails
{
    public const string Purpose = "email";

    public static string Normalize(string email) => email.Trim().ToLowerInvariant();

    public static string IndexOf(LookupKey lookup, string tenantId, string email) => lookup.Hash("email", tenantId + "\0" + Normalize(email));

    /// <summary>For members, whose tenant is not known before their email is.</summary>
    public static string IndexOfMember(LookupKey lookup, string email) => lookup.Hash("member-email", Normalize(email));

    /// <summary>One <c>@</c> with something sensible on both sides; whether it can be reached only a mail can tell.</summary>
    public static bool IsWellFormed(string email)
    {
        var text = email.Trim();
        var at = text.IndexOf('@', StringComparison.Ordinal);
        return text.Length <= 254 && at is > 0 and <= 64 && at == text.LastIndexOf('@') && at < text.Length - 1
            && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) && !text[(at + 1)..].StartsWith('.') && !text.EndsWith('.');
    }
}
