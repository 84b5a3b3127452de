namespace CVault.Projections;

/// <summary>Wakes one waiter. Rung any number of times before it is waited for, it wakes once.</summary>
internal sealed class Bell
{
    private readonly SemaphoreSlim rung = new(0, 1);

    public void Ring()
    {
        try
        {
            rung.Release();
        }
        catch (SemaphoreFullException)
        {
            // It was rung already, and once is enough.
        }
    }

    /// <returns>False: it was not rung in that time.</returns>
    public Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellation) => rung.WaitAsync(atMost, cancellation);
}
