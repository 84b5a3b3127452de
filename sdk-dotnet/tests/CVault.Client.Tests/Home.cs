namespace CVault.Client.Tests;

/// <summary>A client's folder of one test, gone with it.</summary>
public sealed class Home : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cvault-client-").FullName;

    public ClientFolder Folder => ClientFolder.Open(Path);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    /// <summary>What ops/test tells of its stack would be taken for what the user set.</summary>
    [System.Runtime.CompilerServices.ModuleInitializer]
    internal static void ForgetTheStack()
    {
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(n => n.StartsWith("CVAULT_", StringComparison.Ordinal))) Environment.SetEnvironmentVariable(name, null);
    }

    /// <summary>Runs a command as <c>Program.cs</c> does, with a script at the keyboard's end of the pipe.</summary>
    public async Task<Ended> RunAsync(string input, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await new Cli(new Terminal(new StringReader(input), output, error, Interactive: false), Path).RunAsync(arguments, TestContext.Current.CancellationToken);
        return new Ended(code, output.ToString(), error.ToString());
    }

    /// <summary>Every file that holds the text, by name.</summary>
    public string[] FilesWith(string text) =>
        [.. Directory.EnumerateFiles(Path).Where(f => File.ReadAllText(f).Contains(text, StringComparison.Ordinal)).Select(f => System.IO.Path.GetFileName(f)!).Order()];
}

/// <summary>How a command ended.</summary>
public sealed record Ended(int ExitCode, string Output, string Error);
