using System.Globalization;
using Marten;
using Npgsql;
using Weasel.Postgresql.Tables;

namespace CVault.Billing;

/// <summary>
/// Numbers of invoices and credit notes, by year: one after another without a gap, as tax offices want them. A number is
/// taken in the transaction that issues its paper, and whoever takes the next one waits for that transaction's end.
/// </summary>
public static class InvoiceNumbers
{
    public const string Invoices = "", CreditNotes = "CN-";

    public static Table Schema()
    {
        var table = new Table(Database.Named("invoice_numbers"));
        table.AddColumn("series", "text").AsPrimaryKey();
        table.AddColumn("year", "integer").AsPrimaryKey();
        table.AddColumn("last", "bigint").NotNull();
        return table;
    }

    /// <summary>The next numbers, in the session's transaction: to be taken last, since all others wait for it.</summary>
    public static async Task<IReadOnlyList<string>> TakeAsync(IDocumentSession session, string series, int count, DateTimeOffset now, CancellationToken cancellation)
    {
        if (count == 0) return [];
        await session.BeginTransactionAsync(cancellation);
        await using var command = new NpgsqlCommand($"""
            insert into {Database.Schema}.invoice_numbers as n (series, year, last) values ($1, $2, $3)
            on conflict (series, year) do update set last = n.last + excluded.last returning last
            """);
        command.Parameters.Add(new() { Value = series });
        command.Parameters.Add(new() { Value = now.UtcDateTime.Year });
        command.Parameters.Add(new() { Value = (long)count });
        await using var reader = await session.ExecuteReaderAsync(command, cancellation);
        await reader.ReadAsync(cancellation);
        var last = reader.GetInt64(0);
        return [.. Enumerable.Range(1 - count, count).Select(n => string.Create(CultureInfo.InvariantCulture, $"{series}{now.UtcDateTime.Year}-{last + n:000000}"))];
    }
}
