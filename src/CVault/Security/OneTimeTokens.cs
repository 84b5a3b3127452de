using System.Security.Cryptography;
using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>What a one-time token is good for. Its name is stored, so it stays.</summary>
public enum OneTimeKind
{
    /// <summary>Proves that a member reads the mails of the address they signed up with.</summary>
    MemberEmail,

    /// <summary>Sets a member's password anew.</summary>
    MemberPassword,

    /// <summary>Makes whoever has it a member.</summary>
    MemberInvitation,

    /// <summary>Proves that an end user reads the mails of the address they sign up with.</summary>
    UserEmail,

    /// <summary>Sets an end user's password anew.</summary>
    UserPassword,
}

/// <summary>A one-time token that was spent just now, in a transaction that has yet to commit.</summary>
/// <param name="TenantId">The tenant that it was made for.</param>
/// <param name="Subject">Whom it is about: a member, an invitation, a user.</param>
/// <param name="Payload">What was put away with it; null for nothing.</param>
public sealed record SpentToken(Guid TenantId, Guid Subject, byte[]? Payload);

/// <summary>
/// Tokens that are sent by mail and are good once, for one thing and for a while: 256 random bits, stored as a keyed
/// hash. Spending one deletes its row in the transaction that does what it allows, so of many at once one succeeds, and
/// a transaction that rolls back gives it back.
/// </summary>
public static class OneTimeTokens
{
    private const string HashPurpose = "one-time-token";

    public static Table Schema()
    {
        var table = new Table(Database.Named("one_time_tokens"));
        table.AddColumn("hash", "text").AsPrimaryKey();
        table.AddColumn("kind", "text").NotNull();
        table.AddColumn<Guid>("tenant_id").NotNull();
        table.AddColumn<Guid>("subject").NotNull().AddIndex();
        table.AddColumn("payload", "bytea");
        table.AddColumn("expires_at", "timestamptz").NotNull().AddIndex();
        return table;
    }

    /// <summary>A new token, and the row that makes it good.</summary>
    /// <param name="payload">Kept with it under the master key; null for nothing.</param>
    public static (string Token, IMartenOp Row) Issue(
        OneTimeKind kind, Guid tenantId, Guid subject, DateTimeOffset expiresAt, LookupKey lookup, MasterKey master, byte[]? payload = null)
    {
        var token = "cvt_" + System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var hash = lookup.Hash(HashPurpose, token);
        return (token, MartenOps.QueueSqlCommand(
            $"insert into {Database.Schema}.one_time_tokens (hash, kind, tenant_id, subject, payload, expires_at) values (?, ?, ?, ?, nullif(?, ''::bytea), ?)",
            hash, kind.ToString(), tenantId, subject, payload is null ? [] : master.Wrap(payload, Wrapped(hash)), expiresAt));
    }

    /// <summary>Takes the token for good, with the session's commit; null when it is unknown, of another kind, spent or expired.</summary>
    /// <param name="tenantId">Where the caller's credential names a tenant: another one's tokens are then unknown.</param>
    public static async Task<SpentToken?> SpendAsync(
        IDocumentSession session, OneTimeKind kind, string token, LookupKey lookup, MasterKey master, DateTimeOffset now, CancellationToken cancellation, Guid? tenantId = null)
    {
        await session.BeginTransactionAsync(cancellation);
        var hash = lookup.Hash(HashPurpose, token);
        await using var command = new NpgsqlCommand($"""
            delete from {Database.Schema}.one_time_tokens where hash = $1 and kind = $2 and expires_at > $3 and ($4 or tenant_id = $5)
            returning tenant_id, subject, payload
            """);
        command.Parameters.Add(new() { Value = hash });
        command.Parameters.Add(new() { Value = kind.ToString() });
        command.Parameters.Add(new() { Value = now });
        command.Parameters.Add(new() { Value = tenantId is null });
        command.Parameters.Add(new() { Value = tenantId ?? Guid.Empty });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        if (!await reader.ReadAsync(cancellation)) return null;
        // Marten commits only where something is queued, and a caller that queues nothing else would leave the token good.
        session.QueueSqlCommand($"delete from {Database.Schema}.one_time_tokens where hash = ?", hash);
        return new SpentToken(reader.GetGuid(0), reader.GetGuid(1), reader.IsDBNull(2) ? null : master.Unwrap((byte[])reader.GetValue(2), Wrapped(hash)));
    }

    /// <summary>Ends all tokens of a kind that a subject has.</summary>
    public static IMartenOp Revoke(OneTimeKind kind, Guid subject) => MartenOps.QueueSqlCommand(
        $"delete from {Database.Schema}.one_time_tokens where subject = ? and kind = ?", subject, kind.ToString());

    /// <summary>Deletes what has expired.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.one_time_tokens where expires_at < $1");
        command.Parameters.Add(new() { Value = now });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private static string Wrapped(string hash) => "one-time-token:" + hash;
}
