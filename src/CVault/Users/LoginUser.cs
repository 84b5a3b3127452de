using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary><c>POST /api/v1/auth/login</c>. An unknown email and a wrong password answer the same, in the same time.</summary>
public static class LoginUser
{
    public static ProblemDetails Validate(EmailAndPassword? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (string.IsNullOrEmpty(command.Email)) errors.Add(("email", "An email is required."));
        if (string.IsNullOrEmpty(command.Password)) errors.Add(("password", "A password is required."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(UserCredentials?, ProblemDetails)> LoadAsync(
        EmailAndPassword command, HttpContext http, IDocumentSession session, LookupKey lookup, Passwords passwords, AttemptLimits attempts, SecurityLog log, CancellationToken cancellation)
    {
        UserCredentials? credentials = null;
        if (command.Email!.Length <= 254 && Passwords.IsPossible(command.Password))
        {
            var index = Emails.IndexOf(lookup, session.TenantId, command.Email);
            if (await attempts.TakeAsync(AttemptKind.SignIn, index, http, cancellation) is { } refused) return (null, refused);
            credentials = await session.Query<UserCredentials>().FirstOrDefaultAsync(c => c.EmailIndex == index, cancellation);
            if (await IsRightAsync(credentials, command.Password!, session, passwords, cancellation))
            {
                await attempts.ForgiveAsync(AttemptKind.SignIn, index, cancellation);
                return (credentials, WolverineContinue.NoProblems);
            }
        }

        log.Write(SecurityEvent.SignInFailed, http, ("method", "password"), ("user", credentials?.Id));
        return (null, Problems.InvalidCredentials());
    }

    [WolverinePost("/api/v1/auth/login", OperationId = "loginUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(200)]
    public static (Reply, IMartenOp) Post(EmailAndPassword command, UserCredentials credentials, IDocumentSession session, LookupKey lookup, Tokens tokens, TimeProvider time)
    {
        var refresh = RefreshToken.NewFamily(Audience.User, credentials.Id, Guid.Parse(session.TenantId), time.GetUtcNow());
        return (
            Reply.Ok(TokenView.Of(refresh, tokens)) with { Noted = new(SecurityEvent.SignInSucceeded, credentials.Id, "password") },
            refresh.Store(lookup));
    }

    /// <summary>Whether the password is right, and still is at the commit. One that was hashed with less than today's parameters is hashed anew.</summary>
    private static async Task<bool> IsRightAsync(UserCredentials? credentials, string password, IDocumentSession session, Passwords passwords, CancellationToken cancellation)
    {
        if (!await passwords.VerifyAsync(password, credentials?.PasswordHash, cancellation)) return false;
        if (!Passwords.IsOutdated(credentials!.PasswordHash!)) return await credentials.HoldAsync(session, cancellation);
        if (await credentials.ReplaceHashAsync(session, await passwords.HashAsync(password, cancellation), cancellation)) return true;
        // Another login of theirs was faster, or they changed their password meanwhile.
        return await session.LoadAsync<UserCredentials>(credentials.Id, cancellation) is { } now
            && await passwords.VerifyAsync(password, now.PasswordHash, cancellation) && await now.HoldAsync(session, cancellation);
    }
}
