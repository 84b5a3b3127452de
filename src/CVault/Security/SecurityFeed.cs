using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>
/// What every node must hear of soon: a tenant or one of its keys changed, a session ended, the signing keys changed.
/// Nodes keep credentials in memory, so that a request is authenticated without the database, and read this table once
/// a second; what they keep is only used while the last reading is fresh. A change therefore holds everywhere within
/// about a second, and within <see cref="Freshness"/> whatever happens.
/// </summary>
/// <remarks>
/// A row carries its transaction's id, and each reading starts from the oldest transaction that was still under way at
/// the reading before: one that commits late is not missed, and one that is seen twice does no harm.
/// </remarks>
public sealed class SecurityFeed(NpgsqlDataSource database, SigningKeys keys, TimeProvider time, ILogger<SecurityFeed> logger) : BackgroundService
{
    /// <summary>How old the last reading may be. Older, a request reads first, and fails when the database does.</summary>
    public static readonly TimeSpan Freshness = TimeSpan.FromSeconds(4);

    private const string Tenant = "tenant", Session = "session", SigningKeysKind = "signing_keys";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), Patience = TimeSpan.FromSeconds(2);

    /// <summary>As long as an access token can live, with the clocks' leeway.</summary>
    private static readonly TimeSpan Remembered = Tokens.AccessLifetime + TimeSpan.FromMinutes(5);
    private readonly ConcurrentDictionary<Guid, DateTimeOffset> ended = new();
    private readonly SemaphoreSlim turn = new(1);
    private string position = "0";
    private long? readAt;

    /// <summary>A tenant's settings, status, members or keys are not what they were.</summary>
    public event Action<Guid>? TenantChanged;

    public static Table Schema()
    {
        var table = new Table(Database.Named("security_changes"));
        table.AddColumn("xid", "xid8").NotNull().DefaultValueByExpression("pg_current_xact_id()").AddIndex();
        table.AddColumn("kind", "text").NotNull();
        table.AddColumn("subject", "text").NotNull();
        table.AddColumn("at", "timestamptz").NotNull().DefaultValueByExpression("clock_timestamp()").AddIndex();
        return table;
    }

    /// <summary>Whoever writes a tenant or a key need not think of this table: the database does.</summary>
    public const string TriggersSql = $"""
        create or replace function {Database.Schema}.tenant_changed() returns trigger language plpgsql as $$
        begin
          insert into {Database.Schema}.security_changes (kind, subject) values ('{Tenant}',
            case tg_table_name when 'mt_doc_tenant' then coalesce(new.id, old.id)::text else coalesce(new.data, old.data) ->> 'tenantId' end);
          return null;
        end $$;
        create or replace trigger tenant_changed after insert or update or delete on {Database.Schema}.mt_doc_tenant
          for each row execute function {Database.Schema}.tenant_changed();
        create or replace trigger tenant_changed after insert or update or delete on {Database.Schema}.mt_doc_apikey
          for each row execute function {Database.Schema}.tenant_changed();
        """;

    /// <summary>Statement that ends the access tokens of the sessions in the column <c>family</c> of the rows <c>gone</c>.</summary>
    internal const string EndGone = $"insert into {Database.Schema}.security_changes (kind, subject) select distinct '{Session}', family::text from gone";

    internal static IMartenOp SigningKeysChanged() => MartenOps.QueueSqlCommand($"insert into {Database.Schema}.security_changes (kind, subject) values ('{SigningKeysKind}', '')");

    /// <summary>Whether the session was ended, as far as its access tokens could still be alive.</summary>
    public bool IsEnded(Guid session) => ended.ContainsKey(session);

    /// <summary>Returns at once while the last reading is fresh; else reads first.</summary>
    public ValueTask EnsureFreshAsync(CancellationToken cancellation) =>
        readAt is { } at && time.GetElapsedTime(at) < Freshness ? ValueTask.CompletedTask : new ValueTask(CatchUpAsync(cancellation));

    /// <summary>Something changed that could not be read: nothing is believed until a reading succeeds.</summary>
    public void Doubt() => readAt = null;

    /// <summary>Reads now: whoever changed a credential finds it changed with the answer, on the node that answers.</summary>
    public async Task CatchUpAsync(CancellationToken cancellation)
    {
        var asked = time.GetTimestamp();
        await turn.WaitAsync(cancellation);
        try
        {
            // Another's reading that began after this one was asked for serves as well.
            if (readAt is not { } at || at < asked) await ReadAsync(cancellation);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Forgets what nobody can need: a node that starts reads an hour at most.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.security_changes where at < clock_timestamp() - interval '1 hour'");
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await CatchUpAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogWarning("Changes of credentials are not heard: {Reason}", e.Message);
            }
        }
    }

    private async Task ReadAsync(CancellationToken cancellation)
    {
        var began = time.GetTimestamp();
        var now = time.GetUtcNow();
        var (next, keysChanged) = (position, false);
        await using (var command = database.CreateCommand($"""
            select null, pg_snapshot_xmin(pg_current_snapshot())::text
            union all select kind, subject from {Database.Schema}.security_changes where xid >= $1::xid8
            """))
        {
            command.CommandTimeout = (int)Patience.TotalSeconds;
            command.Parameters.Add(new() { Value = position });
            await using var reader = await command.ExecuteReaderAsync(cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                var subject = reader.GetString(1);
                switch (reader.IsDBNull(0) ? null : reader.GetString(0))
                {
                    case null: next = subject; break;
                    case Tenant when Guid.TryParse(subject, out var tenant): TenantChanged?.Invoke(tenant); break;
                    case Session when Guid.TryParse(subject, out var session): ended.TryAdd(session, now + Remembered); break;
                    case SigningKeysKind: keysChanged = true; break;
                }
            }
        }

        // From the very start, too: the keys of the first reading are read by Startup.
        if (keysChanged && position != "0") await keys.LoadAsync(database, cancellation);
        position = next;
        readAt = began;
        foreach (var (session, until) in ended)
        {
            if (until < now) ended.TryRemove(session, out _);
        }
    }
}
