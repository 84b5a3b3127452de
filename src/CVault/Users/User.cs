using CVault.Security;
using JasperFx.Events;
using Marten;
using Npgsql;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>A user signed up with an email of their own.</summary>
/// <param name="Email">The email, sealed under the user's data key.</param>
public sealed record UserRegistered(Sealed Email);

/// <summary>The tenant vouched for a user of its own: by its server, or by its identity provider's ID token.</summary>
/// <param name="ExternalUserId">The tenant's own id of the user; null where an identity provider named them.</param>
/// <param name="Subject">The identity provider's <c>sub</c>; null where the tenant's server named them.</param>
/// <param name="Email">As the tenant told it, to be shown; nobody signs in by it.</param>
public sealed record UserAdmitted(Sealed? ExternalUserId, Sealed? Subject, Sealed? Email);

/// <summary>The user is no more: their tokens end with this, their devices and their data key follow.</summary>
/// <param name="Reason"><c>tenant</c>.</param>
public sealed record UserDeleted(string Reason);

public enum UserStatus { Active, Deleted }

/// <summary>A tenant's end user. Belongs to exactly one tenant.</summary>
public sealed record User(Guid Id, Sealed? Email, DateTimeOffset CreatedAt, Sealed? ExternalUserId = null, Sealed? Subject = null, UserStatus Status = UserStatus.Active)
{
    public const string ExternalIdPurpose = "external-user-id", SubjectPurpose = "oidc-subject";

    public static User Create(IEvent<UserRegistered> e) => new(e.StreamId, e.Data.Email, e.Timestamp);

    public static User Create(IEvent<UserAdmitted> e) => new(e.StreamId, e.Data.Email, e.Timestamp, e.Data.ExternalUserId, e.Data.Subject);

    public User Apply(UserDeleted _) => this with { Status = UserStatus.Deleted };
}

/// <summary>
/// What a user is found by and proves themselves with. A document, not an event, so that a changed password's old hash
/// is gone, and so is, once a person is erased, the index by which one could still ask whether an email was theirs.
/// </summary>
/// <param name="Id">The user's id.</param>
/// <param name="EmailIndex">Keyed hash of tenant and normalized email; unique in the tenant by an index. Null for a user whom the tenant vouches for.</param>
/// <param name="PasswordHash">PHC string; see <see cref="Passwords"/>. Null for a user whom the tenant vouches for.</param>
/// <param name="OutsideIndex">Keyed hash of what the tenant knows the user by (<see cref="Outsiders"/>); unique in the tenant by an index. Null for a user with a password.</param>
[NeverLogged]
public sealed record UserCredentials(Guid Id, string? EmailIndex, string? PasswordHash, string? OutsideIndex = null)
{
    private const string Row = $"{Database.Schema}.mt_doc_usercredentials";

    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(UserCredentials);

    /// <summary>
    /// Holds the credentials as they were read until the session's commit: a sign-in by a password that is being changed,
    /// or of a user who is being deleted, either ends with the user's other logins or does not happen.
    /// </summary>
    /// <returns>False when they are not what they were.</returns>
    public Task<bool> HoldAsync(IDocumentSession session, CancellationToken cancellation) => DoneAsync(session, $"""
        select 1 from {Row} where id = $1 and tenant_id = $2 and data ->> 'passwordHash' is not distinct from $3 for share
        """, cancellation, PasswordHash);

    /// <summary>Replaces the hash, and holds the credentials as <see cref="HoldAsync"/> does.</summary>
    /// <returns>False when they are not what they were.</returns>
    public Task<bool> ReplaceHashAsync(IDocumentSession session, string hash, CancellationToken cancellation) => DoneAsync(session, $"""
        update {Row} set data = jsonb_set(data, array['passwordHash'], to_jsonb($4::text)) where id = $1 and tenant_id = $2 and data ->> 'passwordHash' = $3 returning 1
        """, cancellation, PasswordHash, hash);

    private async Task<bool> DoneAsync(IDocumentSession session, string sql, CancellationToken cancellation, params string?[] values)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand(sql);
        command.Parameters.Add(new() { Value = Id });
        command.Parameters.Add(new() { Value = session.TenantId });
        foreach (var value in values) command.Parameters.Add(new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation);
    }
}

/// <summary>A user who is being made, with the first of their logins.</summary>
public static class NewUser
{
    /// <param name="seal">From the user's data key to their first event.</param>
    /// <param name="credentials">From the user's id to what they are found by.</param>
    public static (RefreshToken Login, Changes Changes) Make(
        string tenantId, Func<DataKey, object> seal, Func<Guid, UserCredentials> credentials, LookupKey lookup, MasterKey master, DateTimeOffset now)
    {
        var id = Guid.CreateVersion7(now);
        var dataKey = DataKey.Create(id);
        var login = RefreshToken.NewFamily(Audience.User, id, Guid.Parse(tenantId), now);
        var changes = new Changes();
        changes.Start<User>(id, seal(dataKey));
        changes.Add(MartenOps.Insert(credentials(id)));
        changes.Add(DataKeys.Store(dataKey, tenantId, master));
        changes.Add(login.Store(lookup));
        return (login, changes);
    }
}
