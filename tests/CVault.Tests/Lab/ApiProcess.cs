using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>
/// The API's program, to be killed and started again many times: with the environment that <c>ops/up</c> gave it, in its
/// folder, recorded where <c>ops/up</c> and <c>ops/down</c> look, and without what else <c>ops/up</c> takes seconds for.
/// </summary>
public sealed class ApiProcess
{
    private readonly Stack stack;
    private readonly Dictionary<string, string> environment;
    private readonly string[] command;
    private readonly string folder;
    private Process? started;

    private ApiProcess(Stack stack, int pid)
    {
        this.stack = stack;
        environment = File.ReadAllText($"/proc/{pid}/environ").Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=', 2)).ToDictionary(v => v[0], v => v[1]);
        environment.Remove("CVAULT_FAIL_POINT");
        command = StackProcess.ArgumentsOf(pid).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        folder = new FileInfo($"/proc/{pid}/cwd").LinkTarget!;
    }

    /// <summary>The running one; brought up first if a test before this one left it dead.</summary>
    public static async Task<ApiProcess> OfAsync(Stack stack)
    {
        await StackProcess.UpAsync();
        return new ApiProcess(stack, StackProcess.Api);
    }

    /// <summary><c>kill -9</c>, if it still runs, and waits until it is gone.</summary>
    public void Kill()
    {
        if (started is null) StackProcess.Kill(StackProcess.Api);
        else if (!started.HasExited) StackProcess.Kill(started.Id);
    }

    /// <summary>Starts it, after killing one that still runs, and returns before it answers anything.</summary>
    /// <param name="also">Added to its environment.</param>
    public async Task StartAsync(params (string Name, string Value)[] also)
    {
        Kill();
        // The shell becomes setsid, and that the program: one process, which outlives the tests as any that ops/up starts.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec setsid \"$@\" </dev/null >>\"$0\" 2>&1", StackProcess.ApiLog, .. command]) { WorkingDirectory = folder };
        start.Environment.Clear();
        foreach (var (name, value) in environment) start.Environment[name] = value;
        foreach (var (name, value) in also) start.Environment[name] = value;
        await File.AppendAllTextAsync(StackProcess.ApiLog, $"=== api started {DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}\n");
        started = Process.Start(start)!;
        var record = Path.Combine(Stack.StateDir, "run", "api.pid");
        await File.WriteAllTextAsync(record + ".new", $"{started.Id} {StackProcess.StartedAt(started.Id)}\n");
        File.Move(record + ".new", record, overwrite: true);
    }

    /// <summary>Waits until the one that was started last answers, and says so when it ended instead.</summary>
    public async Task HealthyAsync() => Assert.True(await HealthyOrEndedAsync(), "The API ended while starting.");

    /// <summary>Waits until the one that was started last answers, or has ended.</summary>
    /// <returns>Whether it answers.</returns>
    public async Task<bool> HealthyOrEndedAsync()
    {
        await Stack.EventuallyAsync("the API is healthy again", TimeSpan.FromSeconds(120), async () =>
        {
            if (HasEnded) return true;
            try
            {
                return (await stack.SendAsync(HttpMethod.Get, "/health")) is { Status: HttpStatusCode.OK } health && health.Text("status") == "healthy";
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });
        return !HasEnded;
    }

    /// <summary>Whether the one that was started last has ended.</summary>
    public bool HasEnded => started!.HasExited;

    /// <summary>Waits until the one that was started last ends by itself.</summary>
    /// <returns>Its exit code; 137 when it was killed.</returns>
    public async Task<int> EndedAsync(TimeSpan within)
    {
        await Stack.EventuallyAsync("the API ends by itself", within, () => Task.FromResult(started!.HasExited));
        return started!.ExitCode;
    }
}
