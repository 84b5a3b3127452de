using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
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
[NeverLogged]
public sealed record MemberCredentials(Guid Id, Guid TenantId, string EmailIndex, string? LoginIndex, string PasswordHash)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(MemberCredentials);

    /// <summary>
    /// Whether the password is the account's, and holds the account as it is until the session's commit: a login by a
    /// password that is being changed either ends with the member's other logins or does not happen. A hash of less than
    /// today's parameters is replaced.
    /// </summary>
    /// <param name="known">Null for an unknown email, at the same cost.</param>
    public static async Task<bool> IsRightAsync(MemberCredentials? known, string password, IDocumentSession session, Passwords passwords, CancellationToken cancellation)
    {
        if (!await passwords.VerifyAsync(password, known?.PasswordHash, cancellation)) return false;
        var hash = Passwords.IsOutdated(known!.PasswordHash) ? await passwords.HashAsync(password, cancellation) : known.PasswordHash;
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"""
            update {Database.Schema}.mt_doc_membercredentials set data = jsonb_set(data, array['passwordHash'], to_jsonb($3::text)) where id = $1 and data ->> 'passwordHash' = $2 returning 1
            """);
        command.Parameters.Add(new() { Value = known.Id });
        command.Parameters.Add(new() { Value = known.PasswordHash });
        command.Parameters.Add(new() { Value = hash });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation);
    }

    /// <summary>What is wrong with a password that is this account's own email; null when it is not.</summary>
    public ProblemDetails? OwnEmail(LookupKey lookup, string password, string field = "password") =>
        Emails.IndexOfMember(lookup, password) == EmailIndex ? Problems.Validation((field, "The email address is no password. Choose another.")) : null;

    /// <summary>
    /// The verified account of an email, which it logs in; null for none. Nobody else is logged in by it: whoever signs up
    /// with an email of another's could tell by a login whether that one has an account. Who has just signed up has tokens.
    /// </summary>
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

    public static IEnumerable<(string Field, string Message)> TokenErrors(string? token, string field = "token")
    {
        if (string.IsNullOrEmpty(token) || token.Length > 256) yield return (field, "A token is required.");
    }
}
