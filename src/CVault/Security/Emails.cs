namespace CVault.Security;

/// <summary>Emails as we compare them: trimmed, lower case. Found by keyed hash, so that none is stored in the clear.</summary>
public static class Emails
{
    public const string Purpose = "email";

    public static string Normalize(string email) => email.Trim().ToLowerInvariant();

    public static string IndexOf(LookupKey lookup, string tenantId, string email) => lookup.Hash("email", tenantId + "\0" + Normalize(email));

    /// <summary>For members, whose tenant is not known before their email is.</summary>
    public static string IndexOfMember(LookupKey lookup, string email) => lookup.Hash("member-email", Normalize(email));

    /// <summary>What a mailbox is counted by where it is written to: many servers take <c>name+anything</c> for <c>name</c>.</summary>
    public static string MailboxOf(string email)
    {
        var text = Normalize(email);
        var (at, plus) = (text.LastIndexOf('@'), text.IndexOf('+', StringComparison.Ordinal));
        return plus > 0 && plus < at ? text[..plus] + text[at..] : text;
    }

    /// <summary>
    /// One <c>@</c> with something sensible on both sides; whether it can be reached only a mail can tell. Quoted names,
    /// comments and other spellings of the same mailbox are refused, and so is what no mail server can be told.
    /// </summary>
    public static bool IsWellFormed(string email)
    {
        var text = email.Trim();
        var at = text.IndexOf('@', StringComparison.Ordinal);
        return text.Length <= 254 && at is > 0 and <= 64 && at == text.LastIndexOf('@') && at < text.Length - 1
            && IsName(text.AsSpan(0, at)) && IsDomain(text.AsSpan(at + 1));
    }

    /// <summary>A dot-atom (RFC 5322, 3.2.3; RFC 6532 for other letters).</summary>
    private static bool IsName(ReadOnlySpan<char> name)
    {
        if (name[0] == '.' || name[^1] == '.' || name.Contains("..", StringComparison.Ordinal)) return false;
        foreach (var c in name)
        {
            if (char.IsWhiteSpace(c) || char.IsControl(c) || "\"(),:;<>[\\]".Contains(c, StringComparison.Ordinal)) return false;
        }

        return true;
    }

    /// <summary>Labels of ASCII; an internationalized name in its form for the wire (<c>xn--…</c>), since its others are several.</summary>
    private static bool IsDomain(ReadOnlySpan<char> domain)
    {
        foreach (var part in domain.Split('.'))
        {
            var label = domain[part];
            if (label.Length is 0 or > 63 || label[0] == '-' || label[^1] == '-') return false;
            foreach (var c in label)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c != '-') return false;
            }
        }

        return true;
    }
}
