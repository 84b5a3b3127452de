using Npgsql;
using Weasel.Postgresql.Tables;

namespace CVault.Peers;

/// <summary>What is known of a server's link.</summary>
public enum LinkState
{
    /// <summary>Not connected yet.</summary>
    Connecting,

    /// <summary>Connected, and the server's peers were compared at least once.</summary>
    Up,

    /// <summary>Up, and the server has not answered for a while: requests no longer wait for it.</summary>
    Late,
    Down,

    /// <summary>The server shows another host key than the pinned one: nothing is sent to it before an operator looks.</summary>
    HostKeyChanged,
}

/// <summary>
/// One node's right to a server's link, for a few seconds at a time. Wolverine says which node should keep a link; this
/// row says which one does. A node that was paused finds its lease run out by its own clock, its epoch passed in the
/// row, and its epoch refused by the server (<c>own</c> of <c>cvault-wg/1</c>): a server never has two owners.
/// </summary>
public sealed class LinkLease(Guid serverId, long epoch, TimeProvider time, long askedAt)
{
    /// <summary>How long the row is the owner's without a word of it.</summary>
    public static readonly TimeSpan Duration = TimeSpan.FromSeconds(5);

    /// <summary>How long the owner itself believes so, from before it asked: less, so that it stops first.</summary>
    private static readonly TimeSpan Believed = TimeSpan.FromSeconds(4);
    private const string Links = $"{Database.Schema}.server_links";

    private long since = askedAt;

    public Guid ServerId { get; } = serverId;

    /// <summary>Greater with every owner.</summary>
    public long Epoch { get; private set; } = epoch;

    /// <summary>Cancelled when the lease is another's; it never comes back.</summary>
    public CancellationTokenSource Lost { get; } = new();

    public static Table Schema()
    {
        var table = new Table(Database.Named("server_links"));
        table.AddColumn<Guid>("server_id").AsPrimaryKey();
        table.AddColumn<Guid>("node_id").NotNull();
        table.AddColumn("epoch", "bigint").NotNull();
        table.AddColumn("expires_at", "timestamptz").NotNull();
        table.AddColumn("state", "text").NotNull();
        // An operator's wish, for whichever node keeps the link: when it was last ordered, until a pass has done it.
        table.AddColumn("resync_ordered", "timestamptz");
        return table;
    }

    /// <exception cref="LeaseLostException">It has run out, or is another's: nothing may be said to the server.</exception>
    public void Demand()
    {
        if (Lost.IsCancellationRequested || time.GetElapsedTime(Volatile.Read(ref since)) > Believed) throw new LeaseLostException();
    }

    /// <summary>Takes the server's link for the node, if it is nobody's.</summary>
    /// <returns>Null while it is another's.</returns>
    public static async Task<LinkLease?> TakeAsync(NpgsqlDataSource database, Guid serverId, Guid nodeId, TimeProvider time, CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        await using var command = database.CreateCommand($"""
            insert into {Links} as l (server_id, node_id, epoch, expires_at, state) values ($1, $2, 1, clock_timestamp() + $3, 'connecting')
            on conflict (server_id) do update set node_id = excluded.node_id, epoch = l.epoch + 1, expires_at = clock_timestamp() + $3, state = 'connecting'
              where l.expires_at < clock_timestamp()
            returning epoch
            """);
        command.Parameters.Add(new() { Value = serverId });
        command.Parameters.Add(new() { Value = nodeId });
        command.Parameters.Add(new() { Value = Duration });
        return await command.ExecuteScalarAsync(cancellation) is long epoch ? new LinkLease(serverId, epoch, time, asked) : null;
    }

    /// <summary>One statement for all that a node has. Whichever the row does not confirm are lost.</summary>
    /// <returns>For each that is kept, when a resync was ordered, where one is, and the version of its server's document.</returns>
    public static async Task<IReadOnlyDictionary<Guid, (DateTime? Resync, int Version)>> RenewAsync(NpgsqlDataSource database, IReadOnlyCollection<LinkLease> leases, TimeProvider time, CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        var epochs = leases.ToDictionary(l => l, l => l.Epoch);
        await using var command = database.CreateCommand($"""
            with mine as (
              update {Links} l set expires_at = clock_timestamp() + $3
              from unnest($1::uuid[], $2::bigint[]) as m (server_id, epoch)
              where l.server_id = m.server_id and l.epoch = m.epoch
              returning l.server_id, l.resync_ordered)
            select mine.server_id, mine.resync_ordered, d.mt_version from mine join {Database.Schema}.mt_doc_server d on d.id = mine.server_id
            """);
        command.Parameters.Add(new() { Value = epochs.Keys.Select(l => l.ServerId).ToArray() });
        command.Parameters.Add(new() { Value = epochs.Values.ToArray() });
        command.Parameters.Add(new() { Value = Duration });
        var kept = new Dictionary<Guid, (DateTime?, int)>();
        await using (var reader = await command.ExecuteReaderAsync(cancellation))
        {
            while (await reader.ReadAsync(cancellation)) kept[reader.GetGuid(0)] = (reader.IsDBNull(1) ? null : reader.GetDateTime(1), reader.GetInt32(2));
        }

        foreach (var lease in leases)
        {
            if (kept.ContainsKey(lease.ServerId)) Volatile.Write(ref lease.since, asked);
            else if (lease.Epoch == epochs[lease]) await lease.Lost.CancelAsync(); // Else it was raised meanwhile, and is renewed next time.
        }

        return kept;
    }

    /// <summary>Says how the link is; whoever owns it no longer says nothing.</summary>
    public async Task<bool> SayAsync(NpgsqlDataSource database, LinkState state, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"update {Links} set state = $1 where server_id = $2 and epoch = $3");
        command.Parameters.Add(new() { Value = Names.Of(state) });
        command.Parameters.Add(new() { Value = ServerId });
        command.Parameters.Add(new() { Value = Epoch });
        return await command.ExecuteNonQueryAsync(cancellation) == 1;
    }

    /// <summary>
    /// A greater epoch for the same owner. For each connection after the first, so that a frame which the last one left on
    /// its way is refused; and where the server has heard of a greater one than ours though the row is ours, since a backup
    /// was restored: the row, not the server, says who owns it.
    /// </summary>
    /// <returns>False: the row is another's.</returns>
    public async Task<bool> RaiseAsync(NpgsqlDataSource database, long beyond, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"update {Links} set epoch = greatest(epoch, $1) + 1 where server_id = $2 and epoch = $3 returning epoch");
        command.Parameters.Add(new() { Value = beyond });
        command.Parameters.Add(new() { Value = ServerId });
        command.Parameters.Add(new() { Value = Epoch });
        if (await command.ExecuteScalarAsync(cancellation) is not long raised) return false;
        Epoch = raised;
        return true;
    }

    /// <summary>Lets another node take it at once.</summary>
    public async Task ReleaseAsync(NpgsqlDataSource database)
    {
        await Lost.CancelAsync();
        await using var command = database.CreateCommand($"update {Links} set expires_at = '-infinity' where server_id = $1 and epoch = $2");
        command.Parameters.Add(new() { Value = ServerId });
        command.Parameters.Add(new() { Value = Epoch });
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Takes the resync of that order off the row, once a pass has done it: one that is cut short is owed by whoever has the link next. A later order stays.</summary>
    public async Task ResyncedAsync(NpgsqlDataSource database, DateTime ordered, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"update {Links} set resync_ordered = null where server_id = $1 and epoch = $2 and resync_ordered = $3");
        command.Parameters.Add(new() { Value = ServerId });
        command.Parameters.Add(new() { Value = Epoch });
        command.Parameters.Add(new() { Value = ordered });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Orders a full pass that may remove however many peers are unknown.</summary>
    /// <returns>False: there is no such server, or it never had a link.</returns>
    public static async Task<bool> OrderResyncAsync(NpgsqlDataSource database, Guid serverId, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"update {Links} set resync_ordered = clock_timestamp() where server_id = $1");
        command.Parameters.Add(new() { Value = serverId });
        return await command.ExecuteNonQueryAsync(cancellation) == 1;
    }
}

/// <summary>The link is another node's now.</summary>
public sealed class LeaseLostException() : Exception("The link is no longer this node's.");
