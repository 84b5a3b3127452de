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
        EmailAndPassword command, HttpContext http, IDocumentSession session, LookupKey lookup, Passwords passwords, AttemptLimits attempts, CancellationToken cancellation)
    {
        UserCredentials? credentials = null;
        if (command.Email!.Length <= 254 && command.Password!.Length <= EmailAndPassword.MaxPassword)
        {
            var index = Emails.IndexOf(lookup, session.TenantId, command.Email);
            if (await attempts.TakeAsync(AttemptKind.SignIn, index, http, cancellation) is { } refused) return (null, refused);
            credentials = await session.Query<UserCredentials>().FirstOrDefaultAsync(c => c.EmailIndex == index, cancellation);
            if (await passwords.VerifyAsync(command.Password, credentials?.PasswordHash, cancellation))
            {
                await attempts.ForgiveAsync(AttemptKind.SignIn, index, cancellation);
                return (credentials, WolverineContinue.NoProblems);
            }
        }

        return (credentials, Problems.InvalidCredentials());
    }

    [WolverinePost("/api/v1/auth/login", OperationId = "loginUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(200)]
    public static (Reply, IMartenOp) Post(EmailAndPassword command, UserCredentials credentials, IDocumentSession session, LookupKey lookup, Tokens tokens, TimeProvider time)
    {
        var refresh = RefreshToken.NewFamily(credentials.Id, time.GetUtcNow());
        return (
            Reply.Ok(TokenView.Of(credentials.Id, session.TenantId, refresh, tokens)),
            refresh.Store(session.TenantId, lookup));
    }
}
