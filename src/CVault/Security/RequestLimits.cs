using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace CVault.Security;

/// <summary>How much of something there may be.</summary>
/// <param name="Most">In one window.</param>
/// <param name="Burst">How many more than <paramref name="Most"/> may fall into a time as long as a window that lies across two of them.</param>
/// <param name="Seconds">A window's length.</param>
public readonly record struct LimitRule(int Most, int Burst, int Seconds);

/// <summary>What became of one call.</summary>
/// <param name="Known">False when the database did not say in time; then <paramref name="Granted"/> is true.</param>
/// <param name="Remaining">How many more would be granted now.</param>
/// <param name="Reset">Until the window ends.</param>
/// <param name="RetryAfter">Until one would be granted again; zero for one that was.</param>
/// <param name="FirstRefusal">Whether this node refuses this subject for the first time in this window.</param>
public readonly record struct Permit(bool Granted, bool Known, int Remaining, TimeSpan Reset, TimeSpan RetryAfter, bool FirstRefusal);

/// <summary>
/// Limits in time, exact over all nodes: PostgreSQL counts, by one clock. Calls of one subject that come while a node
/// asks are taken together by its next question, and once none is left the node refuses from memory until the moment
/// that it was told (ops/decisions/0016).
/// </summary>
/// <param name="patience">How long the database may take to answer, a second when it is not given; then calls are not counted, and for a second nobody is asked.</param>
public sealed class RequestLimits(NpgsqlDataSource database, TimeProvider time, ILogger<RequestLimits> logger, TimeSpan? patience = null)
{
    /// <summary>How long calls are not counted once the database has not answered.</summary>
    private static readonly TimeSpan Blind = TimeSpan.FromSeconds(1);

    private readonly TimeSpan patience = patience ?? TimeSpan.FromSeconds(1);

    /// <summary>How long a node refuses without asking: elsewhere a right password may have given all tries back.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromSeconds(5);

    /// <summary>A subject that nobody asked for is forgotten by the node after this long; the database keeps its count.</summary>
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<string, Gate> gates = new(StringComparer.Ordinal);
    private int questions;
    private long complained;

    /// <summary>By a clock that nobody sets.</summary>
    private TimeSpan Now => time.GetElapsedTime(0);

    /// <summary>
    /// The counts and the function that takes of them. Unlogged, since a crash of the database may forget them: at worst a
    /// subject gets one window more. <c>previous</c> is what the window before used, which ended at <c>previous_ended</c>.
    /// </summary>
    public const string TakeSql = $"""
        create unlogged table if not exists {Database.Schema}.request_limits (
          subject text primary key, window_started timestamptz not null, window_ends timestamptz not null, used bigint not null,
          previous bigint not null, previous_ended timestamptz not null) with (fillfactor = 50);
        -- How much of the window that ended then lies within a time as long as a window that ends now.
        create or replace function {Database.Schema}.share_left(ended timestamptz, at timestamptz, window_seconds int) returns float8 language sql immutable as $share$
          select case when ended = '-infinity' then 0 else greatest(0, least(1, 1 - extract(epoch from at - ended)::float8 / window_seconds)) end
        $share$;
        create or replace function {Database.Schema}.take_requests(who text, wanted bigint, most bigint, burst bigint, window_seconds int,
          out granted bigint, out remaining bigint, out ends_in float8, out more_in float8) language plpgsql as $take$
        declare
          w {Database.Schema}.request_limits;
          at timestamptz;
          room float8;
        begin
          loop
            select * into w from {Database.Schema}.request_limits where subject = who for update;
            exit when found;
            insert into {Database.Schema}.request_limits values (who, clock_timestamp(), clock_timestamp() + make_interval(secs => window_seconds), 0, 0, '-infinity')
            on conflict do nothing;
          end loop;
          at := clock_timestamp(); -- after the wait for the row
          if at >= w.window_ends or at < w.window_started then
            w.previous := w.used; w.previous_ended := w.window_ends;
            w.window_started := at; w.window_ends := at + make_interval(secs => window_seconds); w.used := 0;
          end if;
          -- Both rules: the window's, and that of the time as long as a window that ends now.
          room := least(most - w.used, floor(most + burst - w.used - w.previous * {Database.Schema}.share_left(w.previous_ended, at, window_seconds)));
          granted := greatest(0, least(wanted, room));
          w.used := w.used + granted;
          update {Database.Schema}.request_limits set window_started = w.window_started, window_ends = w.window_ends, used = w.used, previous = w.previous, previous_ended = w.previous_ended
          where subject = who;
          remaining := greatest(0, room - granted);
          ends_in := extract(epoch from w.window_ends - at);
          more_in := case
            when remaining > 0 then 0
            -- Until then this window is the previous one: without a burst, one more fits a little later.
            when w.used >= most then ends_in + case when burst > 0 or most = 0 then 0 else window_seconds::float8 / most end
            -- used + previous * share falls to most + burst - 1.
            else least(ends_in, extract(epoch from w.previous_ended - at) + window_seconds * (1 - (most + burst - 1 - w.used)::float8 / greatest(w.previous, 1))) end;
          more_in := greatest(more_in, 0);
        end $take$;
        """;

    /// <summary>Takes one of the subject's.</summary>
    /// <param name="subject">Whose: a kind and an id, never personal data.</param>
    /// <param name="rule">How many there are. A changed rule holds from the next call on.</param>
    /// <param name="cancellation">Ends the wait, not the taking.</param>
    public Task<Permit> TakeAsync(string subject, LimitRule rule, CancellationToken cancellation) =>
        gates.GetOrAdd(subject, static _ => new Gate()).TakeAsync(this, subject, rule).WaitAsync(cancellation);

    /// <summary>What this node's memory refuses, and until when; null where it would have to ask. Takes nothing.</summary>
    public Permit? Refused(string subject) => gates.TryGetValue(subject, out var gate) ? gate.Refused(Now) : null;

    /// <summary>Deletes the subject's count.</summary>
    public async Task ForgetAsync(string subject, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.request_limits where subject = $1");
        command.Parameters.Add(new() { Value = subject });
        await command.ExecuteNonQueryAsync(cancellation);
        gates.TryRemove(subject, out _);
    }

    /// <summary>Deletes counts that bear on nothing any more.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.request_limits where clock_timestamp() > window_ends + (window_ends - window_started)");
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private async Task<Taken?> AskAsync(string subject, long wanted, LimitRule rule)
    {
        if (Interlocked.Increment(ref questions) % 1024 == 0) ForgetTheIdle();
        using var over = new CancellationTokenSource(patience, time);
        try
        {
            // A backend that does not answer does not hear that it is cancelled either.
            return await QueryAsync(subject, wanted, rule, over.Token).WaitAsync(patience, time);
        }
        catch (Exception e) when (e is not PostgresException { SqlState: not (['5', '3' or '7', ..] or ['0', '8', ..]) }
            && e is NpgsqlException or TimeoutException or OperationCanceledException or System.Net.Sockets.SocketException)
        {
            // Not there, not in time, or too busy; any other complaint of the database is a fault here and no call passes by it.
            if (Complain()) logger.LogWarning("Calls are not counted: the database did not answer ({Kind})", e.GetBaseException().GetType().Name);
            return null;
        }
    }

    private async Task<Taken> QueryAsync(string subject, long wanted, LimitRule rule, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select granted, remaining, ends_in, more_in from {Database.Schema}.take_requests($1, $2, $3, $4, $5)");
        command.Parameters.Add(new() { Value = subject });
        command.Parameters.Add(new() { Value = wanted });
        command.Parameters.Add(new() { Value = (long)rule.Most });
        command.Parameters.Add(new() { Value = (long)rule.Burst });
        command.Parameters.Add(new() { Value = rule.Seconds });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return new Taken(reader.GetInt64(0), reader.GetInt64(1), TimeSpan.FromSeconds(reader.GetDouble(2)), TimeSpan.FromSeconds(reader.GetDouble(3)));
    }

    /// <summary>Once in ten seconds.</summary>
    private bool Complain()
    {
        var last = Interlocked.Read(ref complained);
        var now = time.GetTimestamp();
        return (last == 0 || time.GetElapsedTime(last, now) > TimeSpan.FromSeconds(10)) && Interlocked.CompareExchange(ref complained, now, last) == last;
    }

    private void ForgetTheIdle()
    {
        foreach (var (subject, gate) in gates)
        {
            // Whoever holds it still asks by it, which harms nothing: the database counts.
            if (gate.IsIdle(Now)) gates.TryRemove(subject, out _);
        }
    }

    private readonly record struct Taken(long Granted, long Remaining, TimeSpan EndsIn, TimeSpan MoreIn);

    /// <summary>One subject on this node: who waits for the next question, what is held of the last answer.</summary>
    private sealed class Gate
    {
        private readonly Lock turn = new();
        private List<TaskCompletionSource<Permit>> waiting = [];
        private LimitRule rule;
        private bool asking;
        private long held, remaining;

        /// <summary>Until when: held permits are good, none would be granted, nobody asks for any, nobody is asked at all, refusals were told of.</summary>
        private TimeSpan windowEnds, refusedUntil, askAgain, blindUntil, toldUntil, lastUse;

        public Task<Permit> TakeAsync(RequestLimits limits, string subject, LimitRule current)
        {
            lock (turn)
            {
                var now = limits.Now;
                lastUse = now;
                if (rule != current) (rule, held, refusedUntil, askAgain) = (current, 0, default, default);
                if (FromMemory(now) is { } known) return Task.FromResult(known);
                var mine = new TaskCompletionSource<Permit>(TaskCreationOptions.RunContinuationsAsynchronously);
                waiting.Add(mine);
                if (!asking)
                {
                    asking = true;
                    _ = AskAsync(limits, subject);
                }

                return mine.Task;
            }
        }

        public Permit? Refused(TimeSpan now)
        {
            lock (turn) return now < refusedUntil ? Refusal(now) : null;
        }

        public bool IsIdle(TimeSpan now)
        {
            lock (turn) return !asking && now - lastUse > Idle && now > refusedUntil;
        }

        /// <summary>What needs no question; null where one must be asked.</summary>
        private Permit? FromMemory(TimeSpan now)
        {
            if (now < blindUntil) return Uncounted;
            if (held > 0 && now < windowEnds)
            {
                held--;
                return Granting(now);
            }

            return now < askAgain ? Refusal(now) : null;
        }

        private async Task AskAsync(RequestLimits limits, string subject)
        {
            while (true)
            {
                List<TaskCompletionSource<Permit>> together;
                LimitRule asked;
                lock (turn)
                {
                    // Those who came while the last question was under way take what is held of its answer.
                    while (waiting.Count > 0 && FromMemory(limits.Now) is { } known)
                    {
                        waiting[^1].SetResult(known);
                        waiting.RemoveAt(waiting.Count - 1);
                    }

                    if (waiting.Count == 0)
                    {
                        asking = false;
                        return;
                    }

                    (together, waiting, asked) = (waiting, [], rule);
                }

                // A busy subject takes some in advance, a thousandth of its limit: to so much are counts inexact.
                var wanted = together.Count + asked.Most / 1000;
                Taken? answer;
                var now = limits.Now; // before the question, so that the window ends here no later than there
                try
                {
                    answer = await limits.AskAsync(subject, wanted, asked);
                }
                catch (Exception e)
                {
                    lock (turn)
                    {
                        together.AddRange(waiting);
                        (waiting, asking) = ([], false);
                    }

                    foreach (var one in together) one.SetException(e);
                    return;
                }

                lock (turn)
                {
                    if (answer is not { } taken)
                    {
                        blindUntil = limits.Now + Blind;
                        foreach (var one in together) one.SetResult(Uncounted);
                        continue;
                    }

                    windowEnds = now + taken.EndsIn;
                    var granted = Math.Min(taken.Granted, together.Count);
                    (held, remaining) = (rule == asked ? taken.Granted - granted : 0, taken.Remaining);
                    if (taken.Granted < wanted && rule == asked)
                    {
                        refusedUntil = now + taken.MoreIn;
                        askAgain = now + (taken.MoreIn < Memory ? taken.MoreIn : Memory);
                    }

                    for (var i = 0; i < together.Count; i++)
                    {
                        remaining = taken.Remaining + Math.Max(0, granted - 1 - i); // As if they had come one after the other.
                        together[i].SetResult(i < granted ? Granting(now) : Refusal(now));
                    }

                    remaining = taken.Remaining;
                }
            }
        }

        private static Permit Uncounted => new(Granted: true, Known: false, 0, TimeSpan.Zero, TimeSpan.Zero, FirstRefusal: false);

        private Permit Granting(TimeSpan now) => new(true, true, (int)Math.Min(int.MaxValue, remaining + held), Left(windowEnds, now), TimeSpan.Zero, false);

        private Permit Refusal(TimeSpan now)
        {
            var first = now >= toldUntil;
            if (first) toldUntil = windowEnds > now ? windowEnds : now + TimeSpan.FromSeconds(rule.Seconds);
            return new(false, true, 0, Left(windowEnds, now), Left(refusedUntil, now), first);
        }

        private static TimeSpan Left(TimeSpan until, TimeSpan now) => until > now ? until - now : TimeSpan.Zero;
    }
}
