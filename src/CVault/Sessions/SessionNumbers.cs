using Marten;
using Npgsql;
using Weasel.Postgresql;

namespace CVault.Sessions;

/// <summary>
/// Numbers of sessions, unique over all tenants: what meter readings name sessions by, in two or three bytes. A node takes
/// a thousand at a time, so that a connect costs no round trip for it; what a node that ends has not used is lost, which
/// is why they are no count.
/// </summary>
public sealed class SessionNumbers
{
    private const int Block = 1000;
    private const string Name = "session_number";

    private readonly SemaphoreSlim turn = new(1);
    private long next, end;

    public static Sequence Schema() => new(Database.Named(Name));

    /// <summary>The next number.</summary>
    /// <param name="session">
    /// Whoever asks has a connection for its transaction. The next thousand come over that one: as many connects at once as
    /// the pool has connections would else each wait for one more. A sequence gives none back, whatever becomes of the transaction.
    /// </param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<long> NextAsync(IQuerySession session, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            if (next == end)
            {
                await using var command = new NpgsqlCommand($"select nextval('{Database.Schema}.{Name}')");
                await using var reader = await session.ExecuteReaderAsync(command, cancellation);
                await reader.ReadAsync(cancellation);
                next = reader.GetInt64(0) * Block;
                end = next + Block;
            }

            return next++;
        }
        finally
        {
            turn.Release();
        }
    }
}
