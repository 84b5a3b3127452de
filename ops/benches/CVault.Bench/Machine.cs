using System.Diagnostics;
using System.Globalization;

namespace CVault.Bench;

/// <summary>CPU milliseconds since each began: of the API, PostgreSQL with its sessions, all that runs on vpn1, this program, and the whole machine.</summary>
public sealed record Cpu(double Api, double Postgres, double Server, double Bench, double Machine, double WallMs)
{
    private const double MsPerTick = 10; // USER_HZ is 100 on every Linux that .NET runs on.

    public static Cpu Now()
    {
        int api = Stack.Pid("api"), postgres = Stack.Pid("postgres");
        var network = Namespace(Stack.LabPid("vpn1.sshd"));
        double apiTicks = 0, postgresTicks = 0, serverTicks = 0;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid) || Stat(pid) is not { } stat) continue;
            if (pid == api) apiTicks += stat.Own;
            else if (pid == postgres) postgresTicks += stat.Own + stat.Children;
            else if (stat.Parent == postgres) postgresTicks += stat.Own;
            else if (network is not null && Namespace(pid) == network) serverTicks += stat.Own + stat.Children;
        }

        var all = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(t => double.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        var busy = all[0] + all[1] + all[2] + all[5] + all[6]; // user, nice, system, irq, softirq
        return new Cpu(apiTicks * MsPerTick, postgresTicks * MsPerTick, serverTicks * MsPerTick,
            Process.GetCurrentProcess().TotalProcessorTime.TotalMilliseconds, busy * MsPerTick, Stopwatch.GetTimestamp() * 1000.0 / Stopwatch.Frequency);
    }

    public static Cpu operator -(Cpu a, Cpu b) =>
        new(a.Api - b.Api, a.Postgres - b.Postgres, a.Server - b.Server, a.Bench - b.Bench, a.Machine - b.Machine, a.WallMs - b.WallMs);

    /// <summary>proc(5): the name before the third field may hold spaces and brackets.</summary>
    private static (int Parent, double Own, double Children)? Stat(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            var f = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            double Ticks(int field) => double.Parse(f[field - 3], CultureInfo.InvariantCulture);
            return (int.Parse(f[1], CultureInfo.InvariantCulture), Ticks(14) + Ticks(15), Ticks(16) + Ticks(17));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // It ended meanwhile.
        }
    }

    private static string? Namespace(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid}/ns/net").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>What a reader must know of the machine. No host name, no path.</summary>
public static class Machine
{
    public static async Task<IReadOnlyList<(string, string)>> FactsAsync(Stack stack)
    {
        var userspace = (await Stack.ShellOnAsync("vpn1", "test -S /run/wireguard/wg0.sock && echo userspace || echo kernel")).Trim();
        var model = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[^1].Trim() ?? "unknown CPU";
        var memory = long.Parse(File.ReadLines("/proc/meminfo").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024 / 1024;
        return
        [
            ("cores", $"{Environment.ProcessorCount} ({model}), {memory} GiB; API, PostgreSQL, both servers and the load generator share them"),
            ("kernel", File.ReadAllText("/proc/sys/kernel/osrelease").Trim()),
            ("WireGuard", userspace == "userspace" ? "userspace (wireguard-go)" : "in the kernel"),
            ("PostgreSQL", await stack.QueryAsync("select current_setting('server_version') || ', fsync ' || current_setting('fsync') || ', synchronous_commit ' || current_setting('synchronous_commit') || ', shared_buffers ' || current_setting('shared_buffers')")),
            ("one 8 KiB write with fsync", FsyncText()),
            (".NET", Environment.Version.ToString()),
            ("commit", Environment.GetEnvironmentVariable("CVAULT_BENCH_COMMIT") ?? "unknown"),
        ];
    }

    private static string FsyncText()
    {
        var file = Path.Combine(Stack.StateDir, "run", "fsync-probe");
        var took = new List<double>();
        using (var handle = File.OpenHandle(file, FileMode.Create, FileAccess.Write))
        {
            for (var i = 0; i < 200; i++)
            {
                var start = Stopwatch.GetTimestamp();
                RandomAccess.Write(handle, new byte[8192], i % 64 * 8192);
                RandomAccess.FlushToDisk(handle);
                took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }

        File.Delete(file);
        return string.Create(CultureInfo.InvariantCulture, $"{Percentile.Of(took, 50):0.00} ms at the median, {Percentile.Of(took, 99):0.00} ms at p99 of 200");
    }
}

public static class Percentile
{
    /// <summary>The nearest rank; NaN of nothing.</summary>
    public static double Of(IReadOnlyCollection<double> values, double percent)
    {
        if (values.Count == 0) return double.NaN;
        var sorted = values.Order().ToArray();
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}
