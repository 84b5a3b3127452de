using Npgsql;

namespace CVault.Bench;

/// <summary>What the API's sessions in PostgreSQL wait for, looked at fifty times a second.</summary>
public sealed class Waits : IDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly Task<IReadOnlyList<(string, double)>> sampling;

    public Waits(Stack stack, bool on) => sampling = on ? SampleAsync(stack) : Task.FromResult<IReadOnlyList<(string, double)>>([]);

    /// <returns>Each kind with the number of sessions that were in it, on average.</returns>
    public async Task<IReadOnlyList<(string Wait, double Sessions)>> EndAsync()
    {
        await stop.CancelAsync();
        return await sampling;
    }

    public void Dispose() => stop.Dispose();

    private async Task<IReadOnlyList<(string, double)>> SampleAsync(Stack stack)
    {
        var (seen, looks) = (new Dictionary<string, int>(), 0);
        await using var connection = await stack.Database.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("""
            select case when state = 'idle' then 'idle' when wait_event is null then 'running' else wait_event_type || ' ' || wait_event end
              || case when state = 'idle in transaction' then ', in a transaction' else '' end, count(*)
            from pg_stat_activity where application_name = 'cvault' group by 1
            """, connection);
        while (!stop.IsCancellationRequested)
        {
            await using (var reader = await command.ExecuteReaderAsync())
            {
                while (await reader.ReadAsync()) seen[reader.GetString(0)] = seen.GetValueOrDefault(reader.GetString(0)) + (int)reader.GetInt64(1);
            }

            looks++;
            await Task.Delay(20).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return [.. seen.OrderByDescending(s => s.Value).Select(s => (s.Key, (double)s.Value / looks))];
    }
}
