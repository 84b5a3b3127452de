using System.Diagnostics;

namespace CVault.Tests.Lab;

/// <summary>The processes of the stack under test, for tests that kill them and bring them back.</summary>
public static class StackProcess
{
    public static int Api => Recorded("api");
    public static int Postgres => Recorded("postgres");
    public static string ApiLog => Path.Combine(Stack.StateDir, "logs", "api.log");

    /// <summary><c>kill -9</c>, and waits until it is gone.</summary>
    public static void Kill(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
            process.WaitForExit(5000);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It went by itself, just now.
        }
    }

    public static Task SignalAsync(int pid, string signal) => Stack.RunAsync("/bin/kill", ["-" + signal, pid.ToString()]);

    /// <summary>Brings back whatever is missing; returns once <c>/health</c> is healthy.</summary>
    public static Task UpAsync() => Stack.RunAsync("ops/up", ["--detach"]);

    /// <summary>What the API logged since <paramref name="from"/>, a length of its log.</summary>
    public static async Task<string> LoggedAsync(string file, long from)
    {
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Position = Math.Min(from, stream.Length);
        return await new StreamReader(stream).ReadToEndAsync();
    }

    public static long LengthOf(string file) => new FileInfo(file).Length;

    public static IEnumerable<int> All() => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(n => n!.All(char.IsAsciiDigit)).Select(int.Parse!);

    public static string NameOf(int pid) => Read($"/proc/{pid}/comm").Trim();

    /// <summary>The arguments, each ended by a NUL; empty for a process that is gone.</summary>
    public static string ArgumentsOf(int pid) => Read($"/proc/{pid}/cmdline");

    /// <summary>When it started, in the kernel's ticks since boot: what tells a process from a later one with its id (proc(5), stat, 22).</summary>
    public static string StartedAt(int pid) => Read($"/proc/{pid}/stat") is var stat && stat.Contains(')', StringComparison.Ordinal) ? stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19] : "gone";

    /// <summary>The network namespace that it is in.</summary>
    public static string NetworkOf(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/ns/net").LinkTarget ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static int Recorded(string name) => int.Parse(File.ReadAllText(Path.Combine(Stack.StateDir, "run", name + ".pid")).Split(' ')[0]);

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
