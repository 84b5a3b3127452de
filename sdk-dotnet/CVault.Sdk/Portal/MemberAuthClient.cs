namespace CVault.Sdk;

/// <summary>A new tenant, its owner signed in. The keys open nothing until the owner's email is verified.</summary>
public sealed class SignedUp
{
    /// <summary>The tenant's id.</summary>
    public Guid TenantId { get; set; }

    /// <summary>The owner's id.</summary>
    public Guid MemberId { get; set; }

    /// <summary>The secret key's id.</summary>
    public string ApiKey { get; set; } = "";

    /// <summary>Its secret, this once: it cannot be shown again.</summary>
    public string ApiSecret { get; set; } = "";

    /// <summary>The key for apps.</summary>
    public string PublishableKey { get; set; } = "";

    /// <summary>False until the owner has followed the mail.</summary>
    public bool EmailVerified { get; set; }

    /// <summary>Shows no secret.</summary>
    public override string ToString() => nameof(SignedUp) + " " + TenantId;
}

/// <summary>Who was signed in. The tokens are in the store.</summary>
public sealed class SignedInMember
{
    /// <summary>The member's id.</summary>
    public Guid MemberId { get; set; }

    /// <summary>Their tenant's id.</summary>
    public Guid TenantId { get; set; }

    /// <summary>Seconds until the access token expires; the client renews it by itself.</summary>
    public int ExpiresIn { get; set; }
}

/// <summary>The member who asks.</summary>
public sealed class Me
{
    /// <summary>The member's id.</summary>
    public Guid MemberId { get; set; }

    /// <summary>Null where it cannot be read.</summary>
    public string? Email { get; set; }

    /// <summary><c>owner</c>, <c>admin</c>, <c>developer</c>, <c>billing</c> or <c>read_only</c>.</summary>
    public string Role { get; set; } = "";

    /// <summary>Their tenant's id.</summary>
    public Guid TenantId { get; set; }

    /// <summary>What it is called.</summary>
    public string TenantName { get; set; } = "";

    /// <summary>False until the mail of the sign-up was followed; until then members may only read.</summary>
    public bool EmailVerified { get; set; }
}

/// <summary>The member's login. It is renewed as needed.</summary>
public sealed class MemberAuthClient
{
    private const string Root = "/api/v1/tenant/auth/";
    private readonly Api api;

    internal MemberAuthClient(Api api) => this.api = api;

    /// <summary><c>POST /api/v1/tenant/auth/signup</c>: a new tenant, with its first keys and its owner signed in.</summary>
    /// <param name="businessName">What it is called.</param>
    /// <param name="email">The owner's.</param>
    /// <param name="password">8 to 128 characters, not one of the most common.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>EMAIL_TAKEN</c>.</exception>
    public async Task<SignedUp> SignUpAsync(string businessName, string email, string password, RequestOptions? options = null, CancellationToken cancellationToken = default)
    {
        var tokens = await api.SignInAsync(Call.Post(Root + "signup", new NewTenant(businessName, email, password), Json.Default.NewTenant), options, cancellationToken).ConfigureAwait(false);
        return new SignedUp
        {
            TenantId = tokens.TenantId ?? default, MemberId = tokens.MemberId ?? default, ApiKey = tokens.ApiKey ?? "", ApiSecret = tokens.ApiSecret ?? "",
            PublishableKey = tokens.PublishableKey ?? "", EmailVerified = tokens.EmailVerified ?? false,
        };
    }

    /// <summary><c>POST /api/v1/tenant/auth/login</c>.</summary>
    /// <param name="email">The member's.</param>
    /// <param name="password">The member's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_CREDENTIALS</c>, <c>RATE_LIMITED</c> after too many attempts.</exception>
    public Task<SignedInMember> LoginAsync(string email, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post(Root + "login", new EmailAndPassword(email, password), Json.Default.EmailAndPassword), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/invitations/accept</c>: a new member, signed in.</summary>
    /// <param name="token">The mail's.</param>
    /// <param name="password">8 to 128 characters, not one of the most common.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_TOKEN</c>, <c>VALIDATION_FAILED</c>.</exception>
    public Task<SignedInMember> AcceptInvitationAsync(string token, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post(Root + "invitations/accept", new PasswordReset(token, password), Json.Default.PasswordReset), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/logout</c>: ends the login and empties the store, whatever the API says.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task LogoutAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SignOutAsync(_ => Call.Post(Root + "logout").AsUser(), options, cancellationToken);

    /// <summary><c>GET /api/v1/tenant/me</c>: who is signed in.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<Me> MeAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/tenant/me").AsUser(), Json.Default.Me, options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/verify</c>: the mail's token proves that the email is the member's.</summary>
    /// <param name="token">The mail's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_TOKEN</c>.</exception>
    public Task VerifyEmailAsync(string token, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root + "verify", new OneTimeToken(token), Json.Default.OneTimeToken), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/verify/resend</c>: the mail again.</summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task ResendVerificationAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root + "verify/resend").AsUser(), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/password</c>: another password. The member's other logins end, and this one has new tokens.</summary>
    /// <param name="currentPassword">As it is now.</param>
    /// <param name="newPassword">As it will be.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_CREDENTIALS</c>, <c>VALIDATION_FAILED</c>.</exception>
    public Task<SignedInMember> ChangePasswordAsync(string currentPassword, string newPassword, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post(Root + "password", new PasswordChange(currentPassword, newPassword), Json.Default.PasswordChange).AsUser(), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/password/forgot</c>: a mail with a token, if the email is a member's. The answer is the same if it is not.</summary>
    /// <param name="email">The member's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task ForgotPasswordAsync(string email, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root + "password/forgot", new EmailBody(email), Json.Default.EmailBody), options, cancellationToken);

    /// <summary><c>POST /api/v1/tenant/auth/password/reset</c>: another password by the mail's token. All of the member's logins end.</summary>
    /// <param name="token">The mail's.</param>
    /// <param name="password">As it will be.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_TOKEN</c>, <c>VALIDATION_FAILED</c>.</exception>
    public Task ResetPasswordAsync(string token, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post(Root + "password/reset", new PasswordReset(token, password), Json.Default.PasswordReset), options, cancellationToken);

    /// <summary>The login as the store has it, without asking the API; null when nobody is signed in.</summary>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public Task<CVaultSession?> SessionAsync(CancellationToken cancellationToken = default) => api.SessionAsync(cancellationToken);

    private async Task<SignedInMember> SignInAsync(Call call, RequestOptions? options, CancellationToken cancellationToken)
    {
        var tokens = await api.SignInAsync(call, options, cancellationToken).ConfigureAwait(false);
        return new SignedInMember { MemberId = tokens.MemberId ?? default, TenantId = tokens.TenantId ?? default, ExpiresIn = tokens.ExpiresIn ?? 0 };
    }
}
