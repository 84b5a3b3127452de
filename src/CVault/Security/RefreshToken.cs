using System.Security.Cryptography;
using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>
/// A refresh token as it is handed out: 256 random bits, stored as a keyed hash, good once. Those that come from one
/// login are a family with one absolute end; a used one that comes back ends the whole family (RFC 9700, 4.14.2).
/// </summary>
/// <param name="Subject">The user's or member's id.</param>
/// <param name="Family">The login, which access tokens name as their session.</param>
[NeverLogged]
public sealed record RefreshToken(string Secret, Audience Audience, Guid Subject, Guid TenantId, Guid Family, DateTimeOffset ExpiresAt)
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
        $"select pg_advisory_xact_lock(hashtextextended(family::text, 0)) from {Database.Schema}.refresh_tokens where {This}";

    /// <summary>The token of hash $1 and audience $2, of tenant $3 where the caller's tenant is known.</summary>
    private const string This = "hash = $1 and audience = $2 and ($3::text is null or tenant_id = $3)";

    public static RefreshToken NewFamily(Audience audience, Guid subject, Guid tenantId, DateTimeOffset now) => new(NewSecret(), audience, subject, tenantId, Guid.NewGuid(), now + Lifetime);

    public RefreshToken Next() => this with { Secret = NewSecret() };

    public override string ToString() => nameof(RefreshToken);

    public static Table Schema()
    {
        var table = new Table(Database.Named("refresh_tokens"));
        table.AddColumn("hash", "text").AsPrimaryKey();
        table.AddColumn("tenant_id", "text").NotNull();
        table.AddColumn("audience", "text").NotNull().DefaultValueByString(nameof(Audience.User));
        table.AddColumn<Guid>("user_id").NotNull().AddIndex();
        table.AddColumn<Guid>("family").NotNull().AddIndex();
        table.AddColumn("expires_at", "timestamptz").NotNull();
        table.AddColumn("used_at", "timestamptz");
        return table;
    }

    public IMartenOp Store(LookupKey lookup) => MartenOps.QueueSqlCommand(
        $"insert into {Database.Schema}.refresh_tokens (hash, tenant_id, audience, user_id, family, expires_at) values (?, ?, ?, ?, ?, ?)",
        lookup.Hash(HashPurpose, Secret), TenantId.ToString(), Audience.ToString(), Subject, Family, ExpiresAt);

    /// <summary>Ends one login: its refresh tokens at once, its access tokens within seconds on every node.</summary>
    public static IMartenOp End(Guid family) => InTurn("family = ?", [family],
        $"with gone as (delete from {Database.Schema}.refresh_tokens where family = ? returning family) {SecurityFeed.EndGone}", family);

    /// <summary>Ends every login of a user or member but one: all of them when that one is empty.</summary>
    public static IMartenOp EndAllOf(Guid subject, Guid exceptFamily = default) => InTurn(
        "user_id = ?", [subject],
        $"with gone as (delete from {Database.Schema}.refresh_tokens where user_id = ? and family <> ? returning family) {SecurityFeed.EndGone}", subject, exceptFamily);

    /// <summary>
    /// Whose the token is, and whether it was used longer ago than the grace: somebody has a copy. Null when it is unknown.
    /// Nothing is held: what it takes to decide is looked up before the token is spent.
    /// </summary>
    /// <param name="tenantId">The caller's tenant; null where only the token tells it.</param>
    public static async Task<(Guid TenantId, bool IsReused)?> FindAsync(IQuerySession session, LookupKey lookup, Audience audience, string? tenantId, string secret, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand($"select tenant_id, coalesce(used_at <= $4, false) from {Database.Schema}.refresh_tokens where {This}");
        Name(command.Parameters, lookup, audience, tenantId, secret);
        command.Parameters.Add(new() { Value = now - Grace });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        return await reader.ReadAsync(cancellation) ? (Guid.Parse(reader.GetString(0)), reader.GetBoolean(1)) : null;
    }

    /// <summary>Marks the token used and returns it; null when it is unknown, another tenant's, expired or spent.</summary>
    /// <param name="tenantId">The caller's tenant; null where only the token tells it.</param>
    public static async Task<RefreshToken?> SpendAsync(IDocumentSession session, LookupKey lookup, Audience audience, string? tenantId, string secret, DateTimeOffset now, CancellationToken cancellation)
    {
        await session.BeginTransactionAsync(cancellation);
        await using (var turn = new NpgsqlCommand(LockFamily))
        {
            Name(turn.Parameters, lookup, audience, tenantId, secret);
            await using var locked = await session.ExecuteReaderAsync(turn, cancellation);
        }

        // The first use stamps used_at; one within the grace finds the stamp recent enough and leaves it.
        await using var spend = new NpgsqlCommand($"""
            update {Database.Schema}.refresh_tokens set used_at = coalesce(used_at, $4)
            where {This} and expires_at > $4 and (used_at is null or used_at > $5)
            returning user_id, tenant_id, family, expires_at
            """);
        Name(spend.Parameters, lookup, audience, tenantId, secret);
        spend.Parameters.Add(new() { Value = now });
        spend.Parameters.Add(new() { Value = now - Grace });
        await using var reader = await session.ExecuteReaderAsync(spend, cancellation);
        return await reader.ReadAsync(cancellation)
            ? new RefreshToken(secret, audience, reader.GetGuid(0), Guid.Parse(reader.GetString(1)), reader.GetGuid(2), reader.GetFieldValue<DateTimeOffset>(3))
            : null;
    }

    /// <summary>Ends the family of a spent token that came back. On its own connection: the request's transaction will not commit.</summary>
    public static async Task RevokeFamilyOfAsync(NpgsqlDataSource database, LookupKey lookup, Audience audience, string? tenantId, string secret, CancellationToken cancellation)
    {
        await using var batch = database.CreateBatch();
        foreach (var sql in new[]
        {
            LockFamily,
            $"""
            with gone as (delete from {Database.Schema}.refresh_tokens where family in
              (select family from {Database.Schema}.refresh_tokens where {This} and used_at is not null) returning family)
            {SecurityFeed.EndGone}
            """,
        })
        {
            var command = new NpgsqlBatchCommand(sql);
            Name(command.Parameters, lookup, audience, tenantId, secret);
            batch.BatchCommands.Add(command);
        }

        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Ends the login that a refresh token belongs to, spent or not; nothing where it is unknown.</summary>
    /// <param name="tenantId">The caller's tenant.</param>
    public static IMartenOp EndFamilyOf(LookupKey lookup, Audience audience, Guid tenantId, string secret) => InTurn(
        "hash = ? and audience = ? and tenant_id = ?", [lookup.Hash(HashPurpose, secret), audience.ToString(), tenantId.ToString()],
        $"""
        with gone as (delete from {Database.Schema}.refresh_tokens where family in
          (select family from {Database.Schema}.refresh_tokens where hash = ? and audience = ? and tenant_id = ?) returning family)
        {SecurityFeed.EndGone}
        """, lookup.Hash(HashPurpose, secret), audience.ToString(), tenantId.ToString());

    /// <summary>The lock in a statement before the other, which then sees what a refresh under way has added.</summary>
    /// <param name="whose">The tokens whose families are to be locked.</param>
    private static Changes InTurn(string whose, object[] whoseParameters, string sql, params object[] parameters)
    {
        var changes = new Changes();
        // Deletes nothing, since the lock is never null. A select's row would be taken for the next command's answer.
        changes.Add(MartenOps.QueueSqlCommand(
            $"delete from {Database.Schema}.refresh_tokens where {whose} and pg_advisory_xact_lock(hashtextextended(family::text, 0)) is null", whoseParameters));
        changes.Add(MartenOps.QueueSqlCommand(sql, parameters));
        return changes;
    }

    /// <summary>Deletes what no login can come of any more.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.refresh_tokens where expires_at < $1");
        command.Parameters.Add(new() { Value = now });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private static void Name(NpgsqlParameterCollection parameters, LookupKey lookup, Audience audience, string? tenantId, string secret)
    {
        parameters.Add(new() { Value = lookup.Hash(HashPurpose, secret) });
        parameters.Add(new() { Value = audience.ToString() });
        parameters.Add(new() { Value = (object?)tenantId ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
    }

    private static string NewSecret() => "cvr_" + System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
}
