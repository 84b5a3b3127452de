using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace CVault.Client;

/// <summary>What a command works with.</summary>
public sealed record CommandContext(ParseResult Parsed, Terminal Terminal, DemoClient Client, FileLog Log, TimeProvider Time, bool AsJson, CancellationToken Cancellation)
{
    /// <summary>The answer: words for people, or with <c>--json</c> the value.</summary>
    public void Answer<T>(T value, params IEnumerable<string> words)
    {
        if (AsJson) Terminal.Output.WriteLine(JsonSerializer.Serialize(value, Json.Indented));
        else foreach (var line in words) Terminal.Output.WriteLine(line);
    }
}

/// <summary>The command line: which commands there are, and how all of them end (<see cref="ExitCodes"/>).</summary>
public static class Cli
{
    private static readonly Option<bool> AsJson = new("--json") { Description = "Answer in JSON, and fail in JSON on standard error.", Recursive = true };

    public static async Task<int> RunAsync(string[] arguments, Terminal terminal, TimeProvider time, CancellationToken cancellation = default)
    {
        var root = new RootCommand(
            """
            cvault-client: a demo of what an app can do with the CVault SDK. It is not a product.

            Exit codes: 0 done; 1 the client's own fault; 2 not right as typed; 3 not configured; 4 not signed in;
            5 the API refused; 6 the API cannot be reached, or not do it now; 7 the tunnel failed; 130 interrupted.

            What is kept is in CVAULT_CLIENT_HOME, else in cvault-client in your folder for settings; yours alone.
            """)
        {
            AccountCommands.Configure(), AccountCommands.Register(), AccountCommands.Verify(), AccountCommands.Login(), AccountCommands.Logout(),
            DeviceCommands.Devices(), DeviceCommands.Servers(),
            ConnectionCommands.Connect(), ConnectionCommands.Status(), ConnectionCommands.Disconnect(), ConnectionCommands.Logs(),
            UiCommand.Make(),
        };
        root.Options.Add(AsJson);

        var parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            // The words of the parser repeat what was typed; a password in the wrong place must not come back in a log.
            return Fail(terminal, parsed.GetValue(AsJson), new Failure("USAGE", "The command line is not right.", $"See: cvault-client {CommandOf(parsed)}--help", null, null, ExitCodes.Usage));
        }

        return await parsed.InvokeAsync(new InvocationConfiguration { Output = terminal.Output, Error = terminal.Error, EnableDefaultExceptionHandler = false }, cancellation);

        static string CommandOf(ParseResult parsed) => parsed.CommandResult.Command is RootCommand ? "" : parsed.CommandResult.Command.Name + " ";
    }

    /// <summary>A command that does its work with a context of its own, and whose failures become words and an exit code.</summary>
    public static Command Does(this Command command, Func<CommandContext, Task> work)
    {
        command.SetAction(async (parsed, cancellation) =>
        {
            var terminal = Terminals.Of(parsed);
            var asJson = parsed.GetValue(AsJson);
            FileLog? log = null;
            try
            {
                var folder = ClientFolder.Open();
                log = new FileLog(folder, TimeProvider.System);
                await using var client = new DemoClient(folder, log, TimeProvider.System);
                await work(new CommandContext(parsed, terminal, client, log, TimeProvider.System, asJson, cancellation));
                return ExitCodes.Done;
            }
#pragma warning disable CA1031 // This is the edge: whatever happened, the user is told and the exit code says it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                var failure = Failure.Of(e);
                if (failure.ExitCode != ExitCodes.Usage) log?.LogWarning("{Command}: {Code} {RequestId}", command.Name, failure.Code, failure.RequestId);
                return Fail(terminal, asJson, failure);
            }
        });
        return command;
    }

    private static int Fail(Terminal terminal, bool asJson, Failure failure)
    {
        if (asJson)
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
