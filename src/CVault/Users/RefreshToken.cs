using System.Security.Cryptography;
using CVault.Security;
using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Users;

/// <summary>
/// A refresh token as it is handed out: 256 random bits, stored as a keyed hash, good once. Those that come from one
/// login are a family with one absolute end; a used one that comes back ends the whole family (RFC 9700, 4.14.2).
/// </summary>
[NeverLogged]
public sealed record RefreshToken(string Secret, Guid UserId, Guid Family, DateTimeOffset ExpiresAt)
{
    /// <summary>A login lasts no longer than this, however often it is refreshed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(30);

    /// <summary>A client that lost the answer, or two of its requests at once, may use the same token again for so long.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private const string HashPurpose = "refresh-token";

    /// <summary>
    /// One at a time in a family: a revocation must see the token that a refresh is just adding, or it would outlive
    /// its family.
    /// </summary>
    private const string LockFamily =
        $"select pg_advisory_xact_lock(hashtextextended(family::text, 0)) from {Database.Schema}.refresh_tokens where hash = $1 and tenant_id = $2";

    public static RefreshToken NewFamily(Guid userId, DateTimeOffset now) => new(NewSecret(), userId, Guid.NewGuid(), now + Lifetime);

    public RefreshToken Next() => this with { Secret = NewSecret() };

    public override string ToString() => nameof(RefreshToken);

    public static Table Schema()
    {
        var table = new Table(Database.Named("refresh_tokens"));
        table.AddColumn("hash", "text").AsPrimaryKey();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn<Guid>("user_id").NotNull();
        table.AddColumn<Guid>("family").NotNull().AddIndex();
        table.AddColumn("expires_at", "timestamptz").NotNull();
        table.AddColumn("used_at", "timestamptz");
        return table;
    }

    public IMartenOp Store(string tenantId, LookupKey lookup) => MartenOps.QueueSqlCommand(
        $"insert into {Database.Schema}.refresh_tokens (hash, tenant_id, user_id, family, expires_at) values (?, ?, ?, ?, ?)",
        lookup.Hash(HashPurpose, Secret), tenantId, UserId, Family, ExpiresAt);

    /// <summary>Whether the token was used, longer ago than the grace: somebody has a copy.</summary>
    public static async Task<bool> IsReusedAsync(IQuerySession session, LookupKey lookup, string secret, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select 1 from {Database.Schema}.refresh_tokens where hash = $1 and tenant_id = $2 and used_at <= $3");
        command.Parameters.Add(new() { Value = lookup.Hash(HashPurpose, secret) });
        command.Parameters.Add(new() { Value = session.TenantId });
        command.Parameters.Add(new() { Value = now - Grace });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation);
    }

    /// <summary>Marks the token used and returns it; null when it is unknown, another tenant's, expired or spent.</summary>
    public static async Task<RefreshToken?> SpendAsync(IDocumentSession session, LookupKey lookup, string secret, DateTimeOffset now, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using (var turn = new NpgsqlCommand(LockFamily))
        {
            turn.Parameters.Add(new() { Value = lookup.Hash(HashPurpose, secret) });
            turn.Parameters.Add(new() { Value = session.TenantId });
            await using var locked = await session.ExecuteReaderAsync(turn, cancellation);
        }

        // The first use stamps used_at; one within the grace finds the stamp recent enough and leaves it.
        await using var spend = new NpgsqlCommand($"""
            update {Database.Schema}.refresh_tokens set used_at = coalesce(used_at, $3)
            where hash = $1 and tenant_id = $2 and expires_at > $3 and (used_at is null or used_at > $4)
            returning user_id, family, expires_at
            """);
        spend.Parameters.Add(new() { Value = lookup.Hash(HashPurpose, secret) });
        spend.Parameters.Add(new() { Value = session.TenantId });
        spend.Parameters.Add(new() { Value = now });
        spend.Parameters.Add(new() { Value = now - Grace });
        await using var reader = await session.ExecuteReaderAsync(spend, cancellation);
        return await reader.ReadAsync(cancellation)
            ? new RefreshToken(secret, reader.GetGuid(0), reader.GetGuid(1), reader.GetFieldValue<DateTimeOffset>(2))
            : null;
    }

    /// <summary>Ends the family of a spent token that came back. On its own connection: the request's transaction will not commit.</summary>
    public static async Task RevokeFamilyOfAsync(NpgsqlDataSource database, LookupKey lookup, string secret, string tenantId, CancellationToken cancellation)
    {
        await using var batch = database.CreateBatch();
        foreach (var sql in new[]
        {
            LockFamily,
            $"""
            delete from {Database.Schema}.refresh_tokens where family in
              (select family from {Database.Schema}.refresh_tokens where hash = $1 and tenant_id = $2 and used_at is not null)
            """,
        })
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(sql) { Parameters = { new() { Value = lookup.Hash(HashPurpose, secret) }, new() { Value = tenantId } } });
        }

        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Deletes what no login can come of any more.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.refresh_tokens where expires_at < $1");
        command.Parameters.Add(new() { Value = now });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private static string NewSecret() => "cvr_" + System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
