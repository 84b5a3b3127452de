using Microsoft.Extensions.Logging.Abstractions;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>The edge to the system's tools, with tools that every Linux has.</summary>
public sealed class ProcessRunnerTests
{
    private readonly ProcessRunner runner = new(NullLogger.Instance);

    [Fact]
    public async Task input_output_and_exit_code_are_the_tool_s()
    {
        var big = new string('x', 1 << 20);
        Assert.Equal(new ProcessResult(0, big, ""), await runner.RunAsync("cat", [], big, default));
        var failed = await runner.RunAsync("cat", ["/nowhere"], null, default);
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("/nowhere", failed.Error, StringComparison.Ordinal);
        // One that does not read what it is given.
        Assert.Equal(0, (await runner.RunAsync("true", [], big, default)).ExitCode);
    }

    [Fact]
    public async Task no_shell_has_a_part_in_it() => Assert.Equal("$(id) ; `id` *\n", (await runner.RunAsync("echo", ["$(id)", ";", "`id`", "*"], null, default)).Output);

    [Fact]
    public async Task nothing_of_this_program_s_environment_reaches_a_tool()
    {
        Environment.SetEnvironmentVariable("CVAULT_TUNNEL_CANARY", "canary");
        var lines = (await runner.RunAsync("env", [], null, default)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["LC_ALL", "PATH"], lines.Select(l => l.Split('=')[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task the_system_s_own_tools_come_before_what_a_user_may_have_put_there()
    {
        var path = (await runner.RunAsync("env", [], null, default)).Output.Split('\n').Single(l => l.StartsWith("PATH=", StringComparison.Ordinal));
        Assert.StartsWith("PATH=/usr/sbin:/usr/bin:/sbin:/bin:", path, StringComparison.Ordinal);
        Assert.Equal("/usr/bin/env", runner.Find("env"));
    }

    [Fact]
    public async Task a_tool_that_is_not_there_is_named()
    {
        Assert.Null(runner.Find("cvault-no-such-tool"));
        var e = await Assert.ThrowsAsync<TunnelException>(() => runner.RunAsync("cvault-no-such-tool", [], null, default));
        Assert.Equal(TunnelErrorCodes.ToolsMissing, e.Code);
    }

    [Fact]
    public async Task a_caller_that_waits_no_more_ends_the_tool()
    {
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => runner.RunAsync("sleep", ["60"], null, soon.Token));
    }
}
