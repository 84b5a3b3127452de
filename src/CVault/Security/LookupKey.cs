using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace CVault.Security;

/// <summary>
/// The keyed hash by which sealed or secret values are found and compared: emails, API secrets, refresh tokens.
/// HMAC-SHA-256 under a key of its own that stays the same when the master key is changed; stored once, wrapped.
/// </summary>
[NeverLogged]
public sealed class LookupKey
{
    private byte[]? key;

    /// <summary>Without its key until <see cref="LoadOrCreateAsync"/>.</summary>
    public LookupKey()
    {
    }

    /// <param name="key">32 bytes.</param>
    public LookupKey(byte[] key) => this.key = key;

    /// <param name="purpose">Keeps the hashes of one kind of value from meeting those of another.</param>
    /// <param name="value">The value; a tenant's id is put in front where it is only unique there.</param>
    /// <returns>64 lower-case hex digits.</returns>
    public string Hash(string purpose, string value) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(key ?? throw new InvalidOperationException("The lookup key is not loaded yet."), Encoding.UTF8.GetBytes(purpose + "\0" + value)));

    /// <summary>Compares in a time that does not depend on where the two differ.</summary>
    public bool Matches(string hash, string purpose, string value) =>
        CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(hash), Encoding.ASCII.GetBytes(Hash(purpose, value)));

    public static Table Schema()
    {
        var table = new Table(Database.Named("platform_keys"));
        table.AddColumn("name", "text").AsPrimaryKey();
        table.AddColumn("master_key_id", "text").NotNull();
        table.AddColumn("wrapped", "bytea").NotNull();
        return table;
    }

    internal static string Subject(string name) => "platform-key:" + name;

    /// <summary>Reads the key, or makes it on the very first start; of nodes that start at once, one wins.</summary>
    public async Task LoadOrCreateAsync(NpgsqlDataSource database, MasterKey master, CancellationToken cancellation)
    {
        await using (var insert = database.CreateCommand(
            $"insert into {Database.Schema}.platform_keys (name, master_key_id, wrapped) values ('lookup', $1, $2) on conflict do nothing"))
        {
            insert.Parameters.Add(new() { Value = master.Id });
            insert.Parameters.Add(new() { Value = master.Wrap(RandomNumberGenerator.GetBytes(32), Subject("lookup")) });
            await insert.ExecuteNonQueryAsync(cancellation);
        }

        if (await MasterKeyRotation.MissingAsync(database, master, cancellation) is { } missing)
        {
            throw new InvalidOperationException(
                $"The database has keys that master key {missing} wrapped, but CVAULT_MASTER_KEY is {master.Id}. Start with that key, or with both: the other in CVAULT_MASTER_KEY_PREVIOUS.");
        }

        await using var select = database.CreateCommand($"select wrapped from {Database.Schema}.platform_keys where name = 'lookup'");
        await using var reader = await select.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        key = master.Unwrap((byte[])reader.GetValue(0), Subject("lookup"));
    }
}
