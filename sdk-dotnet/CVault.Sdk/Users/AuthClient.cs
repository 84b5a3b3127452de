namespace CVault.Sdk;

/// <summary>What became of a registration or sign-in. The tokens are in the store.</summary>
public sealed class AuthResult
{
    /// <summary>The user; null when nobody is signed in yet.</summary>
    public Guid? UserId { get; set; }

    /// <summary><c>signed_in</c>, or <c>verification_sent</c>: a mail is on its way, and <see cref="AuthClient.VerifyAsync"/> takes its token.</summary>
    public string Status { get; set; } = "";

    /// <summary>Seconds until the access token expires; the client renews it by itself.</summary>
    public int? ExpiresIn { get; set; }
}

/// <summary>An outcome in a word, such as <c>reset_sent</c>.</summary>
public sealed class Outcome
{
    /// <summary>The word.</summary>
    public string Status { get; set; } = "";
}

/// <summary>The login of the user for whom the client acts. It is renewed as needed.</summary>
public class AuthClient
{
    internal AuthClient(Api api) => Api = api;

    internal Api Api { get; }

    /// <summary><c>POST /api/v1/auth/register</c>: a new user, signed in unless the tenant has emails verified first.</summary>
    /// <param name="email">At most 254 characters.</param>
    /// <param name="password">8 to 128 characters, not one of the most common.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>EMAIL_TAKEN</c>, <c>USER_LIMIT_EXCEEDED</c>.</exception>
    public Task<AuthResult> RegisterAsync(string email, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post("/api/v1/auth/register", new EmailAndPassword(email, password), Json.Default.EmailAndPassword), options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/verify</c>: with the mail's token the user is made, and signed in.</summary>
    /// <param name="token">The mail's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c> for a token that is unknown, used or expired.</exception>
    public Task<AuthResult> VerifyAsync(string token, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post("/api/v1/auth/verify", new OneTimeToken(token), Json.Default.OneTimeToken), options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/login</c>.</summary>
    /// <param name="email">The user's.</param>
    /// <param name="password">The user's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_CREDENTIALS</c>, <c>RATE_LIMITED</c> after too many attempts.</exception>
    public Task<AuthResult> LoginAsync(string email, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post("/api/v1/auth/login", new EmailAndPassword(email, password), Json.Default.EmailAndPassword), options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/oidc</c>: signs in by an ID token of the tenant's identity provider.</summary>
    /// <param name="idToken">As the provider gave it.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_CREDENTIALS</c>, <c>ISSUER_UNAVAILABLE</c>.</exception>
    public Task<AuthResult> OidcAsync(string idToken, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post("/api/v1/auth/oidc", new IdToken(idToken), Json.Default.IdToken), options, cancellationToken);

    /// <summary>
    /// <c>POST /api/v1/auth/logout</c>: ends the login and empties the store. The store is emptied whatever the API says, and nothing
    /// but cancelling makes it fail.
    /// </summary>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task LogoutAsync(RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Api.SignOutAsync(session => Call.Post("/api/v1/auth/logout", new RefreshTokenBody(session.RefreshToken), Json.Default.RefreshTokenBody), options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/password</c>: another password for the signed-in user. Their other logins end.</summary>
    /// <param name="currentPassword">As it is now.</param>
    /// <param name="newPassword">As it will be.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>INVALID_CREDENTIALS</c>, <c>VALIDATION_FAILED</c>.</exception>
    public Task<Outcome> ChangePasswordAsync(string currentPassword, string newPassword, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Api.SendAsync(Call.Post("/api/v1/auth/password", new PasswordChange(currentPassword, newPassword), Json.Default.PasswordChange).AsUser(), Json.Default.Outcome, options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/password/forgot</c>: a mail with a token, if the email is a user's. The answer is the same if it is not.</summary>
    /// <param name="email">The user's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<Outcome> ForgotPasswordAsync(string email, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Api.SendAsync(Call.Post("/api/v1/auth/password/forgot", new EmailBody(email), Json.Default.EmailBody), Json.Default.Outcome, options, cancellationToken);

    /// <summary><c>POST /api/v1/auth/password/reset</c>: another password by the mail's token. All of the user's logins end.</summary>
    /// <param name="token">The mail's.</param>
    /// <param name="password">As it will be.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, for the token too.</exception>
    public Task<Outcome> ResetPasswordAsync(string token, string password, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Api.SendAsync(Call.Post("/api/v1/auth/password/reset", new PasswordReset(token, password), Json.Default.PasswordReset), Json.Default.Outcome, options, cancellationToken);

    /// <summary>The login as the store has it, without asking the API; null when nobody is signed in.</summary>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public Task<CVaultSession?> SessionAsync(CancellationToken cancellationToken = default) => Api.SessionAsync(cancellationToken);

    private protected async Task<AuthResult> SignInAsync(Call call, RequestOptions? options, CancellationToken cancellationToken)
    {
        var tokens = await Api.SignInAsync(call, options, cancellationToken).ConfigureAwait(false);
        return tokens.AccessToken is null
            ? new AuthResult { Status = tokens.Status ?? "" }
            : new AuthResult { UserId = tokens.UserId, Status = "signed_in", ExpiresIn = tokens.ExpiresIn };
    }
}

/// <summary><see cref="AuthClient"/>, and what needs the secret key.</summary>
public sealed class ServerAuthClient : AuthClient
{
    internal ServerAuthClient(Api api) : base(api) { }

    /// <summary><c>POST /api/v1/auth/external</c>: signs in a user whom the tenant's server knows already; one who comes for the first time is made.</summary>
    /// <param name="externalUserId">The tenant's own id of the user: 1 to 255 characters.</param>
    /// <param name="email">To be shown, for a new user; nobody signs in by it.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>USER_LIMIT_EXCEEDED</c>.</exception>
    public Task<AuthResult> ExternalAsync(string externalUserId, string? email = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        SignInAsync(Call.Post("/api/v1/auth/external", new ExternalUser(externalUserId, email), Json.Default.ExternalUser), options, cancellationToken);
}
