namespace CVault.Sdk;

/// <summary>What one call does differently from the client's options.</summary>
public sealed class RequestOptions
{
    /// <summary>How long one attempt may take.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>How many more attempts a failed one may be followed by.</summary>
    public int? MaxRetries { get; set; }

    /// <summary>
    /// The <c>Idempotency-Key</c> of a POST, at most 255 characters of ASCII without spaces; absent: a new UUID. Whoever repeats a call with the same key
    /// within 24 hours is answered as the first time, and nothing is done again.
    /// </summary>
    public string? IdempotencyKey { get; set; }
}
