using System.Text.Json;
using CVault.Security;
using Npgsql;
using Weasel.Postgresql.Tables;
using Wolverine.Marten;

namespace CVault.Mail;

/// <summary>A mail that is to be sent: plain text to one address.</summary>
/// <param name="From">The sender's name where it is not the platform's own: that of a tenant. The address stays.</param>
public sealed record OutgoingMail(string To, string Subject, string Text, string? From = null)
{
    /// <summary>Never prints what it holds: the address is a person's, and the text may hold a one-time token.</summary>
    public override string ToString() => nameof(OutgoingMail);
}

/// <summary>
/// Mails that wait to be sent. A row is written in the transaction of the command that sends it and is gone once the
/// mail server has taken the mail; a crash in between sends it twice, never not at all. Rows are wrapped by the master
/// key, since they hold addresses and one-time tokens.
/// </summary>
public static class Mails
{
    /// <summary>No token in a mail lives longer, so an unsent one is of no use any more.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    public static Table Schema()
    {
        var table = new Table(Database.Named("mails"));
        table.AddColumn<Guid>("id").AsPrimaryKey();
        table.AddColumn("payload", "bytea").NotNull();
        table.AddColumn("created_at", "timestamptz").NotNull();
        return table;
    }

    /// <summary>The row, and the message to send with it.</summary>
    public static (IMartenOp Row, MailDue Due) Send(OutgoingMail mail, MasterKey master, DateTimeOffset now)
    {
        var id = Guid.CreateVersion7(now);
        return (
            MartenOps.QueueSqlCommand(
                $"insert into {Database.Schema}.mails (id, payload, created_at) values (?, ?, ?)",
                id, master.Wrap(JsonSerializer.SerializeToUtf8Bytes(mail), Subject(id)), now),
            new MailDue(id));
    }

    /// <summary>The mail, or null when it was sent already.</summary>
    public static async Task<OutgoingMail?> ReadAsync(NpgsqlDataSource database, MasterKey master, Guid id, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select payload from {Database.Schema}.mails where id = $1");
        command.Parameters.Add(new() { Value = id });
        return await command.ExecuteScalarAsync(cancellation) is byte[] payload ? JsonSerializer.Deserialize<OutgoingMail>(master.Unwrap(payload, Subject(id))) : null;
    }

    public static async Task DeleteAsync(NpgsqlDataSource database, Guid id, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.mails where id = $1");
        command.Parameters.Add(new() { Value = id });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Those written before a moment and not sent yet.</summary>
    public static async Task<IReadOnlyList<Guid>> LeftAsync(NpgsqlDataSource database, DateTimeOffset before, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"select id from {Database.Schema}.mails where created_at < $1 order by created_at limit 1000");
        command.Parameters.Add(new() { Value = before });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var left = new List<Guid>();
        while (await reader.ReadAsync(cancellation)) left.Add(reader.GetGuid(0));
        return left;
    }

    /// <summary>Deletes what was never sent and is too old to be of use.</summary>
    public static async Task<int> SweepAsync(NpgsqlDataSource database, DateTimeOffset now, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"delete from {Database.Schema}.mails where created_at < $1");
        command.Parameters.Add(new() { Value = now - Kept });
        return await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>What a mail's payload is wrapped for.</summary>
    internal static string Subject(Guid id) => "mail:" + id;
}
