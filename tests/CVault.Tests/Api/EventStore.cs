using CVault.Metering;
using CVault.Projections;
using CVault.Sessions;
using JasperFx;
using Marten;

namespace CVault.Tests.Api;

/// <summary>The stack's events, for tests that append what no request could.</summary>
public sealed class EventStore(Stack stack) : IAsyncDisposable
{
    private static long number = 1_000_000_000_000 + (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() << 10);

    /// <summary>Heard by the projectors of this process.</summary>
    public CommitSignal Commits { get; } = new();

    public DocumentStore Store => field ??= DocumentStore.For(o =>
    {
        Configuration.ConfigureStore(o);
        o.Connection(stack.Database);
        o.AutoCreateSchemaObjects = AutoCreate.None;
        o.Listeners.Add(Commits);
    });

    public ValueTask DisposeAsync() => Store.DisposeAsync();

    /// <summary>A session's number that nobody else has.</summary>
    public static long NextNumber() => Interlocked.Increment(ref number);

    /// <summary>Begins a session.</summary>
    public async Task<(Guid Id, long Number)> StartAsync(string tenant, Guid user, Guid device, Guid server, DateTimeOffset at)
    {
        var (id, number) = (Guid.CreateVersion7(), NextNumber());
        await using var session = Store.LightweightSession(tenant);
        session.Events.StartStream<Session>(id, new SessionStarted(user, device, server, "10.8.0.2", number, "handshake", at));
        await session.SaveChangesAsync();
        await TellAsync();
        return (id, number);
    }

    public Task EndAsync(string tenant, Guid session, DateTimeOffset at, string reason = "timed_out") => AppendAsync(tenant, session, new SessionEnded(reason, at));

    public Task MeterAsync(string tenant, Guid server, DateTimeOffset from, DateTimeOffset to, params Sample[] samples) =>
        AppendAsync(tenant, Guid.CreateVersion7(), new UsageMetered(server, from, to, new SampleSet(samples)));

    public async Task AppendAsync(string tenant, Guid stream, params object[] events)
    {
        await using var session = Store.LightweightSession(tenant);
        session.Events.Append(stream, events);
        await session.SaveChangesAsync();
        await TellAsync();
    }

    /// <summary>As one node tells the others.</summary>
    private async Task TellAsync()
    {
        await using var command = stack.Database.CreateCommand("notify " + Projector.Channel);
        await command.ExecuteNonQueryAsync();
    }
}
