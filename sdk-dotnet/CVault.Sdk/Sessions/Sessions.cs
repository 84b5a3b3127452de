namespace CVault.Sdk;

/// <summary>
/// The login of whoever is acted for. A refresh token is good once, so all who need another access token share one refresh,
/// which none of them can cancel and which goes by the client's options, not by any one call's.
/// </summary>
internal sealed class Sessions(Transport transport, ITokenStore store, string refreshPath)
{
    /// <summary>A token that expires sooner is renewed before it is used.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(30);

    /// <summary>Held while the store is changed, and never while the API is asked.</summary>
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly object sync = new();
    private Task<CVaultSession>? refresh;

    public Task<CVaultSession?> GetAsync(CancellationToken cancellation) => store.GetAsync(cancellation).AsTask();

    public async Task SetAsync(TokensAnswer tokens, CancellationToken cancellation)
    {
        await writing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await store.SetAsync(SessionOf(tokens), cancellation).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    public async Task ClearAsync()
    {
        await writing.WaitAsync().ConfigureAwait(false);
        try
        {
            await store.ClearAsync().ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    /// <summary>The login, with a token that is good for a while.</summary>
    public async Task<CVaultSession> GoodAsync(CancellationToken cancellation)
    {
        var session = await store.GetAsync(cancellation).ConfigureAwait(false) ?? throw NobodySignedIn();
        return IsExpiring(session) ? await RenewedAsync(session, cancellation).ConfigureAwait(false) : session;
    }

    /// <summary>The same user's login with another token. Whoever signs in meanwhile did not make the call that waits for it.</summary>
    /// <param name="stale">The one whose token is no good any more.</param>
    /// <param name="cancellation">Ends the wait, not the refresh.</param>
    public async Task<CVaultSession> RenewedAsync(CVaultSession stale, CancellationToken cancellation)
    {
        Task<CVaultSession> shared;
        lock (sync)
        {
            // On another thread: neither the lock nor the caller's synchronization context may hold it up.
            shared = refresh ??= Task.Run(() => RefreshAsync(stale.AccessToken), CancellationToken.None);
        }

        var renewed = await WaitAsync(shared, cancellation).ConfigureAwait(false);
        // A store of somebody else's making may keep no id.
        return stale.UserId == default || renewed.UserId == default || renewed.UserId == stale.UserId ? renewed : throw NobodySignedIn();
    }

    private async Task<CVaultSession> RefreshAsync(string stale)
    {
        try
        {
            // It may have been renewed since the caller looked, here or by another process.
            var session = await store.GetAsync().ConfigureAwait(false) ?? throw NobodySignedIn();
            if (session.AccessToken != stale && !IsExpiring(session)) return session;
            if (string.IsNullOrEmpty(session.RefreshKey))
            {
                session = new CVaultSession { UserId = session.UserId, AccessToken = session.AccessToken, RefreshToken = session.RefreshToken, ExpiresAt = session.ExpiresAt, RefreshKey = NewKey() };
                // Kept before it is used: should this process end now, the next one asks for the same answer.
                await ReplaceAsync(session, session).ConfigureAwait(false);
            }

            TokensAnswer tokens;
            try
            {
                tokens = await transport.SendAsync(
                    Call.Post(refreshPath, new RefreshTokenBody(session.RefreshToken), Json.Default.RefreshTokenBody),
                    body => TokensAnswer.Read(body, a => a.IsLogin),
                    null, session.RefreshKey, null, CancellationToken.None).ConfigureAwait(false);
            }
            catch (CVaultException e) when (e is { Status: 401, Code: CVaultErrorCodes.Unauthenticated })
            {
                // Anything else, a suspended tenant or a proxy's page say, leaves the login as it is.
                if (await ReplaceAsync(session, null).ConfigureAwait(false) is { } other) return other;
                throw;
            }

            return await ReplaceAsync(session, SessionOf(tokens)).ConfigureAwait(false) ?? throw NobodySignedIn();
        }
        finally
        {
            lock (sync) refresh = null;
        }
    }

    /// <summary>Puts a login in the place of another, or of nothing, unless somebody signed in or out meanwhile.</summary>
    /// <returns>The login that is kept now.</returns>
    private async Task<CVaultSession?> ReplaceAsync(CVaultSession old, CVaultSession? next)
    {
        await writing.WaitAsync().ConfigureAwait(false);
        try
        {
            var current = await store.GetAsync().ConfigureAwait(false);
            if (current?.RefreshToken != old.RefreshToken) return current;
            if (next is null) await store.ClearAsync().ConfigureAwait(false);
            else await store.SetAsync(next).ConfigureAwait(false);
            return next;
        }
        finally
        {
            writing.Release();
        }
    }

    private static CVaultSession SessionOf(TokensAnswer tokens) => new()
    {
        UserId = tokens.UserId ?? tokens.MemberId ?? default, AccessToken = tokens.AccessToken!, RefreshToken = tokens.RefreshToken!,
        ExpiresAt = DateTimeOffset.UtcNow.AddSeconds(tokens.ExpiresIn!.Value), RefreshKey = NewKey(),
    };

    /// <summary>Not made of the token: who finds a spent one could have the answer to its refresh replayed.</summary>
    private static string NewKey() => Guid.NewGuid().ToString();

    private static bool IsExpiring(CVaultSession session) => session.ExpiresAt - DateTimeOffset.UtcNow <= Margin;

    private static CVaultException NobodySignedIn() => new(CVaultErrorCodes.Unauthenticated, "Nobody is signed in.");

    private static async Task<CVaultSession> WaitAsync(Task<CVaultSession> shared, CancellationToken cancellation)
    {
        var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using (cancellation.Register(() => cancelled.TrySetResult(true)))
        {
            if (await Task.WhenAny(shared, cancelled.Task).ConfigureAwait(false) != shared) cancellation.ThrowIfCancellationRequested();
        }

        return await shared.ConfigureAwait(false);
    }
}
