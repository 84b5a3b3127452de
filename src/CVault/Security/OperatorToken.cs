using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace CVault.Security;

/// <summary>The operator token: <c>Authorization: Bearer</c>, compared in constant time.</summary>
public sealed class OperatorAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, OperatorToken token, AttemptLimits attempts)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "Operator";

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return AuthenticateResult.NoResult();
        var limited = attempts.OperatorBlocked(Context);
        if (limited is null && token.Matches(header["Bearer ".Length..].Trim()))
        {
            var identity = new ClaimsIdentity([new Claim(Actor.OperatorClaim, "true")], SchemeName);
            return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), SchemeName));
        }

        limited ??= await attempts.OperatorFailedAsync(Context);
        if (limited is not null) Context.Items[Authentication.ProblemItem] = limited;
        return AuthenticateResult.Fail("operator token");
    }
}

/// <summary>The secret of whoever runs CVault. At least 32 characters.</summary>
[NeverLogged]
public sealed class OperatorToken
{
    private readonly byte[] hash;

    public OperatorToken(string token)
    {
        if (token.Length < 32) throw new ArgumentException("The operator token has at least 32 characters. Make one with: openssl rand -base64 32", nameof(token));
        hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
    }

    public bool Matches(string candidate) => CryptographicOperations.FixedTimeEquals(hash, SHA256.HashData(Encoding.UTF8.GetBytes(candidate)));
}
