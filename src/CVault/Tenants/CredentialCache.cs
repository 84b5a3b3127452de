using System.Collections.Concurrent;
using CVault.Security;
using Marten;

namespace CVault.Tenants;

/// <summary>
/// Tenants and API keys as each request needs them, kept in memory until the <see cref="SecurityFeed"/> says that they
/// changed. A warm request is authenticated without the database.
/// </summary>
/// <remarks>
/// An entry is a reading that may still be under way. A change that is heard meanwhile throws it out of the table, and
/// with it what it may have read too early: only those who asked before the change was heard get that.
/// </remarks>
public sealed class CredentialCache
{
    /// <summary>More than this, and all is forgotten: bounded memory, at the price of reading again.</summary>
    private const int Most = 50_000;
    private readonly ConcurrentDictionary<Guid, Lazy<Task<Tenant?>>> tenants = new();
    private readonly ConcurrentDictionary<string, Lazy<Task<ApiKey?>>> keys = new(StringComparer.Ordinal);
    private readonly IDocumentStore store;
    private readonly SecurityFeed feed;

    public CredentialCache(IDocumentStore store, SecurityFeed feed)
    {
        this.store = store;
        this.feed = feed;
        feed.TenantChanged += Forget;
    }

    public async ValueTask<Tenant?> TenantAsync(Guid id, CancellationToken cancellation)
    {
        await feed.EnsureFreshAsync(cancellation);
        return await GetAsync(tenants, id, async () =>
        {
            await using var session = store.QuerySession(id.ToString());
            return await session.LoadAsync<Tenant>(id, CancellationToken.None);
        }, cancellation);
    }

    public async ValueTask<ApiKey?> KeyAsync(string id, CancellationToken cancellation)
    {
        await feed.EnsureFreshAsync(cancellation);
        return await GetAsync(keys, id, async () =>
        {
            await using var session = store.QuerySession();
            return await session.LoadAsync<ApiKey>(id, CancellationToken.None);
        }, cancellation);
    }

    private static async ValueTask<T?> GetAsync<TKey, T>(ConcurrentDictionary<TKey, Lazy<Task<T?>>> table, TKey key, Func<Task<T?>> read, CancellationToken cancellation)
        where TKey : notnull where T : class
    {
        if (table.Count > Most) table.Clear();
        var entry = table.GetOrAdd(key, _ => new(read));
        try
        {
            var found = await entry.Value.WaitAsync(cancellation);
            // What is not there is not kept: whoever guesses keys would fill the table.
            if (found is null) table.TryRemove(new(key, entry));
            return found;
        }
        catch when (entry.Value.IsFaulted)
        {
            table.TryRemove(new(key, entry));
            throw;
        }
    }

    private void Forget(Guid tenantId)
    {
        tenants.TryRemove(tenantId, out _);
        foreach (var (id, entry) in keys)
        {
            if (!entry.IsValueCreated || !entry.Value.IsCompletedSuccessfully || entry.Value.Result is not { } key || key.TenantId == tenantId) keys.TryRemove(new(id, entry));
        }
    }
}
