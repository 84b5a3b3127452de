using System.Text.Json;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/verify</c>.</summary>
public sealed record VerifyUserEmail(string? Token)
{
    public override string ToString() => nameof(VerifyUserEmail);
}

/// <summary><c>POST /api/v1/auth/verify</c>: the token of a mail proves that the email is the user's; now they are made, and logged in.</summary>
public static class VerifyUser
{
    public static ProblemDetails Validate(VerifyUserEmail? command) =>
        command is null ? Body.Missing() : MailToken.IsPossible(command.Token) ? WolverineContinue.NoProblems : MailToken.Problem();

    public static async Task<(PendingRegistration?, ProblemDetails)> LoadAsync(
        VerifyUserEmail command, HttpContext http, IDocumentSession session, LookupKey lookup, MasterKey master, SecurityLog log, TimeProvider time, CancellationToken cancellation)
    {
        var tenant = TenantAuthentication.TenantOf(http);
        var spent = await OneTimeTokens.SpendAsync(session, OneTimeKind.UserEmail, command.Token!, lookup, master, time.GetUtcNow(), cancellation, tenant.Id);
        var problem = spent is null ? MailToken.Problem()
            : await Quotas.TryTakeAsync(session, tenant.Id, tenant.Settings.UserLimit, cancellation) ? WolverineContinue.NoProblems
            : Problems.UserLimitExceeded();
        if (problem == WolverineContinue.NoProblems) return (JsonSerializer.Deserialize<PendingRegistration>(spent!.Payload), problem);
        log.Write(SecurityEvent.SignUpRefused, http, ("code", Problems.CodeOf(problem)));
        return (null, problem);
    }

    [WolverinePost("/api/v1/auth/verify", OperationId = "verifyUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(201)]
    public static (Reply, Changes) Post(
        VerifyUserEmail command, [NotBody] PendingRegistration registration, IDocumentSession session, LookupKey lookup, MasterKey master, Tokens tokens, TimeProvider time)
    {
        var (login, changes) = RegisterUser.Make(session.TenantId, registration, lookup, master, time.GetUtcNow());
        return (new Reply(201, TokenView.Of(login, tokens)) { Noted = new(SecurityEvent.SignedUp, login.Subject) }, changes);
    }
}

/// <summary>The rules of a token that came by mail.</summary>
public static class MailToken
{
    public static bool IsPossible(string? token) => token is { Length: > 0 and <= 128 };

    /// <summary>Unknown, used, expired and another tenant's are the same.</summary>
    public static ProblemDetails Problem() => Problems.Validation(("token", "This token is unknown, used or expired."));
}
