using System.Globalization;

namespace CVault.Sdk;

/// <summary>One attempt of one call, for a debug log.</summary>
public sealed class CVaultLogEntry
{
    internal CVaultLogEntry(string method, string path, int attempt, int status, string? requestId, TimeSpan elapsed, string? failure)
    {
        (Method, Path, Attempt, Status, RequestId, Elapsed, Failure) = (method, path, attempt, status, requestId, elapsed, failure);
    }

    /// <summary>As in <c>POST</c>.</summary>
    public string Method { get; }

    /// <summary>As in <c>/api/v1/devices</c>, without query.</summary>
    public string Path { get; }

    /// <summary>1 for the first.</summary>
    public int Attempt { get; }

    /// <summary>The answer's; 0 when there was none.</summary>
    public int Status { get; }

    /// <summary>The answer's <c>X-Request-Id</c>.</summary>
    public string? RequestId { get; }

    /// <summary>How long it took.</summary>
    public TimeSpan Elapsed { get; }

    /// <summary>The name of what went wrong where there was no answer; else null.</summary>
    public string? Failure { get; }

    /// <summary>All of it on one line.</summary>
    public override string ToString() => string.Format(
        CultureInfo.InvariantCulture, "{0} {1} {2} {3:0} ms attempt {4} {5}", Method, Path, Failure ?? Status.ToString(CultureInfo.InvariantCulture), Elapsed.TotalMilliseconds, Attempt, RequestId ?? "-");
}
