namespace CVault.Security;

/// <summary>Who may call an endpoint. Every endpoint names one of these or says <c>[AllowAnonymous]</c>; what names none is refused.</summary>
public static class Policies
{
    /// <summary>Whoever runs CVault: <c>Authorization: Bearer</c> with the operator token.</summary>
    public const string Operator = "operator";

    /// <summary>A tenant's server (key and secret) or its app (publishable key alone).</summary>
    public const string ApiKey = "api-key";

    /// <summary>A tenant's server alone: key and secret.</summary>
    public const string SecretKey = "secret-key";

    /// <summary>A logged-in user, with an API key of the same tenant beside the token.</summary>
    public const string User = "user";

    /// <summary>A logged-in user; an API key beside the token is not needed, but must be the tenant's if it is sent.</summary>
    public const string UserToken = "user-token";

    /// <summary>A logged-in member of the tenant, for what concerns none but themselves.</summary>
    public const string Member = "member";

    /// <summary>A logged-in member of a tenant whose owner's email is verified.</summary>
    public const string VerifiedMember = "verified-member";

    /// <summary>Who may see what a tenant pays: its server (key and secret), and members who may read billing.</summary>
    public const string Billing = "billing";

    /// <summary>An API key or a logged-in user.</summary>
    public const string Any = "any";
}
