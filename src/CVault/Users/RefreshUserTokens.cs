using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>Body of <c>auth/refresh</c>.</summary>
[NeverLogged]
public sealed record RefreshTokens(string? RefreshToken)
{
    public override string ToString() => nameof(RefreshTokens);
}

/// <summary><c>POST /api/v1/auth/refresh</c>: new tokens for a refresh token, which is thereby spent.</summary>
public static class RefreshUserTokens
{
    public static ProblemDetails Validate(RefreshTokens? command) =>
        command is null ? Body.Missing() : string.IsNullOrEmpty(command.RefreshToken) || command.RefreshToken.Length > 256
            ? Problems.Validation(("refresh_token", "A refresh token is required."))
            : WolverineContinue.NoProblems;

    public static async Task<(RefreshToken?, ProblemDetails)> LoadAsync(
        RefreshTokens command, IDocumentSession session, NpgsqlDataSource database, LookupKey lookup, SecurityLog log, HttpContext http, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        if (await RefreshToken.FindAsync(session, lookup, Audience.User, session.TenantId, command.RefreshToken!, now, cancellation) is { IsReused: true })
        {
            await RefreshToken.RevokeFamilyOfAsync(database, lookup, Audience.User, session.TenantId, command.RefreshToken!, cancellation);
            log.Write(SecurityEvent.RefreshTokenReused, http, ("kind", "user"));
            return (null, Problems.Unauthenticated());
        }

        var spent = await RefreshToken.SpendAsync(session, lookup, Audience.User, session.TenantId, command.RefreshToken!, now, cancellation);
        return (spent, spent is null ? Problems.Unauthenticated() : WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/auth/refresh", OperationId = "refreshTokens"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(200)]
    public static (Reply, IMartenOp) Post(RefreshTokens command, RefreshToken spent, LookupKey lookup, Tokens tokens, SecurityLog log, HttpContext http)
    {
        log.Write(SecurityEvent.TokensRefreshed, http, ("kind", "user"), ("user", spent.Subject), ("session", spent.Family));
        var next = spent.Next();
        return (
            Reply.Ok(TokenView.Of(next, tokens)),
            next.Store(lookup));
    }
}
