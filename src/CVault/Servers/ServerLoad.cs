using JasperFx.Events;
using Marten;
using Marten.Events.Projections;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Servers;

/// <summary>
/// One row a server: what placement needs to know and PostgreSQL referees. A server is never fuller than its
/// capacity because a CHECK says so, in the transaction that would make it so.
/// </summary>
public static class ServerLoad
{
    /// <summary>The constraint whose violation means: this server just filled up, take another.</summary>
    public const string FullConstraint = "server_load_not_over_capacity";

    public static Table Schema()
    {
        var table = new Table(Database.Named("server_load"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("region", "text").NotNull();
        table.AddColumn("status", "text").NotNull();
        table.AddColumn("capacity", "integer").NotNull();
        table.AddColumn("devices", "integer").NotNull().DefaultValue(0);
        // Written by whoever holds the server's link; a server that never answered is not chosen.
        table.AddColumn("reachable", "boolean").NotNull().DefaultValueByExpression("false");
        return table;
    }

    /// <summary>The CHECK that Weasel's table model has no word for.</summary>
    public const string ConstraintSql = $"""
        do $$ begin
          if not exists (select 1 from pg_constraint where conname = '{FullConstraint}') then
            alter table {Database.Schema}.server_load add constraint {FullConstraint} check (devices >= 0 and devices <= greatest(capacity, 0));
          end if;
        end $$
        """;

    /// <summary>The servers that a new device could go to: active and reachable, in a region or in any; least loaded by share of its capacity first.</summary>
    /// <returns>Whether there is any such server, full ones among them; and those with room.</returns>
    public static async Task<(bool Any, IReadOnlyList<Guid> WithRoom)> CandidatesAsync(IQuerySession session, string? region, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"""
            select server_id, devices < capacity from {Database.Schema}.server_load
            where status = 'active' and reachable and ($1::text is null or region = $1)
            order by devices::float8 / greatest(capacity, 1), random()
            """);
        command.Parameters.Add(new() { Value = (object?)region ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var (any, withRoom) = (false, new List<Guid>());
        while (await reader.ReadAsync(cancellation))
        {
            any = true;
            if (reader.GetBoolean(1)) withRoom.Add(reader.GetGuid(0));
        }

        return (any, withRoom);
    }

    /// <summary>Locks a server's row with the commit's first statements, for a commit that counts devices on several.</summary>
    public static IMartenOp Lock(Guid serverId) => MartenOps.QueueSqlCommand($"select 1 from {Database.Schema}.server_load where server_id = ? for update", serverId);

    /// <summary>Whether the server has no device by its own count.</summary>
    public static async Task<bool> IsEmptyAsync(NpgsqlDataSource database, Guid serverId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select devices = 0 from {Database.Schema}.server_load where server_id = $1");
        command.Parameters.Add(new() { Value = serverId });
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    /// <summary>Whether there is such a server.</summary>
    public static async Task<bool> ExistsAsync(NpgsqlDataSource database, Guid serverId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select 1 from {Database.Schema}.server_load where server_id = $1");
        command.Parameters.Add(new() { Value = serverId });
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    /// <summary>Notes whether the server answers.</summary>
    public static async Task SetReachableAsync(NpgsqlDataSource database, Guid serverId, bool reachable, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"update {Database.Schema}.server_load set reachable = $1 where server_id = $2 and reachable <> $1");
        command.Parameters.Add(new() { Value = reachable });
        command.Parameters.Add(new() { Value = serverId });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Every server's load, as <c>GET /servers</c> and placement see it.</summary>
    public static async Task<IReadOnlyDictionary<Guid, (int Devices, bool Reachable)>> ReadAsync(IQuerySession session, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select server_id, devices, reachable from {Database.Schema}.server_load");
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        var loads = new Dictionary<Guid, (int, bool)>();
        while (await reader.ReadAsync(cancellation)) loads[reader.GetGuid(0)] = (reader.GetInt32(1), reader.GetBoolean(2));
        return loads;
    }
}

/// <summary>Keeps the row equal to the server's events, in their transaction.</summary>
public partial class ServerLoadProjection : EventProjection
{
    public void Project(IEvent<ServerRegistered> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"insert into {Database.Schema}.server_load (server_id, region, status, capacity) values (?, ?, ?, ?)",
        e.StreamId, e.Data.Region, Names.Of(e.Data.Status), e.Data.Capacity);

    public void Project(IEvent<ServerRegionChanged> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"update {Database.Schema}.server_load set region = ? where server_id = ?", e.Data.Region, e.StreamId);

    public void Project(IEvent<ServerCapacityChanged> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"update {Database.Schema}.server_load set capacity = ? where server_id = ?", e.Data.Capacity, e.StreamId);

    public void Project(IEvent<ServerStatusChanged> e, IDocumentOperations operations) => operations.QueueSqlCommand(
        $"update {Database.Schema}.server_load set status = ?, reachable = reachable and ? where server_id = ?", Names.Of(e.Data.Status), e.Data.Status != ServerStatus.Retired, e.StreamId);
}
