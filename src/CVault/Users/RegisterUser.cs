using System.Text.Json;
using CVault.Mail;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;

namespace CVault.Users;

/// <summary>Body of <c>auth/register</c> and <c>auth/login</c>.</summary>
[NeverLogged]
public sealed record EmailAndPassword(string? Email, string? Password)
{
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

    public static TokenView Of(RefreshToken refresh, Tokens tokens) => new()
    {
        UserId = refresh.Subject, AccessToken = tokens.Issue(Audience.User, refresh.Subject, refresh.TenantId, refresh.Family), RefreshToken = refresh.Secret,
    };
}

/// <summary>A registration that waits for its email to be verified, as it is put away with the token of the mail.</summary>
/// <param name="Email">Normalized.</param>
/// <param name="PasswordHash">PHC string.</param>
[NeverLogged]
public sealed record PendingRegistration(string Email, string PasswordHash)
{
    public override string ToString() => nameof(PendingRegistration);
}

/// <summary>What became of an application by mail or password. One of the contract's few words, such as <c>verification_sent</c>.</summary>
public sealed record OutcomeView(string Status);

/// <param name="Tenant">Whose user it would be.</param>
/// <param name="PasswordHash">PHC string.</param>
/// <param name="Taken">The email is somebody's already, which nobody but its mailbox is told.</param>
[NeverLogged]
public sealed record UserRegistration(Tenant Tenant, string PasswordHash, bool Taken)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(UserRegistration);
}

/// <summary>
/// <c>POST /api/v1/auth/register</c>: a new user of the key's tenant, logged in. Where the tenant has emails verified it
/// makes nobody, and tells nobody but the mailbox whether there is such a user: same answer, same time.
/// </summary>
public static class RegisterUser
{
    /// <summary>How long the mail's token is good for.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromHours(24);

    public static ProblemDetails Validate(EmailAndPassword? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Email is null || !Emails.IsWellFormed(command.Email)) errors.Add(("email", "A valid email address is required."));
        errors.AddRange(Passwords.ErrorsOf(command.Password, command.Email));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    /// <summary>The password's hash, and a place among the tenant's users.</summary>
    public static async Task<(UserRegistration?, ProblemDetails)> LoadAsync(
        EmailAndPassword command, HttpContext http, IDocumentSession session, Passwords passwords, LookupKey lookup, AttemptLimits attempts, SecurityLog log, CancellationToken cancellation)
    {
        // Hashed before anything is locked, and always, so that a taken email takes no less time than a free one.
        var tenant = TenantAuthentication.TenantOf(http);
        var index = Emails.IndexOf(lookup, session.TenantId, command.Email!);
        if (tenant.Settings.EmailVerification == EmailVerification.Required && await attempts.TakeAsync(AttemptKind.Mail, index, http, cancellation) is { } refused) return (null, refused);
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        var taken = await session.Query<UserCredentials>().AnyAsync(c => c.EmailIndex == index, cancellation);
        if (tenant.Settings.EmailVerification == EmailVerification.Required) return (new UserRegistration(tenant, hash, taken), WolverineContinue.NoProblems);
        // Of two at once the database's index still lets one through.
        var problem = taken ? Problems.EmailTaken()
            : await Quotas.TryTakeAsync(session, tenant.Id, tenant.Settings.UserLimit, cancellation) ? WolverineContinue.NoProblems
            : Problems.UserLimitExceeded();
        if (problem == WolverineContinue.NoProblems) return (new UserRegistration(tenant, hash, taken), problem);
        log.Write(SecurityEvent.SignUpRefused, http, ("code", Problems.CodeOf(problem)));
        return (null, problem);
    }

    [WolverinePost("/api/v1/auth/register", OperationId = "registerUser"), Authorize(Policies.ApiKey)]
    [ProducesResponseType<TokenView>(201), ProducesResponseType<OutcomeView>(202)]
    public static (Reply, Changes, OutgoingMessages) Post(
        EmailAndPassword command, [NotBody] UserRegistration registration, IDocumentSession session, LookupKey lookup, MasterKey master, Tokens tokens, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var email = Emails.Normalize(command.Email!);
        if (registration.Tenant.Settings.EmailVerification == EmailVerification.Off)
        {
            var (login, made) = Make(session.TenantId, new PendingRegistration(email, registration.PasswordHash), lookup, master, now);
            return (new Reply(201, TokenView.Of(login, tokens)) { Noted = new(SecurityEvent.SignedUp, login.Subject) }, made, []);
        }

        // For a known email too a token is made, and thrown away: the work is the same, and so is its time.
        var changes = new Changes();
        var (token, row) = OneTimeTokens.Issue(
            OneTimeKind.UserEmail, registration.Tenant.Id, Guid.NewGuid(), now + Patience, lookup, master, JsonSerializer.SerializeToUtf8Bytes(new PendingRegistration(email, registration.PasswordHash)));
        var (mail, due) = Mails.Send(registration.Taken ? UserMails.AccountExists(registration.Tenant, email) : UserMails.Verify(registration.Tenant, email, token), master, now);
        changes.Add(row);
        changes.Add(mail);
        return (new Reply(202, new OutcomeView("verification_sent")) { Noted = new(SecurityEvent.SignUpRequested) }, changes, [due]);
    }

    /// <summary>The user whose email and password these are.</summary>
    public static (RefreshToken Login, Changes Changes) Make(string tenantId, PendingRegistration registration, LookupKey lookup, MasterKey master, DateTimeOffset now) => NewUser.Make(
        tenantId,
        key => new UserRegistered(key.Seal(Emails.Purpose, registration.Email)),
        id => new UserCredentials(id, Emails.IndexOf(lookup, tenantId, registration.Email), registration.PasswordHash),
        lookup, master, now);
}
