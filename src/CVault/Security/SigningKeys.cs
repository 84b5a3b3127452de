using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Security;

/// <summary>One key pair that access tokens are signed by: P-256, for ES256.</summary>
/// <param name="Key">With its <c>kid</c>, the RFC 7638 thumbprint.</param>
/// <param name="SignsFrom">From when on tokens are signed by it; published before.</param>
/// <param name="VerifiesUntil">Until when what it signed is believed; null while no later key replaces it.</param>
public sealed record SigningKey(ECDsaSecurityKey Key, DateTimeOffset CreatedAt, DateTimeOffset SignsFrom, DateTimeOffset? VerifiesUntil)
{
    public string Kid => Key.KeyId;

    public static SigningKey Create(DateTimeOffset now, DateTimeOffset signsFrom) => Of(ECDsa.Create(ECCurve.NamedCurves.nistP256), now, signsFrom, null);

    public static SigningKey Of(ECDsa pair, DateTimeOffset createdAt, DateTimeOffset signsFrom, DateTimeOffset? verifiesUntil)
    {
        if (pair.KeySize != 256) throw new ArgumentException("A signing key is an EC key on P-256.", nameof(pair));
        var key = new ECDsaSecurityKey(pair);
        key.KeyId = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint());
        return new SigningKey(key, createdAt, signsFrom, verifiesUntil);
    }

    public bool Verifies(DateTimeOffset now) => VerifiesUntil is null || now < VerifiesUntil;
}

/// <summary>
/// The signing keys, in a table, wrapped by the master key; made on the first start. A rotation publishes the next key
/// a little before it signs, so that every node and whoever reads the JWKS knows it by then, and believes the one before
/// until the last token that it signed has expired: nobody is logged out.
/// </summary>
public sealed class SigningKeys(MasterKey master, TimeProvider time)
{
    /// <summary>How long a new key is published before it signs.</summary>
    public static readonly TimeSpan Ahead = TimeSpan.FromSeconds(10);

    private SigningKey[] keys = [];

    /// <summary>All that the database has, the latest first.</summary>
    public IReadOnlyList<SigningKey> All => keys;

    /// <summary>Those by which a token may be signed that is still good, the latest first.</summary>
    public IEnumerable<SigningKey> Published => keys.Where(k => k.Verifies(time.GetUtcNow()));

    public static Table Schema()
    {
        var table = new Table(Database.Named("signing_keys"));
        table.AddColumn("kid", "text").AsPrimaryKey();
        table.AddColumn("master_key_id", "text").NotNull();
        table.AddColumn("wrapped", "bytea").NotNull();
        table.AddColumn("created_at", "timestamptz").NotNull();
        table.AddColumn("signs_from", "timestamptz").NotNull();
        table.AddColumn("verifies_until", "timestamptz");
        return table;
    }

    /// <summary>
    /// The key that signs now. While the next one is only published, that is the one it replaces, which verifies the longest
    /// of those before: one that was replaced earlier, though made for a later moment, no longer verifies all that it would sign.
    /// </summary>
    public SigningKey Current()
    {
        var now = time.GetUtcNow();
        return keys.FirstOrDefault(k => k.SignsFrom <= now && k.VerifiesUntil is null)
            ?? keys.Where(k => k.SignsFrom <= now && k.Verifies(now)).MaxBy(k => k.VerifiesUntil)
            ?? keys[0];
    }

    public SigningKey? Find(string? kid) => keys.FirstOrDefault(k => k.Kid == kid && k.Verifies(time.GetUtcNow()));

    /// <summary>For tests and tools: keys that are in no database.</summary>
    public void Set(params SigningKey[] known) => keys = [.. known.OrderByDescending(k => k.SignsFrom)];

    /// <summary>Reads the keys, and makes the first one on the very first start. Startup lets one node at a time do so.</summary>
    public async Task LoadOrCreateAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        var first = SigningKey.Create(time.GetUtcNow(), time.GetUtcNow());
        await using (var insert = database.CreateCommand($"""
            insert into {Database.Schema}.signing_keys (kid, master_key_id, wrapped, created_at, signs_from)
            select $1, $2, $3, $4, $4 where not exists (select 1 from {Database.Schema}.signing_keys)
            """))
        {
            insert.Parameters.Add(new() { Value = first.Kid });
            insert.Parameters.Add(new() { Value = master.Id });
            insert.Parameters.Add(new() { Value = Wrap(first) });
            insert.Parameters.Add(new() { Value = first.CreatedAt });
            await insert.ExecuteNonQueryAsync(cancellation);
        }

        await LoadAsync(database, cancellation);
    }

    public async Task LoadAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        var found = new List<SigningKey>();
        await using var select = database.CreateCommand($"select kid, wrapped, created_at, signs_from, verifies_until from {Database.Schema}.signing_keys");
        await using var reader = await select.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
        {
            var pair = ECDsa.Create();
            pair.ImportPkcs8PrivateKey(master.Unwrap((byte[])reader.GetValue(1), Subject(reader.GetString(0))), out _);
            found.Add(SigningKey.Of(
                pair, reader.GetFieldValue<DateTimeOffset>(2), reader.GetFieldValue<DateTimeOffset>(3), reader.IsDBNull(4) ? null : reader.GetFieldValue<DateTimeOffset>(4)));
        }

        Set([.. found]);
    }

    /// <summary>Stores a new key, after which those before it only verify, and only until what they sign until then has expired.</summary>
    public IEnumerable<IMartenOp> Replace(SigningKey next)
    {
        yield return MartenOps.QueueSqlCommand(
            $"update {Database.Schema}.signing_keys set verifies_until = ? where verifies_until is null", next.SignsFrom + Tokens.AccessLifetime + TimeSpan.FromMinutes(1));
        yield return MartenOps.QueueSqlCommand(
            $"insert into {Database.Schema}.signing_keys (kid, master_key_id, wrapped, created_at, signs_from) values (?, ?, ?, ?, ?)",
            next.Kid, master.Id, Wrap(next), next.CreatedAt, next.SignsFrom);
        yield return SecurityFeed.SigningKeysChanged();
    }

    /// <summary>Removes one: what it signed is worth nothing from then on.</summary>
    public static IEnumerable<IMartenOp> Remove(string kid)
    {
        yield return MartenOps.QueueSqlCommand($"delete from {Database.Schema}.signing_keys where kid = ?", kid);
        yield return SecurityFeed.SigningKeysChanged();
    }

    /// <summary>Forgets those whose tokens have all expired.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.signing_keys where verifies_until < $1");
        command.Parameters.Add(new() { Value = now - TimeSpan.FromDays(1) });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    private byte[] Wrap(SigningKey key) => master.Wrap(key.Key.ECDsa.ExportPkcs8PrivateKey(), Subject(key.Kid));

    /// <summary>What a key is wrapped for.</summary>
    internal static string Subject(string kid) => "signing-key:" + kid;
}
