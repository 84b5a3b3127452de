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
public sealed record UserCredentials(Guid Id, string EmailIndex, string PasswordHash);
