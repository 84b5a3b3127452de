using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CVault.Security;

/// <summary>What the security log tells of. Its names are stable: alerts are built on them.</summary>
public enum SecurityEvent
{
    SignedUp, SignUpRequested, SignUpRefused, EmailVerified, SignInSucceeded, SignInFailed, SignedOut, TokensRefreshed, RefreshTokenReused,
    PasswordChanged, PasswordResetRequested, PasswordReset, PasswordResetRefused,
    KeyIssued, KeyChanged, KeyRevoked, KeyUsed, KeyRefused, TokenRefused, AccessRefused, OperatorRefused, OperatorAction,
    MemberInvited, MemberJoined, MemberRoleChanged, MemberRemoved, UserDeleted, IssuerChanged,
    LimitExceeded, HostKeyChanged, SigningKeyChanged,
}

/// <summary>What the security log is to be told once a command is committed.</summary>
/// <param name="User">Whom it is about, where that is known.</param>
/// <param name="Method">How they signed in: <c>password</c>, <c>external</c> or <c>oidc</c>.</param>
public sealed record Noted(SecurityEvent What, Guid? User = null, string? Method = null);

/// <summary>
/// One line an event of interest to whoever watches over CVault: who, in which tenant, from where, in which request.
/// Details are ids and codes, never an email, a password, a token or a key's secret.
/// </summary>
public sealed class SecurityLog(ILogger<SecurityLog> logger)
{
    public void Write(SecurityEvent what, HttpContext? http, params (string Name, object? Value)[] details)
    {
        using var scope = logger.BeginScope(details.ToDictionary(d => d.Name, d => d.Value));
        logger.LogInformation("{Event} by {Actor} of tenant {Tenant} from {Address}, request {RequestId}: {Details}",
            what, http is null ? "system" : Actor.Of(http), http?.User.FindFirstValue(Actor.TenantClaim) ?? "-", http?.Connection.RemoteIpAddress?.ToString() ?? "-", http?.TraceIdentifier ?? "-",
            string.Join(' ', details.Select(d => $"{d.Name}={d.Value}")));
    }
}
