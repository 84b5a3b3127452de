using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Somebody whom the tenant vouches for: known already, or with a place among its users.</summary>
/// <param name="Index">By which they are found; see <see cref="Outsiders"/>.</param>
/// <param name="Known">Null for one who comes for the first time.</param>
public sealed record Arrival(string Index, UserCredentials? Known);

/// <summary>
/// Users whom the tenant vouches for, found by a keyed hash of what it knows them by: its own id of them, or its
/// identity provider's issuer and <c>sub</c>. The two are hashed as values of different kinds, so one is never the other.
/// </summary>
public static class Outsiders
{
    public static string IndexOfExternalId(LookupKey lookup, string tenantId, string externalUserId) => lookup.Hash("external-user-id", tenantId + "\0" + externalUserId);

    public static string IndexOfSubject(LookupKey lookup, string tenantId, string issuer, string subject) => lookup.Hash("oidc-subject", tenantId + "\0" + issuer + "\0" + subject);

    /// <summary>
    /// The user of an index, held until the commit, or a place for a new one. Of many who come at once with the same
    /// index the first makes the user, and the others wait for that and find them.
    /// </summary>
    public static async Task<(Arrival?, ProblemDetails)> FindAsync(IDocumentSession session, Tenant tenant, string index, CancellationToken cancellation)
    {
        var known = await OfAsync(session, index, cancellation);
        if (known is null)
        {
            await session.BeginTransactionAsync(cancellation);
            await using (var turn = new NpgsqlCommand("select pg_advisory_xact_lock(hashtextextended($1, 1))"))
            {
                turn.Parameters.Add(new() { Value = index });
                await using var locked = await session.ExecuteReaderAsync(turn, cancellation);
            }

            known = await OfAsync(session, index, cancellation);
        }

        if (known is null)
        {
            return await Quotas.TryTakeAsync(session, tenant.Id, tenant.Settings.UserLimit, cancellation)
                ? (new Arrival(index, null), WolverineContinue.NoProblems)
                : (null, Problems.UserLimitExceeded());
        }

        // Deleted this moment: the tenant may send them again, and they will be somebody new.
        return await known.HoldAsync(session, cancellation) ? (new Arrival(index, known), WolverineContinue.NoProblems) : (null, Problems.Conflict("The user was deleted just now. Try again."));
    }

    /// <summary>Logs the arrived in: 200 for one who was known, 201 for one who was not.</summary>
    /// <param name="method">For the security log: <c>external</c> or <c>oidc</c>.</param>
    /// <param name="admitted">From the data key of a new user to the first event.</param>
    public static (Reply, Changes) SignIn(
        Arrival arrival, string method, Func<DataKey, UserAdmitted> admitted, string tenantId, LookupKey lookup, MasterKey master, Tokens tokens, DateTimeOffset now)
    {
        if (arrival.Known is not { } known)
        {
            var (first, made) = NewUser.Make(tenantId, admitted, id => new UserCredentials(id, null, null, arrival.Index), lookup, master, now);
            return (new Reply(201, TokenView.Of(first, tokens)) { Noted = new(SecurityEvent.SignInSucceeded, first.Subject, method) }, made);
        }

        var login = RefreshToken.NewFamily(Audience.User, known.Id, Guid.Parse(tenantId), now);
        var changes = new Changes();
        changes.Add(login.Store(lookup));
        return (Reply.Ok(TokenView.Of(login, tokens)) with { Noted = new(SecurityEvent.SignInSucceeded, known.Id, method) }, changes);
    }

    private static Task<UserCredentials?> OfAsync(IQuerySession session, string index, CancellationToken cancellation) =>
        session.Query<UserCredentials>().FirstOrDefaultAsync(c => c.OutsideIndex == index, cancellation);
}
