using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tunnel;

/// <summary>What a tool answered.</summary>
internal sealed record ProcessResult(int ExitCode, string Output, string Error);

/// <summary>The edge to the system's tools.</summary>
internal interface IProcessRunner
{
    /// <summary>The whole path of a tool; null when it is not installed.</summary>
    string? Find(string tool);

    /// <summary>Runs a tool to its end. Its arguments are an array, and hold no secret: those go by <paramref name="input"/>.</summary>
    /// <exception cref="TunnelException"><c>TOOLS_MISSING</c>, <c>TIMEOUT</c>.</exception>
    Task<ProcessResult> RunAsync(string tool, IReadOnlyList<string> arguments, string? input, CancellationToken cancellation);
}

/// <summary>Runs tools from the system's own folders, with an environment of their own.</summary>
internal sealed class ProcessRunner(ILogger logger) : IProcessRunner
{
    // Not the caller's PATH: what runs as root must not be chosen by who is not. For the same reason the system's own come
    // first: /usr/local and Homebrew's may belong to a user.
    private static readonly string[] Own = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/run/current-system/sw/bin"];
    private static readonly string[] Added = ["/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

    private static readonly string[] Folders = OperatingSystem.IsWindows()
        ? [Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "WireGuard"), Environment.SystemDirectory]
        : [.. Own, .. Added];

    // What tools run in turn. On macOS wg-quick, itself Homebrew's, is a script for a bash newer than the system's, and looks
    // to the system's folders first for all else.
    private static readonly string[] Search = OperatingSystem.IsMacOS() ? [.. Added, .. Own] : Folders;

    private static readonly TimeSpan Most = TimeSpan.FromSeconds(30);

    public string? Find(string tool) =>
        Folders.Select(f => Path.Combine(f, OperatingSystem.IsWindows() ? tool + ".exe" : tool)).FirstOrDefault(File.Exists);

    public async Task<ProcessResult> RunAsync(string tool, IReadOnlyList<string> arguments, string? input, CancellationToken cancellation)
    {
        var path = Find(tool) ?? throw new TunnelException(TunnelErrorCodes.ToolsMissing, $"The tool {tool} is not installed. Install the package that has it.");
        var start = new ProcessStartInfo(path, arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, WorkingDirectory = Path.GetTempPath(),
        };
        if (!OperatingSystem.IsWindows())
        {
            start.WorkingDirectory = "/";
            start.Environment.Clear();
            start.Environment["PATH"] = string.Join(':', Search);
            start.Environment["LC_ALL"] = "C";
        }

        logger.LogDebug("{Tool} {Arguments}", tool, string.Join(' ', arguments));
        using var process = Start(start, tool);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(Most);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(timeout.Token);
            var error = process.StandardError.ReadToEndAsync(timeout.Token);
            await WriteAsync(process, input, timeout.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(timeout.Token).ConfigureAwait(false);
            return new ProcessResult(process.ExitCode, await output.ConfigureAwait(false), (await error.ConfigureAwait(false)).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellation.ThrowIfCancellationRequested();
            throw new TunnelException(TunnelErrorCodes.Timeout, $"{tool} did not end within {Most.TotalSeconds:0} s and was stopped. Try again.");
        }
    }

    private static Process Start(ProcessStartInfo start, string tool)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new TunnelException(TunnelErrorCodes.CommandFailed, $"{tool} could not be started: {e.Message}", e);
        }
    }

    private static async Task WriteAsync(Process process, string? input, CancellationToken cancellation)
    {
        try
        {
            if (input is not null) await process.StandardInput.WriteAsync(input.AsMemory(), cancellation).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading; its exit code says why.
        }
    }
}
