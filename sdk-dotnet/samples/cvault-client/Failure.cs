using CVault.Sdk;
using CVault.Sdk.Tunnel;

namespace CVault.Client;

/// <summary>How the process ends. Scripts rely on the numbers: a number keeps its meaning.</summary>
public static class ExitCodes
{
    public const int Done = 0;

    /// <summary>A fault of the client itself.</summary>
    public const int Unexpected = 1;

    /// <summary>The command line, or what was typed, is not right, or not now: a connection is there already.</summary>
    public const int Usage = 2;

    /// <summary>No API key and URL yet: <c>cvault-client configure</c>.</summary>
    public const int NotConfigured = 3;

    /// <summary>Nobody is signed in, or the email and password are wrong: <c>cvault-client login</c>.</summary>
    public const int NotSignedIn = 4;

    /// <summary>The API refused.</summary>
    public const int Refused = 5;

    /// <summary>The API could not be reached, or cannot do it now: try again.</summary>
    public const int Unreachable = 6;

    /// <summary>The tunnel could not be brought up, read or taken down.</summary>
    public const int Tunnel = 7;

    /// <summary>Interrupted.</summary>
    public const int Interrupted = 130;
}

/// <summary>Something that the user can mend. Holds no secret.</summary>
/// <param name="code">Stable, as the API's codes are.</param>
/// <param name="message">What is wrong.</param>
/// <param name="hint">What to do next.</param>
/// <param name="exitCode">How a command then ends.</param>
public sealed class ClientException(string code, string message, string? hint = null, int exitCode = ExitCodes.Usage) : Exception(message)
{
    public string Code { get; } = code;
    public string? Hint { get; } = hint;
    public int ExitCode { get; } = exitCode;

    public static ClientException NotConfigured() =>
        new("NOT_CONFIGURED", "The client does not know which API to use.", "Run: cvault-client configure", ExitCodes.NotConfigured);

    public static ClientException NotSignedIn() =>
        new("NOT_SIGNED_IN", "Nobody is signed in.", "Run: cvault-client login (or register)", ExitCodes.NotSignedIn);
}

/// <summary>Anything that went wrong, in the words that a user is shown, by a command and by the pages alike.</summary>
/// <param name="Code">The API's, the tunnel's or the client's own.</param>
/// <param name="Hint">What to do next; null where the message says it all.</param>
/// <param name="Errors">Field to messages, for <c>VALIDATION_FAILED</c>.</param>
/// <param name="RequestId">By which the API's operator finds the call.</param>
/// <param name="ExitCode">How a command then ends.</param>
public sealed record Failure(
    string Code, string Message, string? Hint, IReadOnlyDictionary<string, IReadOnlyList<string>>? Errors, string? RequestId, [property: System.Text.Json.Serialization.JsonIgnore] int ExitCode)
{
    /// <summary>For the log.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string InShort => RequestId is null ? Code : $"{Code}, request {RequestId}";

    public static Failure Of(Exception exception) => exception switch
    {
        ClientException e => new(e.Code, e.Message, e.Hint, null, null, e.ExitCode),
        CVaultException e => new(e.Code, e.Message, HintFor(e), e.Errors.Count > 0 ? e.Errors : null, e.RequestId, ExitCodeFor(e)),
        TunnelException e => new(e.Code, e.Message, HintFor(e), null, null, ExitCodes.Tunnel),
        OperationCanceledException => new("INTERRUPTED", "Interrupted.", null, null, null, ExitCodes.Interrupted),
        IOException or UnauthorizedAccessException => new("FILE_FAILED", exception.Message, "See to it that the client's folder can be written.", null, null, ExitCodes.Unexpected),
        // Its words are not known to hold no secret: the kind of it has to do.
        _ => new("UNEXPECTED", $"Something went wrong in the client ({exception.GetType().Name}).", "Its log may say more: cvault-client logs", null, null, ExitCodes.Unexpected),
    };

    private static string? HintFor(CVaultException e) => e.Code switch
    {
        CVaultErrorCodes.InvalidApiKey => "Ask the business for a publishable key (cvp_…) and run: cvault-client configure",
        CVaultErrorCodes.Unauthenticated => "Your sign-in has ended. Sign in again: cvault-client login",
        CVaultErrorCodes.InvalidCredentials => "Check both and try again.",
        CVaultErrorCodes.EmailTaken => "Sign in with it, or register another email.",
        CVaultErrorCodes.DeviceLimitExceeded => "Remove a device that you no longer use: cvault-client devices remove ID, or the settings page.",
        CVaultErrorCodes.BandwidthLimitExceeded => "It goes on next month, or when the business raises its limit.",
        CVaultErrorCodes.TenantSuspended or CVaultErrorCodes.EmailUnverified or CVaultErrorCodes.UserLimitExceeded => "Only the business whose key this is can change that.",
        CVaultErrorCodes.ServerUnavailable or CVaultErrorCodes.PoolExhausted => "Choose another region, or try again in some minutes.",
        CVaultErrorCodes.RateLimited => e.RetryAfter is { } wait ? $"Try again in {Math.Ceiling(wait.TotalSeconds):0} seconds." : "Try again in a minute.",
        CVaultErrorCodes.NetworkError => "Check the network and the API's URL (cvault-client configure), and try again.",
        CVaultErrorCodes.ServiceUnavailable or CVaultErrorCodes.InternalError => "It is not your fault. Try again in some minutes.",
        CVaultErrorCodes.InvalidToken => "Copy the whole code from the newest mail, or register again for another one.",
        CVaultErrorCodes.UnexpectedAnswer => "What answers at this URL seems to be no CVault API: cvault-client configure",
        _ => null,
    };

    private static string? HintFor(TunnelException e) => e.Code switch
    {
        TunnelErrorCodes.NotPermitted => OperatingSystem.IsWindows() ? "Run it as administrator." : "Run it as root, who has a folder and a sign-in of its own: sudo cvault-client …",
        TunnelErrorCodes.Timeout => "The server may be restarting, or UDP is blocked here. Try again, or choose another region.",
        _ => null,
    };

    private static int ExitCodeFor(CVaultException e) => e.Code switch
    {
        CVaultErrorCodes.Unauthenticated or CVaultErrorCodes.InvalidCredentials => ExitCodes.NotSignedIn,
        CVaultErrorCodes.NetworkError or CVaultErrorCodes.ServiceUnavailable or CVaultErrorCodes.InternalError
            or CVaultErrorCodes.RateLimited or CVaultErrorCodes.ServerUnavailable or CVaultErrorCodes.PoolExhausted => ExitCodes.Unreachable,
        CVaultErrorCodes.ValidationFailed => ExitCodes.Usage,
        _ => ExitCodes.Refused,
    };
}
