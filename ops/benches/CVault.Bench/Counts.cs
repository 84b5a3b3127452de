using System.Diagnostics;
using System.Globalization;

namespace CVault.Bench;

/// <summary>What registrations cost PostgreSQL, by PostgreSQL's own counters.</summary>
/// <param name="Commits">Transactions that committed, each read outside of one included: <c>pg_stat_database.xact_commit</c>.</param>
/// <param name="Writing">Transactions that wrote: transaction ids given out.</param>
/// <param name="Exchanges">With the server: batches, each of which confirms its rows with one time.</param>
/// <param name="RoundTrips">Messages that the sessions sent the API; null where there is no strace.</param>
/// <param name="Rows">Rows written, by table: inserted, updated.</param>
/// <param name="IdleCommits">A second, while nothing was asked of the API; subtracted from the others.</param>
public sealed record Counts(
    double Commits, double Writing, double Exchanges, double? RoundTrips, IReadOnlyDictionary<string, (double Inserted, double Updated)> Rows, double IdleCommits, int Of)
{
    /// <summary>PostgreSQL's sessions report their counters at most this long after they became idle.</summary>
    private static readonly TimeSpan Reported = TimeSpan.FromSeconds(12);

    /// <summary>Counts over some registrations, one by one.</summary>
    public static async Task<Counts> OfAsync(Stack stack, Load load, Guid serverId, int registrations)
    {
        await Task.Delay(Reported);
        var (idle0, idleStart) = (await SnapshotAsync(stack), Stopwatch.GetTimestamp());
        await Task.Delay(Reported);
        var (before, start) = (await SnapshotAsync(stack), Stopwatch.GetTimestamp());
        var idleSeconds = Stopwatch.GetElapsedTime(idleStart, start).TotalSeconds;
        double Idle(Func<Snapshot, double> of) => (of(before) - of(idle0)) / idleSeconds;

        var from = DateTimeOffset.UtcNow;
        var run = await load.OneByOneAsync(registrations, TimeSpan.FromMilliseconds(20));
        var exchanges = await ExchangesAsync(stack, serverId, from);
        await Task.Delay(Reported);
        var after = await SnapshotAsync(stack);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double Each(Func<Snapshot, double> of) => (of(after) - of(before) - Idle(of) * seconds) / run.Registered;

        var rows = after.Rows.Keys.ToDictionary(t => t, t => (
            Each(s => s.Rows.GetValueOrDefault(t).Inserted), Each(s => s.Rows.GetValueOrDefault(t).Updated)));
        return new Counts(Each(s => s.Commits), Each(s => s.Ids), (double)exchanges / run.Registered, await RoundTripsAsync(load),
            rows.Where(r => r.Value.Item1 > 0.05 || r.Value.Item2 > 0.05).ToDictionary(r => r.Key, r => r.Value), Idle(s => s.Commits), run.Registered);
    }

    /// <summary>Exchanges with the server since then that put peers there.</summary>
    public static Task<long> ExchangesAsync(Stack stack, Guid serverId, DateTimeOffset since) =>
        stack.CountAsync("select count(distinct confirmed_at) from cvault.peers where server_id = $1 and confirmed_at >= $2", serverId, since);

    public static Task<long> TransactionIdsAsync(Stack stack) => stack.CountAsync("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint");

    private sealed record Snapshot(double Commits, double Ids, IReadOnlyDictionary<string, (double Inserted, double Updated)> Rows);

    private static async Task<Snapshot> SnapshotAsync(Stack stack)
    {
        var rows = new Dictionary<string, (double, double)>();
        await using (var command = stack.Database.CreateCommand("select relname, n_tup_ins, n_tup_upd from pg_stat_user_tables where schemaname = 'cvault'"))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync()) rows[reader.GetString(0)] = (reader.GetInt64(1), reader.GetInt64(2));
        }

        return new Snapshot(await stack.CountAsync("select xact_commit from pg_stat_database where datname = 'cvault'"), await TransactionIdsAsync(stack), rows);
    }

    /// <summary>
    /// A session answers a round trip with one message, as no answer here exceeds its buffer of 8 KiB. strace slows the
    /// sessions down, so these registrations are of no other use.
    /// </summary>
    private static async Task<double?> RoundTripsAsync(Load load)
    {
        if (!File.Exists("/usr/bin/strace")) return null;
        var postgres = Stack.Pid("postgres");
        var sessions = Directory.EnumerateDirectories("/proc").Where(d => IsSession(d, postgres)).Select(Path.GetFileName).ToArray();
        var output = Path.Combine(Stack.StateDir, "run", "strace");
        var start = new ProcessStartInfo("/usr/bin/strace") { RedirectStandardError = true };
        foreach (var argument in (string[])["-qq", "-e", "trace=sendto", "-e", "signal=none", "-o", output, .. sessions.SelectMany(s => (string[])["-p", s!])]) start.ArgumentList.Add(argument);
        using var strace = Process.Start(start)!;
        await Task.Delay(1000);
        var idleFrom = LinesIn(output);
        await Task.Delay(5000);
        var idle = (LinesIn(output) - idleFrom) / 5.0;
        var (before, began) = (LinesIn(output), Stopwatch.GetTimestamp());
        var run = await load.OneByOneAsync(50, TimeSpan.FromMilliseconds(20));
        var sent = LinesIn(output) - before - idle * Stopwatch.GetElapsedTime(began).TotalSeconds;
        using (var stop = Process.Start("kill", ["-INT", strace.Id.ToString(CultureInfo.InvariantCulture)])) await stop.WaitForExitAsync();
        await strace.WaitForExitAsync();
        File.Delete(output);
        return sent / run.Registered;
    }

    private static int LinesIn(string file) => File.Exists(file) ? File.ReadAllText(file).Count(c => c == '\n') : 0;

    private static bool IsSession(string folder, int postgres)
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(folder, "stat"));
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1] == postgres.ToString(CultureInfo.InvariantCulture)
                && File.ReadAllText(Path.Combine(folder, "cmdline")).Contains("cvault cvault", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
