namespace CVault.Sdk;

/// <summary>
/// Where a login is kept: a keychain, a database, a file. Clients call it from many threads; each method must be whole in itself.
/// Anything that it throws, the call that needed it throws.
/// </summary>
public interface ITokenStore
{
    /// <summary>The login; null when there is none.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default);

    /// <summary>Keeps a login in place of any other.</summary>
    /// <param name="session">The login.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default);

    /// <summary>Forgets the login; no error when there is none.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    ValueTask ClearAsync(CancellationToken cancellationToken = default);
}

/// <summary>Keeps the login in memory: it ends with the process.</summary>
public sealed class MemoryTokenStore : ITokenStore
{
    private volatile CVaultSession? session;

    /// <inheritdoc/>
    public ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default) => new(session);

    /// <inheritdoc/>
    public ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default)
    {
        this.session = session;
        return default;
    }

    /// <inheritdoc/>
    public ValueTask ClearAsync(CancellationToken cancellationToken = default)
    {
        session = null;
        return default;
    }
}
