namespace CVault.Sdk.Tunnel;

internal static class Tools
{
    /// <summary>Runs a tool that must succeed, and answers what it printed.</summary>
    /// <exception cref="TunnelException"><c>COMMAND_FAILED</c> or <c>NOT_PERMITTED</c>, with the tool's own words.</exception>
    public static async Task<string> DoAsync(this IProcessRunner runner, string tool, string[] arguments, CancellationToken cancellation, string? input = null)
    {
        var result = await runner.RunAsync(tool, arguments, input, cancellation).ConfigureAwait(false);
        return result.ExitCode == 0 ? result.Output : throw Failed(tool, arguments, result);
    }

    /// <summary>Runs a tool, and answers whether it succeeded.</summary>
    public static async Task<bool> TryAsync(this IProcessRunner runner, string tool, string[] arguments, CancellationToken cancellation, string? input = null) =>
        (await runner.RunAsync(tool, arguments, input, cancellation).ConfigureAwait(false)).ExitCode == 0;

    public static TunnelException Failed(string tool, string[] arguments, ProcessResult result)
    {
        var words = result.Error.Length > 500 ? result.Error[..500] : result.Error;
        var what = $"`{tool} {string.Join(' ', arguments)}` ended with {result.ExitCode}: {words}";
        return words.Contains("Operation not permitted", StringComparison.Ordinal)
            ? new TunnelException(TunnelErrorCodes.NotPermitted, what + ". This program may not change the network here: it needs root with CAP_NET_ADMIN.")
            : new TunnelException(TunnelErrorCodes.CommandFailed, what + ". Take the tunnel down, mend what it names, and try again.");
    }
}
