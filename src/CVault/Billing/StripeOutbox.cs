using Npgsql;

namespace CVault.Billing;

/// <summary>One thing that is to be said to Stripe.</summary>
/// <param name="Id">The event's: a meter event's identifier, and what idempotency keys are made of.</param>
/// <param name="Amount">Bytes, or minor units of the invoice's currency.</param>
/// <param name="Attempt">The first is 1.</param>
/// <param name="UnsureSince">Before this attempt; null: Stripe has certainly not done it.</param>
/// <param name="Refusals">How often Stripe has refused it for certain.</param>
public sealed record StripeDue(Guid Id, Guid TenantId, StripeKind Kind, string Customer, Guid? InvoiceId, long Amount, DateTimeOffset At, int Attempt, DateTimeOffset? UnsureSince, int Refusals);

/// <summary>Something whose turn with Stripe is not over.</summary>
/// <param name="Id">The event's.</param>
/// <param name="Problem">What Stripe said last.</param>
public sealed record StripeStanding(Guid Id, Guid TenantId, string Kind, string State, long Amount, DateTimeOffset At, int Attempts, DateTimeOffset NextAt, string? Problem);

/// <summary>What waits to be said to Stripe, of all tenants.</summary>
public sealed class StripeOutbox(NpgsqlDataSource database, TimeProvider time)
{
    /// <summary>Stripe knows an identifier and an idempotency key for at least 24 hours; an answer may be an hour late.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromHours(23);

    /// <summary>Stripe takes usage of the past 35 days.</summary>
    public static readonly TimeSpan Taken = TimeSpan.FromDays(35) - TimeSpan.FromMinutes(10);

    /// <summary>How long a claim holds.</summary>
    public static readonly TimeSpan Claim = TimeSpan.FromMinutes(2);
    private const int LongestPause = 3600;

    /// <summary>Sets aside the usage that must not be said any more, for a look now and then: it is not taken in any case.</summary>
    public Task SetOutdatedAsideAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        return RunAsync($"""
            update {StripeTables.Outbox} set state = case when unsure_since is null then '{nameof(StripeState.Expired)}' else '{nameof(StripeState.Doubtful)}' end
            where state = '{nameof(StripeState.Waiting)}' and kind = '{nameof(StripeKind.Usage)}' and next_at <= $1 and (at < $2 or unsure_since < $3)
            """, cancellation, now, now - Taken, now - Remembered);
    }

    /// <summary>Takes some of what is due, what waits longest first; invoices and what concerns them before usage, of which there is so much more.</summary>
    public async Task<List<StripeDue>> TakeAsync(int most, CancellationToken cancellation)
    {
        const string Due = $"select id, unsure_since from {StripeTables.Outbox} where state = '{nameof(StripeState.Waiting)}' and next_at <= $1";
        await using var command = database.CreateCommand($"""
            with money as materialized (
              {Due} and kind <> '{nameof(StripeKind.Usage)}' order by next_at limit $5 for update skip locked),
            usage as materialized (
              {Due} and kind = '{nameof(StripeKind.Usage)}' and at >= $2 and coalesce(unsure_since >= $3, true)
              order by next_at limit $5 - (select count(*) from money) for update skip locked),
            due as (select * from money union all select * from usage)
            update {StripeTables.Outbox} o set next_at = $4, attempts = attempts + 1, unsure_since = coalesce(o.unsure_since, $1) from due
            where o.id = due.id returning o.id, o.tenant_id, o.kind, o.customer, o.invoice_id, o.amount, o.at, o.attempts, due.unsure_since, o.refusals
            """);
        var now = time.GetUtcNow();
        foreach (var at in new[] { now, now - Taken, now - Remembered, now + Claim }) command.Parameters.Add(new() { Value = at });
        command.Parameters.Add(new() { Value = most });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var due = new List<StripeDue>();
        while (await reader.ReadAsync(cancellation))
        {
            due.Add(new StripeDue(
                reader.GetGuid(0), Guid.Parse(reader.GetString(1)), Enum.Parse<StripeKind>(reader.GetString(2)), reader.GetString(3), reader.IsDBNull(4) ? null : reader.GetGuid(4), reader.GetInt64(5),
                reader.GetFieldValue<DateTimeOffset>(6), reader.GetInt32(7), reader.IsDBNull(8) ? null : reader.GetFieldValue<DateTimeOffset>(8), reader.GetInt32(9)));
        }

        return due;
    }

    // What became of an attempt counts only while it is the last one: a claim that ran out may be another node's by now.

    /// <summary>Stripe has it.</summary>
    public Task DoneAsync(StripeDue due, CancellationToken cancellation) => RunAsync($"delete from {StripeTables.Outbox} where id = $1 and attempts = $2", cancellation, due.Id, due.Attempt);

    /// <summary>Stripe has refused this attempt, and done nothing.</summary>
    public Task RefusedAsync(StripeDue due, string problem, CancellationToken cancellation) => RunAsync(
        $"update {StripeTables.Outbox} set next_at = $2, problem = $3, unsure_since = $4, refusals = refusals + 1 where id = $1 and attempts = $5", cancellation,
        due.Id, time.GetUtcNow() + PauseAfter(due.Attempt), problem, (object?)due.UnsureSince ?? DBNull.Value, due.Attempt);

    /// <summary>Nobody knows whether Stripe has done it.</summary>
    /// <param name="answered">It has answered, if only that it broke: the same idempotency key would be answered the same.</param>
    public Task UnsureAsync(StripeDue due, string problem, bool answered, CancellationToken cancellation) => RunAsync(
        $"update {StripeTables.Outbox} set next_at = $2, problem = $3, refusals = refusals + $4 where id = $1 and attempts = $5", cancellation, due.Id, time.GetUtcNow() + PauseAfter(due.Attempt), problem, answered ? 1 : 0, due.Attempt);

    /// <summary>It waits for something else that is to be said first; nothing was said.</summary>
    public Task PostponeAsync(StripeDue due, CancellationToken cancellation) => RunAsync(
        $"update {StripeTables.Outbox} set next_at = $2, unsure_since = $3 where id = $1 and attempts = $4", cancellation, due.Id, time.GetUtcNow() + TimeSpan.FromSeconds(5), (object?)due.UnsureSince ?? DBNull.Value, due.Attempt);

    public Task SetAsideAsync(StripeDue due, StripeState state, string problem, CancellationToken cancellation) =>
        RunAsync($"update {StripeTables.Outbox} set state = $2, problem = $3 where id = $1 and attempts = $4", cancellation, due.Id, state.ToString(), problem, due.Attempt);

    public async Task<bool> WaitsAsync(StripeKind kind, Guid invoiceId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select exists (select from {StripeTables.Outbox} where kind = $1 and invoice_id = $2 and state = '{nameof(StripeState.Waiting)}')");
        command.Parameters.Add(new() { Value = kind.ToString() });
        command.Parameters.Add(new() { Value = invoiceId });
        return (bool)(await command.ExecuteScalarAsync(cancellation))!;
    }

    /// <summary>An operator's word: what was set aside is said again; or it, or what Stripe has refused, is forgotten.</summary>
    /// <returns>False: there is none of this id of which that can be decided.</returns>
    public async Task<bool> DecideAsync(Guid id, bool again, CancellationToken cancellation) => await RunAsync(
        again
            ? $"update {StripeTables.Outbox} set state = '{nameof(StripeState.Waiting)}', unsure_since = null, next_at = $2 where id = $1 and state <> '{nameof(StripeState.Waiting)}'"
            : $"delete from {StripeTables.Outbox} where id = $1 and (state <> '{nameof(StripeState.Waiting)}' or refusals > 0) and $2::timestamptz is not null",
        cancellation, id, time.GetUtcNow()) > 0;

    /// <summary>How many wait, and the first of what was set aside or refused.</summary>
    public async Task<(long Waiting, List<StripeStanding> Troubled)> ListAsync(int most, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select (select count(*) from {StripeTables.Outbox} where state = '{nameof(StripeState.Waiting)}'), id, tenant_id, kind, state, amount, at, attempts, next_at, problem
            from (select 1) one left join (select * from {StripeTables.Outbox} where state <> '{nameof(StripeState.Waiting)}' or problem is not null order by sequence limit $1) o on true
            """);
        command.Parameters.Add(new() { Value = most });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var (waiting, troubled) = (0L, new List<StripeStanding>());
        while (await reader.ReadAsync(cancellation))
        {
            waiting = reader.GetInt64(0);
            if (reader.IsDBNull(1)) continue;
            troubled.Add(new StripeStanding(
                reader.GetGuid(1), Guid.Parse(reader.GetString(2)), Names.Of(Enum.Parse<StripeKind>(reader.GetString(3))), Names.Of(Enum.Parse<StripeState>(reader.GetString(4))), reader.GetInt64(5),
                reader.GetFieldValue<DateTimeOffset>(6), reader.GetInt32(7), reader.GetFieldValue<DateTimeOffset>(8), reader.IsDBNull(9) ? null : reader.GetString(9)));
        }

        return (waiting, troubled);
    }

    public async Task<string?> StripeIdOfAsync(Guid invoiceId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select stripe_id from {StripeTables.Invoices} where invoice_id = $1");
        command.Parameters.Add(new() { Value = invoiceId });
        return (string?)await command.ExecuteScalarAsync(cancellation);
    }

    /// <summary>Before anybody can pay it, so that whoever pays is known.</summary>
    public Task LinkAsync(string stripeId, Guid invoiceId, Guid tenantId, CancellationToken cancellation) =>
        RunAsync($"insert into {StripeTables.Invoices} (stripe_id, invoice_id, tenant_id) values ($1, $2, $3) on conflict do nothing", cancellation, stripeId, invoiceId, tenantId.ToString());

    /// <summary>There is no such invoice there any more.</summary>
    public Task UnlinkAsync(string stripeId, CancellationToken cancellation) => RunAsync($"delete from {StripeTables.Invoices} where stripe_id = $1", cancellation, stripeId);

    private static TimeSpan PauseAfter(int attempt) => TimeSpan.FromSeconds(Math.Min(LongestPause, 1 << Math.Min(attempt - 1, 12)));

    private async Task<int> RunAsync(string sql, CancellationToken cancellation, params object[] values)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
