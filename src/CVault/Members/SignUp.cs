using CVault.Mail;
using CVault.Security;
using CVault.Tenants;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Members;

/// <summary>Body of <c>tenant/auth/signup</c>.</summary>
public sealed record SignUp(string? BusinessName, string? Email, string? Password)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(SignUp);
}

/// <summary>A new tenant, its owner's tokens and, this once, its keys. The keys open nothing until the email is verified.</summary>
[NeverLogged]
public sealed record SignedUpView
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(SignedUpView);

    public required Guid TenantId { get; init; }
    public required Guid MemberId { get; init; }

    /// <summary>The secret key's id, for <c>X-API-Key</c>.</summary>
    public required string ApiKey { get; init; }

    /// <summary>The secret, for <c>X-API-Secret</c>. It is not stored and cannot be shown again.</summary>
    public required string ApiSecret { get; init; }

    /// <summary>The key for apps, sent alone in <c>X-API-Key</c>.</summary>
    public required string PublishableKey { get; init; }
    public required string AccessToken { get; init; }
    public required string RefreshToken { get; init; }
    public int ExpiresIn { get; init; } = (int)Tokens.AccessLifetime.TotalSeconds;
    public string TokenType { get; init; } = "Bearer";
    public bool EmailVerified { get; init; }
}

/// <param name="PasswordHash">PHC string.</param>
/// <param name="Taken">Whether the email logs in to a tenant already. Only the mail says so.</param>
[NeverLogged]
public sealed record SignUpFacts(string PasswordHash, bool Taken)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(SignUpFacts);
}

/// <summary><c>POST /api/v1/tenant/auth/signup</c>: a business makes itself a tenant on trial, with its owner and first keys.</summary>
public static class SignUpEndpoint
{
    /// <summary>What a tenant on trial may use.</summary>
    private static readonly TenantSettings Trial = new(BandwidthLimitGb: 50, UserLimit: 50);

    public static ProblemDetails Validate(SignUp? command)
    {
        if (command is null) return Body.Missing();
        var errors = MemberInput.EmailErrors(command.Email).Concat(Passwords.ErrorsOf(command.Password, command.Email)).Concat(
            TenantChanges.NameErrors(command.BusinessName, "business_name")).ToArray();
        return errors.Length > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(SignUpFacts?, ProblemDetails)> LoadAsync(
        SignUp command, HttpContext http, IDocumentSession session, LookupKey lookup, Passwords passwords, AttemptLimits attempts, CancellationToken cancellation)
    {
        var index = Emails.IndexOfMember(lookup, command.Email!);
        // Each sign-up sends a mail, perhaps to somebody who never asked for one.
        if (await attempts.TakeAsync(AttemptKind.Mail, Emails.IndexOfMember(lookup, Emails.MailboxOf(command.Email!)), http, cancellation) is { } refused) return (null, refused);
        var hash = await passwords.HashAsync(command.Password!, cancellation);
        return (new SignUpFacts(hash, await MemberCredentials.VerifiedAsync(session, index, cancellation) is not null), WolverineContinue.NoProblems);
    }

    /// <summary>The same work for a free and a taken email, down to a verification token that nobody is told.</summary>
    [WolverinePost("/api/v1/tenant/auth/signup", OperationId = "signUp"), NotTenanted, AllowAnonymous]
    [ProducesResponseType<SignedUpView>(201)]
    public static (Reply, Changes, OutgoingMessages) Post(
        SignUp command, SignUpFacts facts, LookupKey lookup, MasterKey master, Tokens tokens, MailSettings mails, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var (tenantId, memberId) = (Guid.CreateVersion7(now), Guid.CreateVersion7(now));
        var email = Emails.Normalize(command.Email!);
        var name = command.BusinessName!.Trim();
        var (secretKey, secret) = ApiKey.NewSecret(tenantId, lookup, now);
        var publishable = ApiKey.NewPublishable(tenantId, now);
        var dataKey = DataKey.Create(memberId);
        var refresh = Security.RefreshToken.NewFamily(Audience.Member, memberId, tenantId, now);
        var (token, tokenRow) = OneTimeTokens.Issue(OneTimeKind.MemberEmail, tenantId, memberId, now + MemberMails.VerificationLifetime, lookup, master);
        var (mailRow, due) = Mails.Send(facts.Taken ? MemberMails.AlreadySignedUp(mails, email) : MemberMails.Verify(mails, email, name, token), master, now);

        var changes = new Changes();
        changes.Add(MartenOps.StartStream<Tenant>(tenantId, tenantId.ToString(),
            new TenantCreated(name, TenantStatus.Trial, Trial, now, SelfService: true),
            new MemberJoined(memberId, Role.Owner, dataKey.Seal(Emails.Purpose, email), EmailVerified: false, now),
            secretKey.Issued(), publishable.Issued()));
        changes.Add(MartenOps.Insert(secretKey));
        changes.Add(MartenOps.Insert(publishable));
        changes.Add(MartenOps.Insert(new MemberCredentials(memberId, tenantId, Emails.IndexOfMember(lookup, email), LoginIndex: null, facts.PasswordHash)));
        changes.Add(DataKeys.Store(dataKey, tenantId.ToString(), master));
        changes.Add(refresh.Store(lookup));
        changes.Add(tokenRow);
        changes.Add(mailRow);
        log.Write(SecurityEvent.SignedUp, http, ("tenant", tenantId), ("member", memberId));
        var view = new SignedUpView
        {
            TenantId = tenantId, MemberId = memberId, ApiKey = secretKey.Id, ApiSecret = secret, PublishableKey = publishable.Id,
            AccessToken = tokens.Issue(Audience.Member, memberId, tenantId, refresh.Family), RefreshToken = refresh.Secret,
        };
        return (Reply.Created("/api/v1/tenant/me", view), changes, [due]);
    }
}
