using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>
/// Counted limits, refereed by PostgreSQL: a tenant's users and a user's devices. Taking one is a conditional update
/// of one row in the transaction that appends the events, so of many at once exactly as many as fit succeed, and a
/// transaction that rolls back gives back what it took.
/// </summary>
public static class Quotas
{
    public static Table Schema()
    {
        var table = new Table(Database.Named("quotas"));
        table.AddColumn<Guid>("subject").AsPrimaryKey();
        table.AddColumn("used", "integer").NotNull();
        return table;
    }

    /// <summary>Takes one of subject $1 unless $2 are taken.</summary>
    internal const string TakeSql = $"""
        insert into {Database.Schema}.quotas as q (subject, used) select $1, 1 where $2 > 0
        on conflict (subject) do update set used = q.used + 1 where q.used < $2
        returning used
        """;

    /// <summary>Takes one unless the limit is reached. Must run inside the session's transaction.</summary>
    /// <param name="session">The session whose transaction the taking is part of.</param>
    /// <param name="subject">A tenant (its users) or a user (its devices).</param>
    /// <param name="limit">How many there may be; null is unlimited, 0 is none.</param>
    /// <param name="cancellation">Ends the wait for other requests of the same subject.</param>
    /// <returns>False when the limit is reached; then nothing changed.</returns>
    public static async Task<bool> TryTakeAsync(IDocumentSession session, Guid subject, int? limit, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand(TakeSql);
        command.Parameters.Add(new() { Value = subject });
        command.Parameters.Add(new() { Value = limit ?? int.MaxValue });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation);
    }

    /// <summary>Lets the subject have no more, whatever its limit. Must run inside the session's transaction; whoever is taking one now is waited for.</summary>
    public static async Task CloseAsync(IDocumentSession session, Guid subject, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand(
            $"insert into {Database.Schema}.quotas (subject, used) values ($1, {int.MaxValue}) on conflict (subject) do update set used = {int.MaxValue}");
        command.Parameters.Add(new() { Value = subject });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
    }

    /// <summary>Gives one back, with the commit.</summary>
    public static IMartenOp Give(Guid subject) => MartenOps.QueueSqlCommand(
        $"update {Database.Schema}.quotas set used = used - 1 where subject = ? and used > 0", subject);
}
