using System.Diagnostics;

namespace CVault.Tests;

/// <summary>
/// Time in which this machine ran. A virtual machine of a noisy host stands still now and then, for seconds: nobody can
/// keep a limit then, so a test that sets one to the product measures by this.
/// </summary>
public readonly struct RunningTime
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(20), Late = TimeSpan.FromMilliseconds(200);

    /// <summary>When the heart last beat, by <see cref="Stopwatch"/>, and how much of its ticks until then nothing ran.</summary>
    private static (long At, long Stood) beat = (Stopwatch.GetTimestamp(), 0);
    private static readonly Lock Sync = new();

    private readonly long start, stood;

    static RunningTime() => new Thread(() =>
    {
        for (; ; Thread.Sleep(Beat))
        {
            lock (Sync) beat = Now();
        }
    }) { IsBackground = true, Name = "heartbeat", Priority = ThreadPriority.Highest }.Start();

    private RunningTime(long start, long stood) => (this.start, this.stood) = (start, stood);

    /// <summary>What has passed since, but for when the machine stood still.</summary>
    public TimeSpan Elapsed
    {
        get
        {
            lock (Sync)
            {
                var now = Now();
                return Stopwatch.GetElapsedTime(start, now.At) - Stopwatch.GetElapsedTime(stood, now.Stood);
            }
        }
    }

    public static RunningTime Start()
    {
        lock (Sync)
        {
            var now = Now();
            return new RunningTime(now.At, now.Stood);
        }
    }

    /// <summary>A beat that is much too late says that nothing ran since the one before: also when who asks woke up before the heart did.</summary>
    private static (long At, long Stood) Now()
    {
        var now = Stopwatch.GetTimestamp();
        return (now, beat.Stood + (Stopwatch.GetElapsedTime(beat.At, now) > Late ? now - beat.At : 0));
    }
}
