using CVault.Security;
using JasperFx.Events;

namespace CVault.Users;

/// <summary>A user signed up with an email of their own.</summary>
/// <param name="Email">The email, sealed under the user's data key.</param>
public sealed record UserRegistered(Sealed Email);

/// <summary>A tenant's end user. Belongs to exactly one tenant.</summary>
public sealed record User(Guid Id, Sealed Email, DateTimeOffset CreatedAt)
{
    public static User Create(IEvent<UserRegistered> e) => new(e.StreamId, e.Data.Email, e.Timestamp);
}

/// <summary>
/// What a user is found by and proves themselves with. A document, not an event, so that a changed password's old hash
/// is gone, and so is, once a person is erased, the index by which one could still ask whether an email was theirs.
/// </summary>
/// <param name="Id">The user's id.</param>
/// <param name="EmailIndex">Keyed hash of tenant and normalized email; unique in the tenant by an index.</param>
/// <param name="PasswordHash">PHC string; see <see cref="Passwords"/>.</param>
[NeverLogged]
public sealed record UserCredentials(Guid Id, string EmailIndex, string PasswordHash)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(UserCredentials);
}

/// <summary>Emails as we compare them: trimmed, lower case. Found by keyed hash, so that none is stored in the clear.</summary>
public static class Emails
{
    public const string Purpose = "email";

    public static string Normalize(string email) => email.Trim().ToLowerInvariant();

    public static string IndexOf(LookupKey lookup, string tenantId, string email) => lookup.Hash("email", tenantId + "\0" + Normalize(email));

    /// <summary>One <c>@</c> with something sensible on both sides; whether it can be reached only a mail can tell.</summary>
    public static bool IsWellFormed(string email)
    {
        var text = email.Trim();
        var at = text.IndexOf('@', StringComparison.Ordinal);
        return text.Length <= 254 && at is > 0 and <= 64 && at == text.LastIndexOf('@') && at < text.Length - 1
            && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) && !text[(at + 1)..].StartsWith('.') && !text.EndsWith('.');
    }
}
