using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Members;

/// <summary>Body of <c>tenant/auth/login</c>.</summary>
public sealed record MemberLogIn(string? Email, string? Password)
{
    public override string ToString() => nameof(MemberLogIn);
}

/// <summary><c>POST /api/v1/tenant/auth/login</c>. An unknown email and a wrong password answer the same, in the same time.</summary>
public static class LogInMember
{
    public static ProblemDetails Validate(MemberLogIn? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (string.IsNullOrEmpty(command.Email)) errors.Add(("email", "An email is required."));
        if (string.IsNullOrEmpty(command.Password)) errors.Add(("password", "A password is required."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(MemberCredentials?, ProblemDetails)> LoadAsync(
        MemberLogIn command, IDocumentSession session, LookupKey lookup, Passwords passwords, AttemptLimits attempts, CredentialCache tenants, SecurityLog log, HttpContext http, CancellationToken cancellation)
    {
        MemberCredentials? credentials = null;
        if (command.Email!.Length <= 254 && Passwords.IsPossible(command.Password))
        {
            var index = Emails.IndexOfMember(lookup, command.Email);
            if (await attempts.TakeAsync(AttemptKind.SignIn, index, http, cancellation) is { } refused) return (null, refused);
            credentials = await MemberCredentials.VerifiedAsync(session, index, cancellation);
            if (await MemberCredentials.IsRightAsync(credentials, command.Password!, session, passwords, cancellation))
            {
                await attempts.ForgiveAsync(AttemptKind.SignIn, index, cancellation);
                return await tenants.TenantAsync(credentials!.TenantId, cancellation) is { IsSuspended: true, MaySettle: false } ? (null, Problems.TenantSuspended()) : (credentials, WolverineContinue.NoProblems);
            }
        }

        log.Write(SecurityEvent.SignInFailed, http, ("kind", "member"), ("tenant", credentials?.TenantId), ("member", credentials?.Id));
        return (null, Problems.InvalidCredentials());
    }

    [WolverinePost("/api/v1/tenant/auth/login", OperationId = "logInMember"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<MemberTokenView>(200)]
    public static (Reply, IMartenOp) Post(MemberLogIn command, MemberCredentials credentials, LookupKey lookup, Tokens tokens, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var refresh = RefreshToken.NewFamily(Audience.Member, credentials.Id, credentials.TenantId, time.GetUtcNow());
        log.Write(SecurityEvent.SignInSucceeded, http, ("kind", "member"), ("tenant", credentials.TenantId), ("member", credentials.Id), ("session", refresh.Family));
        return (Reply.Ok(MemberTokenView.Of(refresh, tokens)), refresh.Store(lookup));
    }
}

/// <summary>Body of <c>tenant/auth/refresh</c>.</summary>
public sealed record RefreshMember(string? RefreshToken)
{
    public override string ToString() => nameof(RefreshMember);
}

/// <summary><c>POST /api/v1/tenant/auth/refresh</c>: new tokens for a refresh token, which is thereby spent.</summary>
public static class RefreshMemberTokens
{
    public static ProblemDetails Validate(RefreshMember? command) =>
        command is null ? Body.Missing() : MemberInput.TokenErrors(command.RefreshToken, "refresh_token").ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    public static async Task<(RefreshToken?, ProblemDetails)> LoadAsync(
        RefreshMember command, IDocumentSession session, NpgsqlDataSource database, LookupKey lookup, CredentialCache tenants, SecurityLog log, HttpContext http, TimeProvider time, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var found = await RefreshToken.FindAsync(session, lookup, Audience.Member, null, command.RefreshToken!, now, cancellation);
        if (found is { IsReused: true })
        {
            await RefreshToken.RevokeFamilyOfAsync(database, lookup, Audience.Member, null, command.RefreshToken!, cancellation);
            log.Write(SecurityEvent.RefreshTokenReused, http, ("kind", "member"));
            return (null, Problems.Unauthenticated());
        }

        // The tenant first: spending holds a connection, and reading a tenant may take one.
        if (found is not { TenantId: var tenantId } || await tenants.TenantAsync(tenantId, cancellation) is not { } tenant
            || await RefreshToken.SpendAsync(session, lookup, Audience.Member, null, command.RefreshToken!, now, cancellation) is not { } spent || !tenant.Members.ContainsKey(spent.Subject))
        {
            return (null, Problems.Unauthenticated());
        }

        return tenant is { IsSuspended: true, MaySettle: false } ? (null, Problems.TenantSuspended()) : (spent, WolverineContinue.NoProblems);
    }

    [WolverinePost("/api/v1/tenant/auth/refresh", OperationId = "refreshMemberTokens"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<MemberTokenView>(200)]
    public static (Reply, IMartenOp) Post(RefreshMember command, RefreshToken spent, LookupKey lookup, Tokens tokens, SecurityLog log, HttpContext http)
    {
        var next = spent.Next();
        log.Write(SecurityEvent.TokensRefreshed, http, ("kind", "member"), ("tenant", spent.TenantId), ("member", spent.Subject), ("session", spent.Family));
        return (Reply.Ok(MemberTokenView.Of(next, tokens)), next.Store(lookup));
    }
}

public sealed record SignedOutView(bool SignedOut = true);

/// <summary><c>POST /api/v1/tenant/auth/logout</c>: ends the login that the token comes from, its access tokens with it.</summary>
public static class LogOutMember
{
    [WolverinePost("/api/v1/tenant/auth/logout", OperationId = "logOutMember"), Authorize(Policies.Member)]
    [ProducesResponseType<SignedOutView>(200)]
    public static (Reply, IMartenOp) Post(SecurityLog log, HttpContext http)
    {
        log.Write(SecurityEvent.SignedOut, http, ("session", http.User.SessionId()));
        return (Reply.Ok(new SignedOutView()) with { ChangesCredentials = true }, RefreshToken.End(http.User.SessionId()));
    }
}
