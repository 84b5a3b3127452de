using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
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
        EmailAndPassword command, IDocumentSession session, LookupKey lookup, Passwords passwords, CancellationToken cancellation)
    {
        UserCredentials? credentials = null;
        if (command.Email!.Length <= 254 && Passwords.IsPossible(command.Password))
        {
            var index = Emails.IndexOf(lookup, session.TenantId, command.Email);
            credentials = await session.Query<UserCredentials>().FirstOrDefaultAsync(c => c.EmailIndex == index, cancellation);
            if (await passwords.VerifyAsync(command.Password!, credentials?.PasswordHash, cancellation)) return (credentials, WolverineContinue.NoProblems);
        }

        return (credentials, Problems.InvalidCredentials());
    }

    [WolverinePost("/api/v1/auth/login", OperationId = "loginUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(200)]
    public static (Reply, IMartenOp) Post(EmailAndPassword command, UserCredentials credentials, IDocumentSession session, LookupKey lookup, Tokens tokens, TimeProvider time)
    {
        var refresh = RefreshToken.NewFamily(Audience.User, credentials.Id, Guid.Parse(session.TenantId), time.GetUtcNow());
        return (
            Reply.Ok(TokenView.Of(refresh, tokens)),
            refresh.Store(lookup));
    }
}
