using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using CVault.Security;
using Serilog;
using Serilog.Context;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting;
using Serilog.Formatting.Compact;
using Serilog.Formatting.Display;
using Wolverine;

namespace CVault.Api;

/// <summary>
/// What the process logs, to standard output. <c>CVAULT_LOG_FORMAT</c>: <c>text</c> (in Development) or <c>json</c> (else): one
/// line an event, with the request or message that it belongs to. Which events there are is for <c>Logging:LogLevel</c> to say.
/// </summary>
public static partial class Logging
{
    /// <summary>The property, and in JSON the member, that names the request or message that a line belongs to.</summary>
    public const string Request = "Request";

    public static void AddLines(this WebApplicationBuilder builder)
    {
        var json = (builder.Configuration["CVAULT_LOG_FORMAT"] ?? (builder.Environment.IsDevelopment() ? "text" : "json")) == "json";
        builder.Logging.ClearProviders();
        // As a provider, not by AddSerilog, which would lift Logging:LogLevel.
        builder.Logging.AddProvider(new SerilogLoggerProvider(Logger(json ? new RenderedCompactJsonFormatter() : new TextLines()), dispose: true));
    }

    /// <summary>The whole way of an event but for its end, so that tests see what a log would.</summary>
    public static Logger Logger(ITextFormatter formatter, TextWriter? output = null)
    {
        var configuration = new LoggerConfiguration().MinimumLevel.Verbose().Enrich.FromLogContext().Destructure.With<NeverLogged>();
        var masked = new Masked(formatter);
        return (output is null ? configuration.WriteTo.Console(masked) : configuration.WriteTo.Sink(new To(masked, output))).CreateLogger();
    }

    /// <summary>Lines of a request name it, and one tells how it ended: never its query, which may hold anything.</summary>
    public static void UseRequestLines(this WebApplication app)
    {
        var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("CVault.Api.Requests");
        app.Use(async (http, next) =>
        {
            using var _ = LogContext.PushProperty(Request, http.TraceIdentifier);
            if (http.Request.Path.StartsWithSegments("/health"))
            {
                await next(http);
                return;
            }

            var time = http.RequestServices.GetRequiredService<TimeProvider>();
            var started = time.GetTimestamp();
            try
            {
                await next(http);
            }
            finally
            {
                logger.LogInformation("{Method} {Route} {Status} in {Milliseconds} ms, tenant {Tenant}",
                    http.Request.Method, (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(none)", http.Response.StatusCode, (long)time.GetElapsedTime(started).TotalMilliseconds,
                    http.User.FindFirst(Actor.TenantClaim)?.Value ?? "-");
            }
        });
    }

    /// <summary>Every change that the operator made is a security event.</summary>
    public static void UseOperatorLines(this WebApplication app)
    {
        var log = app.Services.GetRequiredService<SecurityLog>();
        app.Use(async (http, next) =>
        {
            await next(http);
            if (!http.Request.Path.StartsWithSegments("/admin") || HttpMethods.IsGet(http.Request.Method) || http.Response.StatusCode >= 400) return;
            (string, object?)[] ids = [.. http.Request.RouteValues.Where(v => v.Value is string text && Guid.TryParse(text, out Guid _)).Select(v => (v.Key, (object?)Guid.Parse((string)v.Value!)))];
            log.Write(SecurityEvent.OperatorAction, http, [("action", $"{http.Request.Method} {(http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText}"), .. ids, ("status", http.Response.StatusCode)]);
        });
    }

    /// <summary>As the console logger of .NET writes with one line an event, which <c>ops/lib/tests.sh</c> reads: time, level, category, event id, text; then the request.</summary>
    private sealed class TextLines : ITextFormatter
    {
        private readonly MessageTemplateTextFormatter text = new("{Message:l}", CultureInfo.InvariantCulture);

        public void Format(LogEvent logEvent, TextWriter output)
        {
            using var message = new StringWriter(CultureInfo.InvariantCulture);
            text.Format(logEvent, message);
            if (logEvent.Exception is { } exception) message.Write(" " + exception);
            var level = logEvent.Level switch
            {
                LogEventLevel.Verbose => "trce", LogEventLevel.Debug => "dbug", LogEventLevel.Information => "info", LogEventLevel.Warning => "warn", LogEventLevel.Error => "fail", _ => "crit",
            };
            var id = logEvent.Properties.GetValueOrDefault("EventId") is StructureValue structure ? structure.Properties.FirstOrDefault(p => p.Name == "Id")?.Value.ToString() : null;
            output.Write($"{logEvent.Timestamp.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)} {level}: ");
            output.Write($"{Text(logEvent, Constants.SourceContextPropertyName)}[{id ?? "0"}] {message.ToString().ReplaceLineEndings(" ")}");
            if (Text(logEvent, Request) is { Length: > 0 } request) output.Write($" [{request}]");
            output.Write('\n');
        }

        private static string Text(LogEvent logEvent, string property) => logEvent.Properties.GetValueOrDefault(property) is ScalarValue { Value: string text } ? text : "";
    }

    /// <summary>Values of types that are never logged, and the bodies of requests, wherever an event holds them taken apart.</summary>
    private sealed class NeverLogged : IDestructuringPolicy
    {
        private static readonly ConcurrentDictionary<Type, bool> Known = new();

        public bool TryDestructure(object value, ILogEventPropertyValueFactory propertyValueFactory, [NotNullWhen(true)] out LogEventPropertyValue? result)
        {
            result = Known.GetOrAdd(value.GetType(), type => type.GetCustomAttribute<NeverLoggedAttribute>() is not null || Services.Bodies.Contains(type)) ? new ScalarValue("***") : null;
            return result is not null;
        }
    }

    /// <summary>
    /// The last net: what has the form of a secret of ours, in whatever text it came (an exception of somebody else's that
    /// quotes what it could not read), is masked as it leaves. Our own secrets are made to be known by their beginning.
    /// </summary>
    private sealed partial class Masked(ITextFormatter inner) : ITextFormatter
    {
        public void Format(LogEvent logEvent, TextWriter output)
        {
            using var line = new StringWriter(CultureInfo.InvariantCulture);
            inner.Format(logEvent, line);
            output.Write(Secrets().Replace(line.ToString(), found => found.Groups["kept"].Value + "***"));
        }

        [GeneratedRegex(@"(?<kept>\bcv[a-z]_)(?<=cv[^kp]_)[A-Za-z0-9_-]{12,}|(?<kept>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+|(?<kept>(Private|Preshared)Key ?= ?)[A-Za-z0-9+/=]+|(?<kept>-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]+")]
        private static partial Regex Secrets();
    }

    private sealed class To(ITextFormatter formatter, TextWriter output) : ILogEventSink
    {
        public void Emit(LogEvent logEvent) => formatter.Format(logEvent, output);
    }

    /// <summary>The text lines' form, for tests.</summary>
    public static ITextFormatter Text => new TextLines();
}

/// <summary>Wolverine middleware: lines of a message's handler name the request that it came of.</summary>
public static class MessageLines
{
    public static IDisposable Before(Envelope envelope) => LogContext.PushProperty(Logging.Request, envelope.CorrelationId ?? envelope.Id.ToString());

    public static void Finally(IDisposable lines) => lines.Dispose();
}
