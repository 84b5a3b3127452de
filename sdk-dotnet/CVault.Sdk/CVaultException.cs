namespace CVault.Sdk;

/// <summary>A call that failed. Cancelling one throws <see cref="OperationCanceledException"/> instead.</summary>
public sealed class CVaultException : Exception
{
    /// <summary>For code that tests how it deals with errors.</summary>
    /// <param name="code">As in <see cref="CVaultErrorCodes"/>.</param>
    /// <param name="message">In words.</param>
    /// <param name="innerException">What it came from.</param>
    public CVaultException(string code, string message, Exception? innerException = null) : base(message, innerException) => Code = code;

    /// <summary>The API's stable code, or <c>NETWORK_ERROR</c> or <c>UNEXPECTED_ANSWER</c>. New ones may come: compare, do not enumerate.</summary>
    public string Code { get; }

    /// <summary>The answer's HTTP status; 0 when there was none.</summary>
    public int Status { get; init; }

    /// <summary>By which the API's operator finds the call in the log.</summary>
    public string? RequestId { get; init; }

    /// <summary>What is wrong with each field, by the field's name on the wire; empty but for <c>VALIDATION_FAILED</c>.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Errors { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>How long the API asks to be left alone; null when it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A <c>NETWORK_ERROR</c> that came of waiting too long.</summary>
    public bool TimedOut { get; init; }
}
