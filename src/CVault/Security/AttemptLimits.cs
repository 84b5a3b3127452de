using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Security;

/// <summary>What is limited for one account, known or unknown.</summary>
public enum AttemptKind
{
    /// <summary>Passwords tried: 20 in 15 minutes, so never more than 100 in an hour (ASVS 4.0, 2.2.1). A right one gives all back.</summary>
    SignIn,

    /// <summary>Mails asked for (password/forgot, verify/resend): 5 an hour.</summary>
    Mail,
}

/// <param name="PerAddress"><c>CVAULT_AUTH_PER_ADDRESS</c>: calls of <c>auth/…</c> a minute from one address.</param>
public sealed record AttemptRules(int PerAddress = 60);

/// <summary>
/// The tighter limits of authentication: by account, tenant and address. Each is taken before the work that it limits,
/// so that a thousand tries at once do not pass together.
/// </summary>
public sealed class AttemptLimits(RequestLimits limits, AttemptRules rules, SecurityLog log)
{
    private const int CredentialFailures = 120, OperatorFailures = 20, FewestForTenant = 30;

    /// <summary>One attempt on an account. Call it before the account is even looked for.</summary>
    /// <param name="account">The keyed hash of the tenant and the normalized email (<c>Emails.IndexOf</c>): the same for known and unknown ones.</param>
    /// <returns>Null to go on; else the problem to answer, the same whether the account is known or not.</returns>
    public Task<ProblemDetails?> TakeAsync(AttemptKind kind, string account, HttpContext http, CancellationToken cancellation) =>
        TakeAsync(Subject(kind, account), RuleOf(kind), kind == AttemptKind.SignIn ? "account" : "account_mail", http, cancellation);

    /// <summary>The attempt was right: the account's count begins anew.</summary>
    public Task ForgiveAsync(AttemptKind kind, string account, CancellationToken cancellation) => limits.ForgetAsync(Subject(kind, account), cancellation);

    /// <summary>One call of <c>auth/…</c> of a tenant: at most half of all its requests.</summary>
    public Task<ProblemDetails?> TakeOfTenantAsync(Guid tenantId, int requestsPerMinute, HttpContext http, CancellationToken cancellation) =>
        TakeAsync("auth:" + tenantId, new LimitRule(Math.Max(FewestForTenant, requestsPerMinute / 2), 0, 60), "tenant_authentication", http, cancellation);

    /// <summary>
    /// One call of <c>auth/…</c> from an address. A secret key that proved itself is a tenant's server, which speaks for many
    /// people; and from this host itself comes nobody but who runs it.
    /// </summary>
    public Task<ProblemDetails?> TakeOfAddressAsync(HttpContext http, CancellationToken cancellation) =>
        http.User.FindFirstValue(Actor.KeyKindClaim) == "secret" || NetworkOf(http.Connection.RemoteIpAddress) is not { } network
            ? Task.FromResult<ProblemDetails?>(null)
            : TakeAsync("auth-address:" + network, new LimitRule(rules.PerAddress, 0, 60), "address", http, cancellation);

    /// <summary>A credential was refused: counted for its address, which may try 120 a minute.</summary>
    public Task<ProblemDetails?> FailedAsync(HttpContext http) => FailedAsync("refused-address:", CredentialFailures, "refused_credentials", http);

    /// <summary>Whether credentials from this address are refused unread. Tells from memory.</summary>
    public ProblemDetails? Blocked(HttpContext http) => Blocked("refused-address:", http);

    /// <summary>An operator's token was refused: 20 a minute from one address.</summary>
    public Task<ProblemDetails?> OperatorFailedAsync(HttpContext http) => FailedAsync("refused-operator:", OperatorFailures, "operator_token", http);

    /// <summary>As <see cref="Blocked(HttpContext)"/>, for operators.</summary>
    public ProblemDetails? OperatorBlocked(HttpContext http) => Blocked("refused-operator:", http);

    /// <summary>Says until when, in the answer's <c>Retry-After</c>.</summary>
    public static ProblemDetails Refuse(HttpContext http, Permit permit)
    {
        http.Response.Headers.RetryAfter = Seconds(permit.RetryAfter).ToString(CultureInfo.InvariantCulture);
        return Problems.RateLimited();
    }

    /// <summary>Whole seconds, rounded up, at least one.</summary>
    public static int Seconds(TimeSpan time) => Math.Max(1, (int)Math.Ceiling(time.TotalSeconds));

    /// <summary>
    /// What of an address one holder has: an IPv4 address, an IPv6 network of 64 bits. Null for this host itself and where
    /// there is none.
    /// </summary>
    public static string? NetworkOf(IPAddress? address)
    {
        if (address is null) return null;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (IPAddress.IsLoopback(address)) return null;
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes) + "/64";
    }

    private static string Subject(AttemptKind kind, string account) => (kind == AttemptKind.SignIn ? "account:" : "account-mail:") + account;

    private static LimitRule RuleOf(AttemptKind kind) => kind == AttemptKind.SignIn ? new LimitRule(20, 0, 15 * 60) : new LimitRule(5, 0, 60 * 60);

    private async Task<ProblemDetails?> FailedAsync(string kind, int most, string name, HttpContext http)
    {
        if (NetworkOf(http.Connection.RemoteIpAddress) is not { } network) return null;
        var permit = await limits.TakeAsync(kind + network, new LimitRule(most, 0, 60), http.RequestAborted);
        return permit.Granted ? null : Tell(permit, name, http);
    }

    private ProblemDetails? Blocked(string kind, HttpContext http) =>
        NetworkOf(http.Connection.RemoteIpAddress) is { } network && limits.Refused(kind + network) is { } permit ? Refuse(http, permit) : null;

    private async Task<ProblemDetails?> TakeAsync(string subject, LimitRule rule, string name, HttpContext http, CancellationToken cancellation)
    {
        var permit = await limits.TakeAsync(subject, rule, cancellation);
        // Uncounted tries are none: without the database nobody could sign in anyway.
        if (!permit.Known) return Problems.DatabaseUnavailable();
        return permit.Granted ? null : Tell(permit, name, http);
    }

    private ProblemDetails Tell(Permit permit, string name, HttpContext http)
    {
        if (permit.FirstRefusal) log.Write(SecurityEvent.LimitExceeded, http, ("limit", name));
        return Refuse(http, permit);
    }
}
