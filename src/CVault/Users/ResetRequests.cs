using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>
/// Requests for another password that have their mail. Wolverine knows a message that it handled for minutes only; one that
/// comes again after that would send a second mail and void the token in the first.
/// </summary>
public static class ResetRequests
{
    public static Table Schema()
    {
        var table = new Table(Database.Named("reset_requests"));
        table.AddColumn<Guid>("id").AsPrimaryKey();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn("at", "timestamptz").NotNull().AddIndex();
        return table;
    }

    /// <summary>Notes the request with the session's commit, which fails if another handling of it was faster.</summary>
    public static IMartenOp Take(Guid id, string tenantId, DateTimeOffset at) =>
        MartenOps.QueueSqlCommand($"insert into {Database.Schema}.reset_requests (id, tenant_id, at) values (?, ?, ?)", id, tenantId, at);

    public static async Task<bool> IsTakenAsync(IQuerySession session, Guid id, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select 1 from {Database.Schema}.reset_requests where id = $1");
        command.Parameters.Add(new() { Value = id });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation);
    }

    /// <summary>Forgets those that would be too old to be handled anyway.</summary>
    public static async Task SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.reset_requests where at < $1");
        command.Parameters.Add(new() { Value = now - (2 * ForgotUserPassword.Patience) });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
