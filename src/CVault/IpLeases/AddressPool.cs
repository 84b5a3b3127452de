using System.Net;
using CVault.Servers;
using JasperFx;
using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.IpLeases;

/// <summary>
/// The referee of addresses: one row for each address of each server's pool, held or free. Granting one is an update
/// of one free row that nobody else has locked, in the transaction that appends the events, so any number of requests
/// at once get different addresses and a rollback gives back its own. The longest free goes first.
/// </summary>
public static class AddressPool
{
    /// <summary>How long a request waits for whoever holds the last free addresses.</summary>
    private static readonly TimeSpan LastOnes = TimeSpan.FromSeconds(2);

    public static Table Schema()
    {
        var table = new Table(Database.Named("addresses"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn("number", "integer").AsPrimaryKey();
        table.AddColumn<Guid>("device_id");
        table.AddColumn("free_from", "timestamptz").NotNull();
        table.AddColumn<Guid>("last_device");
        table.Indexes.Add(new IndexDefinition("addresses_free") { Columns = ["server_id", "free_from", "number"], Predicate = "(device_id IS NULL)" });
        table.Indexes.Add(new IndexDefinition("addresses_one_a_device") { Columns = ["server_id", "device_id"], IsUnique = true, Predicate = "(device_id IS NOT NULL)" });
        table.Indexes.Add(new IndexDefinition("addresses_resting") { Columns = ["last_device"], Predicate = "(device_id IS NULL AND last_device IS NOT NULL)" });
        return table;
    }

    /// <summary>
    /// Counts devices in and out on their servers' rows. Deferred: it runs within the commit, so that the one row that all
    /// registrations on a server update is locked for no round trip; and whatever changes an address is counted.
    /// </summary>
    public const string CountSql = $"""
        create or replace function {Database.Schema}.count_device() returns trigger language plpgsql as $count$ begin
          update {Database.Schema}.server_load set devices = devices + case when new.device_id is null then -1 else 1 end where server_id = new.server_id;
          return null;
        end $count$;
        do $$ begin
          if not exists (select 1 from pg_trigger where tgname = 'addresses_counted' and tgrelid = '{Database.Schema}.addresses'::regclass) then
            create constraint trigger addresses_counted after update of device_id on {Database.Schema}.addresses deferrable initially deferred
              for each row when ((old.device_id is null) <> (new.device_id is null)) execute function {Database.Schema}.count_device();
          end if;
        end $$;
        """;

    /// <summary>
    /// An address for a device, in a region or anywhere: the one that rests from its own last time there, which harms nobody
    /// and so costs the pool no second one; else the least loaded server's longest free one. A function, since its plan
    /// is then made once a connection.
    /// </summary>
    public const string TakeSql = $"""
        create or replace function {Database.Schema}.take_address(device uuid, wanted_region text, at timestamptz, out server jsonb, out number integer) returns setof record language plpgsql as $take$ begin
          return query
            with own as (
              select a.server_id, a.number from {Database.Schema}.addresses a join {Database.Schema}.server_load l on l.server_id = a.server_id
              where a.last_device = device and a.device_id is null and l.status = 'active' and l.reachable and l.devices < l.capacity and (wanted_region is null or l.region = wanted_region)
              order by a.free_from desc limit 1 for update of a skip locked),
            granted as (
              update {Database.Schema}.addresses t set device_id = device from own
              where t.server_id = own.server_id and t.number = own.number
              returning t.server_id, t.number)
            select d.data, g.number from granted g join {Database.Schema}.mt_doc_server d on d.id = g.server_id;
          if found then return; end if;
          return query
            with best as (
              select l.server_id from {Database.Schema}.server_load l
              where l.status = 'active' and l.reachable and l.devices < l.capacity and (wanted_region is null or l.region = wanted_region)
              order by l.devices::float8 / l.capacity, random() limit 1),
            pick as (
              select a.server_id, a.number from best cross join lateral (
                select f.server_id, f.number from {Database.Schema}.addresses f
                where f.server_id = best.server_id and f.device_id is null and f.free_from <= at
                order by f.free_from, f.number limit 1 for update skip locked) a),
            granted as (
              update {Database.Schema}.addresses t set device_id = device from pick
              where t.server_id = pick.server_id and t.number = pick.number
              returning t.server_id, t.number)
            select d.data, g.number from granted g join {Database.Schema}.mt_doc_server d on d.id = g.server_id;
        end $take$;
        """;

    /// <summary>The grant: device, server, now. Test figures are taken of this very statement.</summary>
    /// <param name="locked">What to do about rows that others have locked: <c>skip locked</c> or nothing.</param>
    public static string GrantSql(string locked) => $"""
        update {Database.Schema}.addresses set device_id = $1
        where server_id = $2 and number = (
          select number from {Database.Schema}.addresses
          where server_id = $2 and device_id is null and free_from <= $3
          order by free_from, number limit 1 for update {locked})
        returning number
        """;

    /// <summary>Grants an address of the server's pool to the device, at once inside the session's transaction.</summary>
    /// <returns>Null when the pool has no free address.</returns>
    /// <exception cref="ProblemException">503: the last free ones are being granted, and for too long nobody could say whether they would be.</exception>
    public static async Task<IpLease?> GrantAsync(IDocumentSession session, Server server, Guid deviceId, DateTimeOffset now, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        if (await TryAsync("skip locked") is { } free) return IpLease.Of(server, free);

        // What was skipped may still be given back by a rollback: exhausted is what has no free row, locked or not.
        await ExecuteAsync(session, $"select set_config('lock_timeout', '{LastOnes.TotalMilliseconds:0}', true)", cancellation);
        try
        {
            var waited = await TryAsync("");
            await ExecuteAsync(session, "select set_config('lock_timeout', '0', true)", cancellation);
            return waited is { } last ? IpLease.Of(server, last) : null;
        }
        catch (Exception e) when (e.GetBaseException() is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable })
        {
            throw new ProblemException(Problems.ServerUnavailable());
        }

        async Task<int?> TryAsync(string locked)
        {
            await using var command = new NpgsqlCommand(GrantSql(locked));
            command.Parameters.Add(new() { Value = deviceId });
            command.Parameters.Add(new() { Value = server.Id });
            command.Parameters.Add(new() { Value = now });
            await using var reader = await session.ExecuteReaderAsync(command, cancellation);
            return await reader.ReadAsync(cancellation) ? reader.GetInt32(0) : null;
        }
    }

    private static async Task ExecuteAsync(IDocumentSession session, string sql, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(sql);
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
    }

    /// <summary>Appends the grant to the address's stream, with the commit.</summary>
    public static IMartenOp Granted(IpLease lease, Guid tenantId, Guid deviceId) => new LeaseOp(session =>
    {
        Platform(session).Events.Append(
            IpLease.StreamId(lease.ServerId, lease.Number), new IpLeased(lease.ServerId, lease.Address, lease.Address6, tenantId, deviceId));
    });

    /// <summary>Takes the address back, with the commit; it rests in quarantine before anyone else gets it.</summary>
    public static IMartenOp Release(Server server, string address, Guid deviceId, string reason, LeaseRules rules, DateTimeOffset now) => new LeaseOp(session =>
    {
        var freeFrom = now + rules.Quarantine;
        session.QueueSqlCommand(
            $"update {Database.Schema}.addresses set last_device = device_id, device_id = null, free_from = ? where server_id = ? and device_id = ?", freeFrom, server.Id, deviceId);
        Platform(session).Events.Append(
            IpLease.StreamId(server.Id, Pool.NumberOf(IPNetwork.Parse(server.AddressPool), IPAddress.Parse(address))), new IpReleased(deviceId, reason, freeFrom));
    });

    /// <summary>
    /// Takes every address of the server out of the pool, unless one is held. Whoever is just being granted one is waited
    /// for, so that no device lands here after the look.
    /// </summary>
    /// <returns>False when a device has an address here; the caller then must not commit.</returns>
    public static async Task<bool> CloseAsync(IDocumentSession session, Guid serverId, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        if (await AnyAsync(session, serverId, cancellation)) return false;
        await using (var delete = new NpgsqlCommand($"delete from {Database.Schema}.addresses where server_id = $1 and device_id is null"))
        {
            delete.Parameters.Add(new() { Value = serverId });
            await using var deleted = await session.ExecuteReaderAsync(delete, cancellation);
        }

        return !await AnyAsync(session, serverId, cancellation);
    }

    private static async Task<bool> AnyAsync(IDocumentSession session, Guid serverId, CancellationToken cancellation)
    {
        await using var any = new NpgsqlCommand($"select exists (select 1 from {Database.Schema}.addresses where server_id = $1 and device_id is not null)");
        any.Parameters.Add(new() { Value = serverId });
        await using var reader = await session.ExecuteReaderAsync(any, cancellation);
        return await reader.ReadAsync(cancellation) && reader.GetBoolean(0);
    }

    /// <summary>Leases are the platform's: their streams stand under no tenant, though in the same transaction.</summary>
    private static ITenantOperations Platform(IDocumentSession session) => session.ForTenant(StorageConstants.DefaultTenantId);

    private sealed class LeaseOp(Action<IDocumentSession> effect) : IMartenOp
    {
        public void Execute(IDocumentSession session) => effect(session);
    }
}
