using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault.Security;

/// <summary>Writes a problem as <c>application/problem+json</c> with the request's id.</summary>
public sealed class ProblemResult(ProblemDetails problem) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = problem.Status ?? 500;
        if (response.StatusCode is 429 or 503 && response.Headers.RetryAfter.Count == 0) response.Headers.RetryAfter = "2";
        if (response.StatusCode == 401) response.Headers.WWWAuthenticate = "Bearer";
        problem.Extensions["request_id"] = httpContext.TraceIdentifier;
        await response.WriteAsJsonAsync(problem, Reply.Json, "application/problem+json", httpContext.RequestAborted);
    }
}
