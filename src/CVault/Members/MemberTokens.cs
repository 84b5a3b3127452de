using CVault.Security;

namespace CVault.Members;

/// <summary>A member's tokens, for <c>/api/v1/tenant</c>.</summary>
[NeverLogged]
public sealed record MemberTokenView
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(MemberTokenView);

    public required Guid MemberId { get; init; }
    public required Guid TenantId { get; init; }

    /// <summary>JWT, for <c>Authorization: Bearer</c>.</summary>
    public required string AccessToken { get; init; }

    /// <summary>Good for one call of <c>tenant/auth/refresh</c>.</summary>
    public required string RefreshToken { get; init; }

    /// <summary>Seconds until the access token expires.</summary>
    public int ExpiresIn { get; init; } = (int)Tokens.AccessLifetime.TotalSeconds;
    public string TokenType { get; init; } = "Bearer";

    public static MemberTokenView Of(RefreshToken refresh, Tokens tokens) => new()
    {
        MemberId = refresh.Subject, TenantId = refresh.TenantId, RefreshToken = refresh.Secret,
        AccessToken = tokens.Issue(Audience.Member, refresh.Subject, refresh.TenantId, refresh.Family),
    };
}
