using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>A user who is no more.</summary>
public sealed record DeletedUserView(Guid Id, string Status);

/// <param name="Id">The user, whose stream is held until the commit.</param>
public sealed record Leaver(Guid Id);

/// <summary>
/// <c>DELETE /api/v1/users/{userId}</c>: the user's tokens end, their devices are revoked, and then the key is erased that
/// everything personal about them is sealed under. The tenant has a place for another.
/// </summary>
public static class DeleteUser
{
    public static async Task<(Leaver?, ProblemDetails)> LoadAsync(Guid userId, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await session.Events.FetchForExclusiveWriting<User>(userId, cancellation);
        if (stream.Aggregate is not { Status: UserStatus.Active }) return (null, Problems.NotFound());
        // No device joins them any more: one that is being registered now is waited for, and goes with the others.
        await Quotas.CloseAsync(session, userId, cancellation);
        return (new Leaver(userId), WolverineContinue.NoProblems);
    }

    [WolverineDelete("/api/v1/users/{userId}", OperationId = "deleteUser"), Authorize(Policies.SecretKey)]
    [ProducesResponseType<DeletedUserView>(200)]
    public static (Reply, Changes, OutgoingMessages) Delete(Guid userId, [NotBody] Leaver leaver, IDocumentSession session)
    {
        var changes = new Changes();
        changes.Append(leaver.Id, new UserDeleted("tenant"));
        // First the credentials: a login that holds them is over before its tokens are looked for.
        changes.Add(MartenOps.Delete<UserCredentials>(leaver.Id));
        changes.Add(OneTimeTokens.Revoke(OneTimeKind.UserPassword, leaver.Id));
        changes.Add(RefreshToken.EndAllOf(leaver.Id));
        changes.Add(Quotas.Give(Guid.Parse(session.TenantId)));
        return (
            Reply.Ok(new DeletedUserView(leaver.Id, Names.Of(UserStatus.Deleted))) with { ChangesCredentials = true, Noted = new(SecurityEvent.UserDeleted, leaver.Id) },
            changes,
            [new UserGone(leaver.Id)]);
    }
}
