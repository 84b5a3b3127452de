using System.Diagnostics;
using System.Text.Json.Nodes;

namespace CVault.Tests.Lab;

/// <summary>
/// A program with <c>CVault.Sdk.Tunnel</c> in it (<c>sdk-dotnet/tests/TunnelHost</c>) that runs on a client host of the
/// lab, as a customer's app does on its user's machine.
/// </summary>
public sealed class TunnelProgram : IAsyncDisposable
{
    public const string Interface = "cvault0";

    private static readonly string Dll = Path.Combine(
        Stack.Root, "sdk-dotnet/tests/TunnelHost/bin", Directory.GetParent(AppContext.BaseDirectory.TrimEnd('/'))!.Name, "net10.0/TunnelHost.dll");

    private readonly Process process;
    private readonly Queue<string> said = [];
    private readonly Task reading, readingErrors;
    private readonly System.Text.StringBuilder log = new();

    private TunnelProgram(Process process)
    {
        this.process = process;
        reading = ReadAsync(process.StandardOutput, line => { lock (said) said.Enqueue(line); });
        readingErrors = ReadAsync(process.StandardError, line => { lock (log) log.AppendLine(line); });
    }

    /// <summary>What the library logged, and nothing else.</summary>
    public string Log
    {
        get
        {
            lock (log) return log.ToString();
        }
    }

    /// <summary>Everything that the program has said, a status a line.</summary>
    public string[] Said
    {
        get
        {
            lock (said) return [.. said];
        }
    }

    /// <summary>Brings a tunnel up, and answers the program that has it and its first status.</summary>
    public static Task<(TunnelProgram Program, JsonNode Status)> UpAsync(LabClient client, string config, params string[] options) => UpAsync(client, Interface, config, options);

    public static async Task<(TunnelProgram Program, JsonNode Status)> UpAsync(LabClient client, string name, string config, string[] options)
    {
        var start = new ProcessStartInfo(Path.Combine(Stack.Root, "ops/lab"), ["exec", client.Name, "--", "dotnet", Dll, "up", name, .. options])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["CVAULT_STATE_DIR"] = Stack.StateDir;
        var program = new TunnelProgram(Process.Start(start)!);
        await program.process.StandardInput.WriteAsync(config);
        program.process.StandardInput.Close();
        await Stack.EventuallyAsync("the program says how the tunnel is", TimeSpan.FromSeconds(60), () => Task.FromResult(program.Said.Length > 0 || program.process.HasExited));
        if (program.Said.Length == 0) Assert.Fail("The program ended without a word:\n" + program.Log);
        return (program, JsonNode.Parse(program.Said[0])!);
    }

    /// <summary>What another program finds on the host: a status, or null. <paramref name="verb"/> is <c>status</c>, <c>down</c> or <c>keep</c>.</summary>
    public static async Task<JsonNode?> AskAsync(LabClient client, string verb, string name = Interface) =>
        JsonNode.Parse((await Stack.OnAsync(client.Name, ["dotnet", Dll, verb, name])).Text);

    /// <summary>As the user closes it: the tunnel is taken down.</summary>
    public async Task CloseAsync()
    {
        // ops/lab and all that it went through have become the program itself.
        await Stack.RunAsync("/bin/kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        await Task.WhenAll(reading, readingErrors);
        Assert.True(process.ExitCode == 0, Log);
    }

    /// <summary>kill -9: no line of it runs any more.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task ReadAsync(StreamReader from, Action<string> line)
    {
        while (await from.ReadLineAsync() is { } text) line(text);
    }
}
