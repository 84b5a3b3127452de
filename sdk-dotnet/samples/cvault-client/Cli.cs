using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace CVault.Client;

/// <summary>What a command works with.</summary>
public sealed record CommandContext(ParseResult Parsed, Terminal Terminal, DemoClient Client, FileLog Log, bool AsJson, CancellationToken Cancellation)
{
    /// <summary>The answer: lines for people, or with <c>--json</c> the value.</summary>
    public void Answer<T>(T value, params IEnumerable<string> lines)
    {
        if (AsJson) Terminal.Output.WriteLine(JsonSerializer.Serialize(value, Json.Indented));
        else foreach (var line in lines) Terminal.Output.WriteLine(line);
    }
}

/// <summary>The command line: which commands there are, and how all of them end (<see cref="ExitCodes"/>).</summary>
/// <param name="home">The folder to keep things in; null: <see cref="ClientFolder.Open"/> says which.</param>
public sealed class Cli(Terminal terminal, string? home = null)
{
    private readonly Option<bool> asJson = new("--json") { Description = "Answer in JSON on standard output, and fail in JSON on standard error.", Recursive = true };

    public async Task<int> RunAsync(string[] arguments, CancellationToken cancellation = default)
    {
        var root = new RootCommand(
            """
            A demo of what an app can do with the CVault SDK. It is not a product.

            Begin with: configure, register (or login), connect. Or do it all in the browser: ui

            Exit codes: 0 done; 1 the client's own fault; 2 not right as typed, or not now; 3 not configured; 4 not signed in;
            5 the API refused; 6 the API cannot be reached, or cannot do it now; 7 the tunnel failed; 130 interrupted.

            All that is kept is in CVAULT_CLIENT_HOME, else in cvault-client in your folder for settings; for you alone.
            """) { asJson };
        foreach (var command in (Command[])[.. AccountCommands.All(this), .. DeviceCommands.All(this), .. ConnectionCommands.All(this), UiCommand.Make(this)]) root.Add(command);

        var parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            // The parser's words repeat what was typed, and that could be a password in the wrong place.
            var command = "";
            for (var at = parsed.CommandResult; at is { Command: not RootCommand }; at = at.Parent as CommandResult) command = at.Command.Name + " " + command;
            var what = arguments.Length == 0 ? "Which command?" : command == "" ? "There is no such command." : $"That is not how {command.TrimEnd()} is used.";
            return Fail(new Failure("USAGE", what, $"See: cvault-client {command}--help", null, null, ExitCodes.Usage), arguments.Contains("--json"));
        }

        return await parsed.InvokeAsync(
            new InvocationConfiguration
            {
                Output = terminal.Output, Error = terminal.Error, EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = TimeSpan.FromSeconds(30), // after Ctrl-C a connect is taken back, or a connection ended
            },
            cancellation);
    }

    /// <summary>A command that does this work; whatever it throws becomes words and an exit code.</summary>
    public Command Command(string name, string description, Symbol[] symbols, Func<CommandContext, Task> work)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Option option) command.Add(option);
            else if (symbol is Argument argument) command.Add(argument);
            else command.Add((Command)symbol);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            FileLog? log = null;
            var json = parsed.GetValue(asJson);
            try
            {
                var folder = ClientFolder.Open(home);
                log = new FileLog(folder, TimeProvider.System);
                await using var client = new DemoClient(folder, log, TimeProvider.System);
                await work(new CommandContext(parsed, terminal, client, log, json, cancellation));
                return ExitCodes.Done;
            }
#pragma warning disable CA1031 // This is the edge: whatever happened, the user is told and the exit code says it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                var failure = Failure.Of(e);
                if (failure.ExitCode != ExitCodes.Usage) log?.LogWarning("{Command}: {Failure}", name, failure.InShort);
                return Fail(failure, json);
            }
        });
        return command;
    }

    private int Fail(Failure failure, bool json)
    {
        if (json)
        {
            terminal.Error.WriteLine(JsonSerializer.Serialize(new { Error = failure }, Json.Indented));
            return failure.ExitCode;
        }

        terminal.Error.WriteLine($"cvault-client: {failure.Message}");
        foreach (var (field, messages) in failure.Errors ?? new Dictionary<string, IReadOnlyList<string>>())
        {
            foreach (var message in messages) terminal.Error.WriteLine($"  {field}: {message}");
        }

        if (failure.Hint is not null) terminal.Error.WriteLine($"  {failure.Hint}");
        if (failure.RequestId is not null) terminal.Error.WriteLine($"  request id {failure.RequestId}");
        return failure.ExitCode;
    }
}
