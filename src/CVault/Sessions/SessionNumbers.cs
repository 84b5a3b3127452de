using Npgsql;
using Weasel.Postgresql;

namespace CVault.Sessions;

/// <summary>
/// Numbers of sessions, unique over all tenants: what meter readings name sessions by, in two or three bytes. A node takes
/// a thousand at a time, so that a connect costs no round trip for it; what a node that ends has not used is lost, which
/// is why they are no count.
/// </summary>
public sealed class SessionNumbers(NpgsqlDataSource database)
{
    private const int Block = 1000;
    private const string Name = "session_number";

    private readonly SemaphoreSlim turn = new(1);
    private long next, end;

    public static Sequence Schema() => new(Database.Named(Name));

    public async ValueTask<long> NextAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            if (next == end)
            {
                await using var command = database.CreateCommand($"select nextval('{Database.Schema}.{Name}')");
                next = (long)(await command.ExecuteScalarAsync(cancellation))! * Block;
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
