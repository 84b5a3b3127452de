namespace CVault.Sdk;

/// <summary>The known values of <see cref="CVaultException.Code"/>.</summary>
public static class CVaultErrorCodes
{
    /// <summary>The SDK's own: no answer, or none that could be read.</summary>
    public const string NetworkError = "NETWORK_ERROR";

    /// <summary>The SDK's own: an answer that the API does not give, as of a proxy or a redirect.</summary>
    public const string UnexpectedAnswer = "UNEXPECTED_ANSWER";

    /// <summary>401: the API key or secret is missing, unknown or revoked.</summary>
    public const string InvalidApiKey = "INVALID_API_KEY";

    /// <summary>401: nobody is signed in, or no longer.</summary>
    public const string Unauthenticated = "UNAUTHENTICATED";

    /// <summary>401: the email or the password is wrong.</summary>
    public const string InvalidCredentials = "INVALID_CREDENTIALS";

    /// <summary>403: this credential may not do that.</summary>
    public const string Forbidden = "FORBIDDEN";

    /// <summary>403: pages of this origin may not use this key.</summary>
    public const string OriginNotAllowed = "ORIGIN_NOT_ALLOWED";

    /// <summary>403: the business's account is suspended.</summary>
    public const string TenantSuspended = "TENANT_SUSPENDED";

    /// <summary>403: the business's owner has yet to verify their email.</summary>
    public const string EmailUnverified = "EMAIL_UNVERIFIED";

    /// <summary>403: the business has as many users as its plan allows.</summary>
    public const string UserLimitExceeded = "USER_LIMIT_EXCEEDED";

    /// <summary>403: the business has moved as many bytes this month as its plan allows.</summary>
    public const string BandwidthLimitExceeded = "BANDWIDTH_LIMIT_EXCEEDED";

    /// <summary>403: the user has as many devices as the business allows.</summary>
    public const string DeviceLimitExceeded = "DEVICE_LIMIT_EXCEEDED";

    /// <summary>403: the API is spoken to by https only.</summary>
    public const string HttpsRequired = "HTTPS_REQUIRED";

    /// <summary>400: <see cref="CVaultException.Errors"/> says what is wrong with each field.</summary>
    public const string ValidationFailed = "VALIDATION_FAILED";

    /// <summary>400: a mail's token that was used already, has expired or is none.</summary>
    public const string InvalidToken = "INVALID_TOKEN";

    /// <summary>404: there is no such thing, or it is another's.</summary>
    public const string NotFound = "NOT_FOUND";

    /// <summary>409: the thing is not in a state for that.</summary>
    public const string Conflict = "CONFLICT";

    /// <summary>409: this email cannot be registered.</summary>
    public const string EmailTaken = "EMAIL_TAKEN";

    /// <summary>409: a tenant always keeps one owner.</summary>
    public const string LastOwner = "LAST_OWNER";

    /// <summary>422: the idempotency key was used with another body.</summary>
    public const string IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED";

    /// <summary>429: too many requests.</summary>
    public const string RateLimited = "RATE_LIMITED";

    /// <summary>500: something went wrong in the API.</summary>
    public const string InternalError = "INTERNAL_ERROR";

    /// <summary>503: the API cannot reach what it needs.</summary>
    public const string ServiceUnavailable = "SERVICE_UNAVAILABLE";

    /// <summary>503: no VPN server can take the device now.</summary>
    public const string ServerUnavailable = "SERVER_UNAVAILABLE";

    /// <summary>503: every server that could take the device is full.</summary>
    public const string PoolExhausted = "POOL_EXHAUSTED";

    /// <summary>503: the business's identity provider cannot be reached.</summary>
    public const string IssuerUnavailable = "ISSUER_UNAVAILABLE";

    /// <summary>503: the API cannot make PDFs; the same can be had as JSON.</summary>
    public const string PdfUnavailable = "PDF_UNAVAILABLE";
}
