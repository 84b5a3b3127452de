using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>Body of <c>auth/register</c> and <c>auth/login</c>.</summary>
[NeverLogged]
public sealed record EmailAndPassword(string? Email, string? Password)
{
    public const int MinPassword = 8, MaxPassword = 128;

    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(EmailAndPassword);
}

/// <summary>A user's tokens.</summary>
[NeverLogged]
public sealed record TokenView
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(TokenView);

    public required Guid UserId { get; init; }

    /// <summary>JWT, for <c>Authorization: Bearer</c>.</summary>
    public required string AccessToken { get; init; }

    /// <summary>Good for one call of <c>auth/refresh</c>.</summary>
    public required string RefreshToken { get; init; }

    /// <summary>Seconds until the access token expires.</summary>
    public int ExpiresIn { get; init; } = (int)Tokens.AccessLifetime.TotalSeconds;
    public string TokenType { get; init; } = "Bearer";

    public static TokenView Of(Guid userId, string tenantId, RefreshToken refresh, Tokens tokens) => new()
    {
        UserId = userId, AccessToken = tokens.Issue(userId, Guid.Parse(tenantId)), RefreshToken = refresh.Secret,
    };
}

/// <param name="Hash">PHC string.</param>
[NeverLogged]
public sealed record NewPassword(string Hash)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(NewPassword);
}

/// <summary><c>POST /api/v1/auth/register</c>: a new user of the key's tenant, logged in.</summary>
public static class RegisterUser
{
    public static ProblemDetails Validate(EmailAndPassword? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Email is null || !Emails.IsWellFormed(command.Email)) errors.Add(("email", "A valid email address is required."));
        if (command.Password is null || command.Password.Length is < EmailAndPassword.MinPassword or > EmailAndPassword.MaxPassword)
        {
            errors.Add(("password", $"{EmailAndPassword.MinPassword} to {EmailAndPassword.MaxPassword} characters."));
        }

        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    /// <summary>The password's hash, and a place among the tenant's users.</summary>
    public static async Task<(NewPassword?, ProblemDetails)> LoadAsync(EmailAndPassword command, IDocumentSession session, Passwords passwords, CancellationToken cancellation)
    {
        // Hashed before anything is locked, and always, so that a taken email takes no less time than a free one.
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        var tenant = await session.LoadAsync<Tenant>(Guid.Parse(session.TenantId), cancellation);
        return await Quotas.TryTakeAsync(session, tenant!.Id, tenant.Settings.UserLimit, cancellation)
            ? (new NewPassword(hash), WolverineContinue.NoProblems)
            : (null, Problems.UserLimitExceeded());
    }

    [WolverinePost("/api/v1/auth/register", OperationId = "registerUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(201)]
    public static (Reply, IMartenOp, IMartenOp, IMartenOp, IMartenOp) Post(
        EmailAndPassword command, NewPassword password, IDocumentSession session, LookupKey lookup, MasterKey master, Tokens tokens, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var dataKey = DataKey.Create(id);
        var refresh = RefreshToken.NewFamily(id, now);
        return (
            new Reply(201, TokenView.Of(id, session.TenantId, refresh, tokens)),
            MartenOps.StartStream<User>(id, new UserRegistered(dataKey.Seal(Emails.Purpose, Emails.Normalize(command.Email!)))),
            MartenOps.Insert(new UserCredentials(id, Emails.IndexOf(lookup, session.TenantId, command.Email!), password.Hash)),
            DataKeys.Store(dataKey, session.TenantId, master),
            refresh.Store(session.TenantId, lookup));
    }
}
