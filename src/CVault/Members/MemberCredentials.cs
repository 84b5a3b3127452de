using CVault.Security;
using Marten;
using Marten.Schema;

namespace CVault.Members;

/// <summary>
/// What a member is found by and proves themselves with. Of the platform, not of a tenant: who logs in names no tenant.
/// A document, so that a changed password's old hash is gone, and so is all of it once the member is removed.
/// </summary>
/// <param name="Id">The member's id.</param>
/// <param name="TenantId">Whose member they are: one tenant's.</param>
/// <param name="EmailIndex">Keyed hash of the normalized email. Several may have the same until one of them has verified it.</param>
/// <param name="LoginIndex">The same once the email is verified, else null; unique, so that an email logs in to one tenant.</param>
/// <param name="PasswordHash">PHC string; see <see cref="Passwords"/>.</param>
[SingleTenanted]
public sealed record MemberCredentials(Guid Id, Guid TenantId, string EmailIndex, string? LoginIndex, string PasswordHash)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(MemberCredentials);

    /// <summary>
    /// Whom an email logs in: its verified account, or else the latest that signed up with it. Never more than one, so
    /// that a login costs one hash whatever was signed up.
    /// </summary>
    public static async Task<MemberCredentials?> FindAsync(IQuerySession session, string emailIndex, CancellationToken cancellation) =>
        await VerifiedAsync(session, emailIndex, cancellation)
        ?? await session.Query<MemberCredentials>().Where(c => c.EmailIndex == emailIndex).OrderByDescending(c => c.Id).FirstOrDefaultAsync(cancellation);

    /// <summary>The verified account of an email; null for none.</summary>
    public static Task<MemberCredentials?> VerifiedAsync(IQuerySession session, string emailIndex, CancellationToken cancellation) =>
        session.Query<MemberCredentials>().FirstOrDefaultAsync(c => c.LoginIndex == emailIndex, cancellation);
}

/// <summary>What members' emails and passwords must look like.</summary>
internal static class MemberInput
{
    public static IEnumerable<(string Field, string Message)> EmailErrors(string? email)
    {
        if (email is null || !Emails.IsWellFormed(email)) yield return ("email", "A valid email address is required.");
    }

    public static IEnumerable<(string Field, string Message)> PasswordErrors(string? password, string field = "password", string? email = null) => Passwords.ErrorsOf(password, email, field);

    public static IEnumerable<(string Field, string Message)> TokenErrors(string? token, string field = "token")
    {
        if (string.IsNullOrEmpty(token) || token.Length > 256) yield return (field, "A token is required.");
    }
}
