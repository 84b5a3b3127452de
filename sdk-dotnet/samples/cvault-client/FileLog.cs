using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace CVault.Client;

/// <summary>One line of the log.</summary>
public sealed record LogLine(DateTimeOffset At, LogLevel Level, string Text);

/// <summary>
/// What the client did, for <c>cvault-client logs</c> and the dashboard: a line of JSON each in <c>client.log</c>. Whoever
/// writes here names events, regions, devices and error codes, never what was typed, sent or received. A megabyte, and one
/// before that, are kept. The SDK's attempts are written too where <c>CVAULT_CLIENT_DEBUG</c> is set.
/// </summary>
public sealed class FileLog(ClientFolder folder, TimeProvider time) : ILoggerProvider, ILogger
{
    private const string Name = "client.log";
    private const int Most = 1_000_000;
    private static readonly LogLevel Least = Environment.GetEnvironmentVariable("CVAULT_CLIENT_DEBUG") is { Length: > 0 } ? LogLevel.Debug : LogLevel.Information;

    private readonly Lock writing = new();

    public string Path => folder.PathOf(Name);

    public bool IsEnabled(LogLevel logLevel) => logLevel >= Least && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;
        // Of an exception its kind: the words of any are not known to hold no secret.
        var text = formatter(state, null) + (exception is null ? "" : $" ({exception.GetType().Name})");
        var line = JsonSerializer.SerializeToUtf8Bytes(new LogLine(time.GetUtcNow(), logLevel, text), Json.Options);
        lock (writing) Append(line);
    }

    /// <summary>The last lines of at least this level, oldest first.</summary>
    public IReadOnlyList<LogLine> Read(int lines, LogLevel least = LogLevel.Trace)
    {
        var found = new List<LogLine>();
        foreach (var path in new[] { Path + ".1", Path })
        {
            if (!File.Exists(path)) continue;
            using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            while (reader.ReadLine() is { } text)
            {
                if (Parse(text) is { } line && line.Level >= least) found.Add(line);
            }
        }

        return found.TakeLast(lines).ToArray();
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public void Dispose()
    {
    }

    private void Append(byte[] line)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                // Readers may share it; another process that writes waits here.
                using var file = new FileStream(Path, ClientFolder.Private(FileMode.Append, FileAccess.Write, FileShare.Read | FileShare.Delete));
                file.Write([.. line, (byte)'\n']);
                if (file.Length > Most) File.Move(Path, Path + ".1", overwrite: true);
                return;
            }
            catch (IOException)
            {
                if (attempt == 100) return; // A log that cannot be written stops nobody.
                Thread.Sleep(5);
            }
        }
    }

    /// <summary>Null for the half of a line that a crash left.</summary>
    private static LogLine? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<LogLine>(text, Json.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
