namespace CVault.Peers;

/// <summary>Wakes one waiter. Given any number of times before it is waited for, it wakes once.</summary>
public sealed class Signal
{
    private readonly SemaphoreSlim given = new(0, 1);

    public void Give()
    {
        try
        {
            given.Release();
        }
        catch (SemaphoreFullException)
        {
            // It was given already, and once is enough.
        }
    }

    /// <summary>Returns when it is given, or after <paramref name="atMost"/>.</summary>
    public Task WaitAsync(TimeSpan atMost, CancellationToken cancellation) => given.WaitAsync(atMost, cancellation);
}
