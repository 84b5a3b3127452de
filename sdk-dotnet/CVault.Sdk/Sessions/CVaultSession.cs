namespace CVault.Sdk;

/// <summary>A login, as an <see cref="ITokenStore"/> keeps it. Whoever has it is the user.</summary>
public sealed class CVaultSession
{
    /// <summary>The user's id; in a member client the member's.</summary>
    public Guid UserId { get; set; }

    /// <summary>For <c>Authorization: Bearer</c>; good for some minutes.</summary>
    public string AccessToken { get; set; } = "";

    /// <summary>Good for one refresh.</summary>
    public string RefreshToken { get; set; } = "";

    /// <summary>When the access token expires, by this machine's clock.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    /// <summary>
    /// The idempotency key of the next refresh, so that it is one to the API whoever of those that share the login makes it, and
    /// however often. The SDK makes one where there is none.
    /// </summary>
    public string? RefreshKey { get; set; }

    /// <summary>Shows no token.</summary>
    public override string ToString() => nameof(CVaultSession) + " of " + UserId;
}
