using System.Security.Claims;
using Marten;
using Microsoft.AspNetCore.Http;

namespace CVault.Security;

/// <summary>The claims that CVault's credentials become, and who therefore acts.</summary>
public static class Actor
{
    public const string TenantClaim = "tid";
    public const string UserClaim = "sub";
    public const string MemberClaim = "member";
    public const string SessionClaim = "sid";
    public const string KeyClaim = "key";
    public const string KeyKindClaim = "key_kind";
    public const string OperatorClaim = "operator";

    /// <summary>Nobody that a credential names.</summary>
    public const string Anonymous = "anonymous";

    /// <summary>The id of the logged-in user. Only for endpoints whose policy demands a user's token.</summary>
    public static Guid UserId(this ClaimsPrincipal principal) => Guid.Parse(principal.FindFirstValue(UserClaim)!);

    /// <summary>The id of the logged-in member. Only for endpoints whose policy demands one.</summary>
    public static Guid MemberId(this ClaimsPrincipal principal) => Guid.Parse(principal.FindFirstValue(MemberClaim)!);

    /// <summary>The login that the user's or member's token comes from: its refresh tokens' family.</summary>
    public static Guid SessionId(this ClaimsPrincipal principal) => Guid.Parse(principal.FindFirstValue(SessionClaim)!);

    /// <summary>The tenant of the credential. Only for endpoints whose policy demands one.</summary>
    public static Guid TenantId(this ClaimsPrincipal principal) => Guid.Parse(principal.FindFirstValue(TenantClaim)!);

    /// <summary>Who acts, as events and logs name it: <c>user:…</c>, <c>member:…</c>, <c>key:…</c>, <c>operator</c> or <c>anonymous</c>.</summary>
    public static string Of(HttpContext http) => http.User switch
    {
        var u when u.FindFirstValue(UserClaim) is { } user => "user:" + user,
        var u when u.FindFirstValue(MemberClaim) is { } member => "member:" + member,
        var u when u.FindFirstValue(KeyClaim) is { } key => "key:" + key,
        var u when u.HasClaim(c => c.Type == OperatorClaim) => "operator",
        _ => Anonymous,
    };

    /// <summary>Wolverine middleware: what the session appends carries who did it and in which request.</summary>
    public static void Before(HttpContext http, IDocumentSession session)
    {
        session.LastModifiedBy = Of(http);
        session.CorrelationId = http.TraceIdentifier;
    }
}
