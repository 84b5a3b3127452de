using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>
/// The table of the users' data keys: one a user, wrapped by the master key. A row is written in the transaction
/// that registers the user and deleted when the person is erased; it is never made anew for the same user.
/// </summary>
public static class DataKeys
{
    public static Table Schema()
    {
        var table = new Table(Database.Named("data_keys"));
        table.AddColumn<Guid>("user_id").AsPrimaryKey();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn("master_key_id", "text").NotNull();
        table.AddColumn("wrapped", "bytea").NotNull();
        return table;
    }

    /// <summary>The row for a new user, written with the user's first event.</summary>
    public static IMartenOp Store(DataKey key, string tenantId, MasterKey master) => MartenOps.QueueSqlCommand(
        $"insert into {Database.Schema}.data_keys (user_id, tenant_id, master_key_id, wrapped) values (?, ?, ?, ?)",
        key.UserId, tenantId, master.Id, key.Wrap(master));

    /// <summary>The user's key, or null when the user is unknown in this tenant or erased.</summary>
    public static async Task<DataKey?> LoadAsync(IQuerySession session, MasterKey master, Guid userId, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select wrapped from {Database.Schema}.data_keys where user_id = $1 and tenant_id = $2");
        command.Parameters.Add(new() { Value = userId });
        command.Parameters.Add(new() { Value = session.TenantId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation)
            ? DataKey.Unwrap(master, userId, (byte[])reader.GetValue(0))
            : null;
    }

    /// <summary>The keys of several at once; who is unknown in this tenant or erased is not among them.</summary>
    public static async Task<IReadOnlyDictionary<Guid, DataKey>> LoadAllAsync(IQuerySession session, MasterKey master, IReadOnlyCollection<Guid> ids, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select user_id, wrapped from {Database.Schema}.data_keys where user_id = any($1) and tenant_id = $2");
        command.Parameters.Add(new() { Value = ids.ToArray() });
        command.Parameters.Add(new() { Value = session.TenantId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var keys = new Dictionary<Guid, DataKey>();
        while (await reader.ReadAsync(cancellation)) keys.Add(reader.GetGuid(0), DataKey.Unwrap(master, reader.GetGuid(0), (byte[])reader.GetValue(1)));
        return keys;
    }

    /// <summary>Erases the person: nothing that was sealed for them can be opened any more.</summary>
    public static IMartenOp Erase(Guid userId, string tenantId) => MartenOps.QueueSqlCommand(
        $"delete from {Database.Schema}.data_keys where user_id = ? and tenant_id = ?", userId, tenantId);

    /// <summary>The user's key, and one of the user's quota (<see cref="Quotas.TryTakeAsync"/>), in one statement of the session's transaction.</summary>
    /// <returns>A null key as <see cref="LoadAsync"/>; not taken when the limit is reached.</returns>
    public static async Task<(DataKey? Key, bool Taken)> LoadTakingAsync(IDocumentSession session, MasterKey master, Guid userId, int? limit, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"""
            with taken as ({Quotas.TakeSql})
            select (select wrapped from {Database.Schema}.data_keys where user_id = $1 and tenant_id = $3), exists (select 1 from taken)
            """);
        command.Parameters.Add(new() { Value = userId });
        // No limit is less than what a deleted user has taken (Quotas.CloseAsync), and gives back as their devices go.
        command.Parameters.Add(new() { Value = limit ?? 1_000_000_000 });
        command.Parameters.Add(new() { Value = session.TenantId });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        await reader.ReadAsync(cancellation);
        return (reader.IsDBNull(0) ? null : DataKey.Unwrap(master, userId, (byte[])reader.GetValue(0)), reader.GetBoolean(1));
    }
}
