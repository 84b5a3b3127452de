using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using CVault.Metering;
using CVault.Projections;
using CVault.Projections.Usage;
using Npgsql;

namespace CVault.Bench;

/// <summary>
/// Whether the read models keep up: readings at the rate of a large platform, the greatest rate of catching up beside the
/// same rows written by hand, and how soon after a commit it can be read. The stack's own process does the work; the
/// bench writes events as another node would, and tells as one.
/// </summary>
public sealed class ProjectionsBench(Stack stack, bool quick, int concurrency)
{
    private const int SamplesAReading = 50, PerSecond = 1000;

    private readonly int sessions = quick ? 50_000 : 750_000, seconds = quick ? 5 : 30, backlog = quick ? 4_000 : 20_000;
    private readonly Guid[] tenants = [.. Enumerable.Range(0, 50).Select(_ => Guid.CreateVersion7())];
    private readonly Guid server = Guid.CreateVersion7();
    private readonly DateTimeOffset now = DateTimeOffset.UtcNow;
    private readonly long firstNumber = 1L << 40;
    private int version, at;

    public async Task<string> RunAsync()
    {
        await PrepareAsync();
        Say($"{PerSecond} readings a second for {seconds} s");
        var (behind, worst) = await KeepUpAsync();
        Say($"catching up on {backlog} readings");
        var (caughtUp, floor) = await CatchUpAsync();
        Say($"{PerSecond} events a second");
        var lags = await LagsAsync();
        var usage = await new UsageBench(stack, quick, concurrency).RunAsync();

        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"# Read models, {now:yyyy-MM-dd}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"`ops/bench projections{(quick ? " --quick" : "")}` of {Stack.Variable("CVAULT_BENCH_COMMIT")}, {Environment.ProcessorCount} cores shared by the writer, PostgreSQL and the projector; {sessions:N0} open sessions of {tenants.Length} tenants. The ratios are what matters.").AppendLine();
        text.AppendLine("| | measured | target | |").AppendLine("|---|---:|---:|---|");
        void Line(string what, string measured, string target, bool met) => text.AppendLine(CultureInfo.InvariantCulture, $"| {what} | {measured} | {target} | {(met ? "met" : "missed")} |");
        Line($"{PerSecond} readings of {SamplesAReading} samples a second for {seconds} s: behind at the end (worst meanwhile {worst:0.0} s)", $"{behind:0.0} s", "2 s", behind <= 2);
        Line("catching up, readings a second", $"{backlog / caughtUp:N0}", $"{PerSecond:N0}", backlog / caughtUp >= PerSecond);
        Line($"of the same rows by hand-written `unnest` ({backlog / floor:N0} readings a second)", $"{floor / caughtUp:0.00}", "0.25", floor / caughtUp >= 0.25);
        Line($"commit to read model at {PerSecond} events a second, p50", $"{At(lags, 50):0.0} ms", "50 ms (aim 10)", At(lags, 50) <= 50);
        Line("the same, p99", $"{At(lags, 99):0.0} ms", "250 ms (aim 50)", At(lags, 99) <= 250);
        Line($"`GET /api/v1/usage`, {usage.PerSecond:N0} requests a second, of one that counts raw samples ({usage.Raw:N0}), at {usage.Samples:N0} samples", $"{usage.PerSecond / usage.Raw:0.0}", "8", usage.PerSecond / usage.Raw >= 8);
        return text.ToString();
    }

    /// <summary>The sessions, whose beginnings the read models take in before anything is measured.</summary>
    private async Task PrepareAsync()
    {
        Say($"{sessions} sessions");
        await stack.QueryAsync("insert into cvault.mt_streams (id, type, version, tenant_id) select t, null, 1000000000, t::text from unnest($1::uuid[]) t", tenants);
        const int Step = 50_000;
        for (var from = 0; from < sessions; from += Step)
        {
            await stack.QueryAsync("""
                with s as materialized (select gen_random_uuid() as id, n, ($3::uuid[])[1 + n % array_length($3::uuid[], 1)] as tenant from generate_series($1::int, $2::int) n),
                streams as (insert into cvault.mt_streams (id, type, version, tenant_id) select id, 'session', 1, tenant::text from s)
                insert into cvault.mt_events (seq_id, id, stream_id, version, data, type, tenant_id, timestamp)
                select nextval('cvault.mt_events_sequence'), gen_random_uuid(), id, 1,
                  jsonb_build_object('userId', gen_random_uuid(), 'deviceId', gen_random_uuid(), 'serverId', $4::uuid, 'address', '10.8.0.2', 'number', $5::bigint + n, 'by', 'handshake'), 'session_started_v1', tenant::text, now() from s
                """, from, Math.Min(from + Step, sessions) - 1, tenants, server, firstNumber);
        }

        await ReachAsync(await LastAsync());
        await stack.QueryAsync("vacuum analyze cvault.usage_sessions, cvault.mt_events");
    }

    private async Task<(double Behind, double Worst)> KeepUpAsync()
    {
        const int Batch = 20;
        await using var connection = await OpenAsync();
        var start = Stopwatch.GetTimestamp();
        var written = new ConcurrentQueue<(long Sequence, long At)>();
        using var over = new CancellationTokenSource();
        var worst = 0.0;
        var watch = Task.Run(async () =>
        {
            await using var mine = await OpenAsync();
            while (!over.IsCancellationRequested)
            {
                var position = await PositionAsync(mine);
                while (written.TryPeek(out var oldest) && oldest.Sequence <= position) written.TryDequeue(out _);
                if (written.TryPeek(out var waiting)) worst = Math.Max(worst, Stopwatch.GetElapsedTime(waiting.At).TotalSeconds);
                await Task.Delay(20);
            }
        });
        long last = 0;
        for (var batch = 0; batch < seconds * PerSecond / Batch; batch++)
        {
            last = await AppendAsync(connection, Readings(Batch));
            written.Enqueue((last, Stopwatch.GetTimestamp()));
            var due = TimeSpan.FromSeconds((batch + 1) * (double)Batch / PerSecond) - Stopwatch.GetElapsedTime(start);
            if (due > TimeSpan.Zero) await Task.Delay(due);
        }

        var took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (took > seconds * 1.05) Say($"the writer itself was {took - seconds:0.0} s late");
        var end = Stopwatch.GetTimestamp();
        await ReachAsync(last);
        await over.CancelAsync();
        await watch;
        return (Stopwatch.GetElapsedTime(end).TotalSeconds, worst);
    }

    /// <summary>Seconds for a backlog by the read models, and by hand.</summary>
    private async Task<(double Models, double Floor)> CatchUpAsync()
    {
        await using var connection = await OpenAsync();
        var readings = Readings(backlog);
        await stack.QueryAsync("drop schema if exists bench cascade");
        await stack.QueryAsync("create schema bench");
        foreach (var table in new[] { UsageModel.Hours, UsageModel.Days })
        {
            await stack.QueryAsync($"create table bench.{table} (like cvault.{table} including all) with (fillfactor = 75)");
            await stack.QueryAsync($"insert into bench.{table} select * from cvault.{table}");
        }

        await stack.QueryAsync("vacuum analyze bench.usage_hours, bench.usage_days");
        await stack.QueryAsync("checkpoint");
        long last = 0;
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            foreach (var some in readings.Chunk(1000)) last = await AppendAsync(connection, some, tell: false);
            await transaction.CommitAsync();
        }

        var start = Stopwatch.GetTimestamp();
        await TellAsync(connection);
        await ReachAsync(last);
        var models = Stopwatch.GetElapsedTime(start).TotalSeconds;

        // As prepared as can be: arrays in memory, in the order of the index, a thousand readings a transaction.
        var batches = readings.Chunk(1000).Select(some =>
        {
            var rows = some.SelectMany(r => r.Samples.All.Select(s => (r.Tenant, s.Session, s.RxBytes, s.TxBytes))).GroupBy(r => (r.Tenant, r.Session)).OrderBy(g => g.Key).ToArray();
            return (Tenants: rows.Select(g => g.Key.Tenant).ToArray(), Numbers: rows.Select(g => g.Key.Session).ToArray(), Rx: rows.Select(g => g.Sum(r => r.RxBytes)).ToArray(), Tx: rows.Select(g => g.Sum(r => r.TxBytes)).ToArray());
        }).ToArray();
        await stack.QueryAsync("checkpoint");
        start = Stopwatch.GetTimestamp();
        foreach (var (of, numbers, rx, tx) in batches)
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var batch = new NpgsqlBatch(connection, transaction);
            batch.BatchCommands.Add(new("set local synchronous_commit = off"));
            foreach (var (table, begin) in new[] { (UsageModel.Hours, HourSplit.HourOf(now)), (UsageModel.Days, HourSplit.DayOf(now)) })
            {
                var command = new NpgsqlBatchCommand(UsageModel.UpsertSql("bench." + table));
                foreach (var value in new object[] { of, Enumerable.Repeat(begin, of.Length).ToArray(), numbers, rx, tx, new long[of.Length] }) command.Parameters.Add(new NpgsqlParameter { Value = value });
                batch.BatchCommands.Add(command);
            }

            await batch.ExecuteNonQueryAsync();
            await transaction.CommitAsync();
        }

        return (models, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>From each commit to the first look that finds it in the read model, in milliseconds.</summary>
    private async Task<double[]> LagsAsync()
    {
        const int Writers = 8;
        var commits = new ConcurrentBag<(long Sequence, long At)>();
        var looks = new List<(long Position, long At)>();
        using var over = new CancellationTokenSource();
        using var told = new SemaphoreSlim(0);
        // One node's words to the one that leads: never more than one at a time on its way.
        var speaker = Task.Run(async () =>
        {
            await using var connection = await OpenAsync();
            while (!over.IsCancellationRequested)
            {
                if (!await told.WaitAsync(100)) continue;
                while (await told.WaitAsync(0)) { }
                await TellAsync(connection);
            }
        });
        var watch = Task.Run(async () =>
        {
            await using var connection = await OpenAsync();
            while (!over.IsCancellationRequested)
            {
                looks.Add((await PositionAsync(connection), Stopwatch.GetTimestamp()));
                await Task.Delay(1);
            }
        });
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            await using var connection = await OpenAsync();
            for (var i = 0; i < seconds * PerSecond / Writers; i++)
            {
                var sequence = await AppendAsync(connection, Readings(1, 1), tell: false);
                commits.Add((sequence, Stopwatch.GetTimestamp()));
                told.Release();
                var due = TimeSpan.FromSeconds((i + 1) * (double)Writers / PerSecond) - Stopwatch.GetElapsedTime(start);
                if (due > TimeSpan.Zero) await Task.Delay(due);
            }
        })));
        Say($"{commits.Count / Stopwatch.GetElapsedTime(start).TotalSeconds:N0} events a second were written");
        await ReachAsync(commits.Max(c => c.Sequence));
        await Task.Delay(100);
        await over.CancelAsync();
        await Task.WhenAll(watch, speaker);

        var lags = new List<double>();
        var look = 0;
        foreach (var (sequence, committed) in commits.OrderBy(c => c.Sequence))
        {
            while (looks[look].Position < sequence) look++;
            lags.Add(Math.Max(0, Stopwatch.GetElapsedTime(committed, looks[look].At).TotalMilliseconds));
        }

        return [.. lags.Order()];
    }

    private sealed record Reading(Guid Tenant, int Version, SampleSet Samples, string Json);

    /// <summary>Readings of the sessions in turn, as a collector takes them.</summary>
    private Reading[] Readings(int count, int samples = SamplesAReading) => [.. Enumerable.Range(0, count).Select(_ =>
    {
        var n = Interlocked.Increment(ref version);
        var tenant = n % tenants.Length;
        // A tenant's sessions are every so-manieth.
        var first = Interlocked.Add(ref at, samples) % (sessions / tenants.Length);
        var set = new SampleSet(Enumerable.Range(0, samples).Select(i => new Sample(firstNumber + tenant + (long)((first + i) % (sessions / tenants.Length)) * tenants.Length, 90_000 + i, 1_500_000 + i)));
        return new Reading(tenants[tenant], n, set, JsonSerializer.Serialize(new { serverId = server, from = now, to = now, samples = set }));
    })];

    private async Task<long> AppendAsync(NpgsqlConnection connection, Reading[] readings, bool tell = true)
    {
        await using var command = new NpgsqlCommand("""
            with e as (insert into cvault.mt_events (seq_id, id, stream_id, version, data, type, tenant_id, timestamp)
              select nextval('cvault.mt_events_sequence'), gen_random_uuid(), t, v, d::jsonb, 'usage_metered_v1', t::text, now() from unnest($1::uuid[], $2::int[], $3::text[]) as r (t, v, d) returning seq_id)
            select max(seq_id) from e
            """, connection);
        command.Parameters.Add(new() { Value = readings.Select(r => r.Tenant).ToArray() });
        command.Parameters.Add(new() { Value = readings.Select(r => r.Version).ToArray() });
        command.Parameters.Add(new() { Value = readings.Select(r => r.Json).ToArray() });
        var last = (long)(await command.ExecuteScalarAsync())!;
        if (tell) await TellAsync(connection);
        return last;
    }

    private static async Task TellAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("notify " + Projector.Channel, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>What the bench writes need not survive a crash.</summary>
    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = await stack.Database.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("set synchronous_commit = off", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    private Task<long> LastAsync() => stack.CountAsync("select max(seq_id) from cvault.mt_events");

    /// <summary>How far those are that readings change.</summary>
    private static async Task<long> PositionAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("select min(position) from cvault.read_models where name in ('usage', 'load')", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private async Task ReachAsync(long sequence)
    {
        var start = Stopwatch.GetTimestamp();
        await using var connection = await OpenAsync();
        while (await PositionAsync(connection) < sequence)
        {
            if (Stopwatch.GetElapsedTime(start).TotalMinutes > 20) throw new InvalidOperationException("The read models do not get there.");
            await Task.Delay(5);
        }
    }

    private static double At(double[] sorted, int percent) => sorted[Math.Min(sorted.Length - 1, sorted.Length * percent / 100)];

    private static void Say(string what) => Console.Error.WriteLine("    " + what);
}
