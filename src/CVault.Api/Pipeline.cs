using System.Text.Json;
using CVault.Projections.Billing;
using CVault.Security;
using JasperFx;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using Npgsql;

namespace CVault.Api;

/// <summary>What surrounds every request.</summary>
public static class Pipeline
{
    /// <summary><c>X-Request-Id</c>: the caller's, when it is sane, else one of ours; on every answer and in every log line.</summary>
    public static void UseRequestIds(this WebApplication app) => app.Use(async (http, next) =>
    {
        var given = http.Request.Headers["X-Request-Id"].ToString();
        http.TraceIdentifier = given.Length is > 0 and <= 128 && given.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? given : Guid.CreateVersion7().ToString();
        // At the very end: an exception's handler clears what was set before.
        http.Response.OnStarting(() =>
        {
            http.Response.Headers["X-Request-Id"] = http.TraceIdentifier;
            return Task.CompletedTask;
        });
        await next(http);
    });

    /// <summary>The body of a POST is read twice: by the endpoint and for the idempotency key's comparison.</summary>
    public static void UseBufferedPosts(this WebApplication app) => app.Use((http, next) =>
    {
        if (HttpMethods.IsPost(http.Request.Method) && http.Request.Headers.ContainsKey("Idempotency-Key")) http.Request.EnableBuffering();
        return next(http);
    });

    public static void AddProblems(this IServiceCollection services) => services
        .AddSingleton<IProblemDetailsWriter, ProblemWriter>() // before the framework's own
        .AddExceptionHandler<ProblemHandler>()
        .AddProblemDetails();

    /// <summary>
    /// A path that is none answers 404, and a method or media type that a path does not take 405 or 415, whoever asks;
    /// routing has made endpoints of the latter, which name no policy and would be refused as such.
    /// </summary>
    public static void UseUnroutedAnswers(this WebApplication app) => app.Use((http, next) =>
    {
        var endpoint = http.GetEndpoint();
        // No id is all zeros, and Marten refuses to look for one.
        if (http.Request.RouteValues.Values.Any(v => v is string text && Guid.TryParse(text, out var id) && id == Guid.Empty)) endpoint = null;
        if (endpoint is null) return new ProblemResult(Problems.NotFound()).ExecuteAsync(http);
        return endpoint is not RouteEndpoint && endpoint.RequestDelegate is { } answer ? answer(http) : next(http);
    });

    public static void UseProblems(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(context => new ProblemResult(Problems.OfStatus(context.HttpContext.Response.StatusCode)).ExecuteAsync(context.HttpContext));
    }

    /// <summary>
    /// Problems that the framework writes: in our form, without its trace id or a type's name, and whatever the caller accepts;
    /// the framework's own writer leaves a problem as it is for those who do not ask for JSON.
    /// </summary>
    private sealed class ProblemWriter : IProblemDetailsWriter
    {
        public bool CanWrite(ProblemDetailsContext context) => true;

        public async ValueTask WriteAsync(ProblemDetailsContext context)
        {
            var problem = context.ProblemDetails;
            if (!problem.Extensions.ContainsKey("code"))
            {
                // A parameter of the query that Wolverine could not read.
                problem = problem is { Status: 400 } && problem.Extensions.TryGetValue("parameter", out var name) && name is string parameter
                    ? Problems.Validation((parameter, "Its type or form is wrong: /docs shows it."))
                    : Problems.OfStatus(problem.Status ?? 500);
            }

            await new ProblemResult(problem).ExecuteAsync(context.HttpContext);
        }
    }

    /// <summary>From what went wrong to what the caller is told: a stable code, and nothing of the inside.</summary>
    private sealed class ProblemHandler(NpgsqlDataSource database, ILogger<ProblemHandler> logger) : IExceptionHandler
    {
        public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
        {
            if (exception is OperationCanceledException && httpContext.RequestAborted.IsCancellationRequested) return true;
            var problem = ProblemOf(exception);
            // A value that PostgreSQL refused to bind should have been refused before; no connection that saw it is kept.
            if (exception.GetBaseException() is PostgresException { SqlState: ['2', '2', ..] }) database.Clear();
            if (problem.Status >= 500 && exception is not ProblemException)
            {
                logger.LogError(problem.Status == 500 ? exception : null, "{Method} {Path} failed, request {RequestId}: {Kind}",
                    httpContext.Request.Method, httpContext.Request.Path, httpContext.TraceIdentifier, exception.GetBaseException().GetType().Name);
            }

            await new ProblemResult(problem).ExecuteAsync(httpContext);
            return true;
        }

        private static ProblemDetails ProblemOf(Exception exception)
        {
            for (var e = exception; e is not null; e = e.InnerException)
            {
                switch (e)
                {
                    case ProblemException known: return known.Problem;
                    case JsonException: return Problems.Validation(("body", "The body is not the JSON that this endpoint takes."));
                    case BadHttpRequestException bad: return Problems.OfStatus(bad.StatusCode);
                    case PostgresException { ConstraintName: { } constraint } when Configuration.ProblemOf(constraint) is { } rule: return rule;
                    case PostgresException { SqlState: "22021" or "22P05" }: return Problems.Validation(("body", "A text holds a character that cannot be stored."));
                    case PostgresException { SqlState: "40001" or "40P01" }: return Problems.Conflict("Another request changed the same thing. Try again.");
                    case PostgresException { SqlState: { } state } when state.StartsWith("57P", StringComparison.Ordinal) || state.StartsWith("53", StringComparison.Ordinal) || state.StartsWith("08", StringComparison.Ordinal):
                    case NpgsqlException and not PostgresException:
                    case System.Net.Sockets.SocketException:
                    case TimeoutException:
                    case NullReferenceException { Source: "Npgsql" }: // What its reader does when a backend dies while it reads.
                        return Problems.DatabaseUnavailable();
                    case UsageBehindException: return Problems.UsageBehind();
                    case ConcurrencyException: return Problems.Conflict("Another request changed the same thing. Try again.");
                }
            }

            return Problems.Internal();
        }
    }
}
