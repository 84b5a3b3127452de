using System.Diagnostics;
using System.Globalization;

namespace CVault;

/// <summary>
/// Named moments at which a test has the process end as by <c>kill -9</c>: nothing is caught, unwound or flushed.
/// <c>CVAULT_FAIL_POINT</c> names one, as <c>name</c> or as <c>name:N</c> for the Nth time that it is reached. Unset, and
/// anywhere but in Development, reaching one does nothing.
/// </summary>
public static class FailPoint
{
    private static readonly (string Name, int Time)? Armed =
        Parse(Environment.GetEnvironmentVariable("CVAULT_FAIL_POINT"), Environment.GetEnvironmentVariable("ASPNETCORE_ENVIRONMENT"));

    private static int reached;

    /// <summary>The work may end here, for good, if this is the point that was asked for.</summary>
    public static void Reached(string name)
    {
        if (Armed is not { } point || point.Name != name || Interlocked.Increment(ref reached) != point.Time) return;
        using var self = Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite); // Not one step further, however long the kernel takes.
    }

    /// <summary>The point that a setting asks for; null for none.</summary>
    public static (string Name, int Time)? Parse(string? setting, string? environment)
    {
        if (string.IsNullOrEmpty(setting) || environment != "Development") return null;
        return setting.Split(':') switch
        {
            [var name] => (name, 1),
            [var name, var time] => (name, int.Parse(time, NumberStyles.None, CultureInfo.InvariantCulture)),
            _ => throw new FormatException($"CVAULT_FAIL_POINT is name or name:N, not {setting}"),
        };
    }
}
