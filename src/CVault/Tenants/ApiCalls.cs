using Marten;

namespace CVault.Tenants;

/// <summary>How a tenant's keys were used.</summary>
public static class ApiCalls
{
    public static Task<Dictionary<string, (DateTimeOffset Last, long Calls)>> OfKeysAsync(IQuerySession session, DateTimeOffset now, CancellationToken cancellation) =>
        Task.FromResult(new Dictionary<string, (DateTimeOffset, long)>());
}
