using System.Buffers.Binary;
using System.Globalization;
using System.Reflection;
using System.Security.Claims;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using CVault.Billing;
using CVault.Metering;
using CVault.Projections.Usage;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using Wolverine.Http;

namespace CVault.Projections.Billing;

/// <summary>
/// One line of the export: what a session moved in an interval, or a line of an invoice, a credit note or a payment. Members
/// that do not apply are null.
/// </summary>
public sealed record ExportLine
{
    /// <summary>The event's id and the line's place in it: for ever the same.</summary>
    public required string Id { get; init; }

    /// <summary>Whoever has stored it asks with it for what comes after this line.</summary>
    public required string Cursor { get; init; }

    /// <summary><c>usage</c>, <c>invoice_line</c>, <c>credit_note</c> or <c>payment</c>.</summary>
    public required string Type { get; init; }
    public required Guid TenantId { get; init; }
    public DateTimeOffset? From { get; init; }
    public DateTimeOffset? To { get; init; }
    public Guid? ServerId { get; init; }
    public string? Region { get; init; }
    public Guid? SessionId { get; init; }
    public Guid? UserId { get; init; }
    public Guid? DeviceId { get; init; }

    /// <summary>Received from the device.</summary>
    public long? RxBytes { get; init; }

    /// <summary>Sent to the device.</summary>
    public long? TxBytes { get; init; }

    /// <summary>Of a line, a credit note or a payment.</summary>
    public Guid? InvoiceId { get; init; }

    /// <summary>The month that the invoice is for; its lines may correct earlier ones.</summary>
    public Month? InvoiceMonth { get; init; }

    /// <summary>Of the invoice or credit note.</summary>
    public string? Number { get; init; }

    /// <summary>As in an invoice's lines.</summary>
    public string? Kind { get; init; }
    public Month? Month { get; init; }
    public string? Description { get; init; }
    public string? Metric { get; init; }

    /// <summary>Bytes, seconds, users or devices.</summary>
    public long? Quantity { get; init; }

    /// <summary>Minor units.</summary>
    public long? Amount { get; init; }
    public string? Currency { get; init; }
}

/// <summary>
/// Lines in the order of their events, from a cursor on: only of events behind which no earlier one can come any more, so a
/// consumer that keeps each line's cursor with what it made of the line sees every line once, whenever either side dies.
/// </summary>
public static class Export
{
    private const int MostEvents = 500, MostLines = 10_000, MostLinesOfEvent = 1_000_000, AllLines = int.MaxValue;
    private static readonly Type[] Types = [typeof(UsageMetered), typeof(InvoiceIssued), typeof(CreditNoteIssued), typeof(PaymentReceived), typeof(PaymentRefunded)], OfFocus = [typeof(InvoiceIssued)];

    /// <summary>For the tenants' exports, which would read all events of all tenants; <c>EventGraph.IgnoreIndex</c> keeps it.</summary>
    internal const string IndexSql = $"create index if not exists {Configuration.ExportIndex} on {Database.Schema}.mt_events (tenant_id, seq_id) where type in ('usage_metered_v1', 'invoice_issued_v1', 'credit_note_issued_v1', 'payment_received_v1', 'payment_refunded_v1')";

    /// <summary>A place in the sequence of events, and how many lines of the event there have been seen.</summary>
    public readonly record struct Place(long Sequence, int Lines)
    {
        public override string ToString()
        {
            Span<byte> bytes = stackalloc byte[12];
            BinaryPrimitives.WriteInt64BigEndian(bytes, Sequence);
            BinaryPrimitives.WriteInt32BigEndian(bytes[8..], Lines);
            return System.Buffers.Text.Base64Url.EncodeToString(bytes);
        }

        /// <returns>False: it is no cursor of ours.</returns>
        public static bool TryParse(string? text, out Place place)
        {
            place = default;
            if (string.IsNullOrEmpty(text)) return true;
            Span<byte> bytes = stackalloc byte[12];
            if (text.Length > 16 || !Page.TryDecode(text, bytes, out var length) || length != 12) return false;
            place = new Place(BinaryPrimitives.ReadInt64BigEndian(bytes), BinaryPrimitives.ReadInt32BigEndian(bytes[8..]));
            return place is { Sequence: >= 0, Lines: >= 0 and <= MostLinesOfEvent or AllLines };
        }
    }

    /// <summary>The next lines of one tenant, or of all; and where they end, which is further than the last line where nothing came between.</summary>
    public static async Task<(List<ExportLine> Lines, Place End)> ReadAsync(NpgsqlDataSource database, IDocumentStore store, Guid? tenant, Place after, int limit, Type[] types, CancellationToken cancellation)
    {
        var lines = new List<ExportLine>();
        var end = after;
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        if (tenant is { } one)
        {
            await using var wall = new NpgsqlCommand(TenantWall.CallFor(one.ToString()), connection, transaction);
            await wall.ExecuteNonQueryAsync(cancellation);
        }

        var (events, settled) = await EventsAsync(connection, store, tenant, after is { Lines: AllLines } ? new Place(after.Sequence + 1, 0) : after, limit, types, cancellation);
        var invoices = await InvoicesAsync(connection, events, cancellation);
        var sessions = await SessionsAsync(connection, events, cancellation);
        foreach (var e in events)
        {
            var all = LinesOf(e, sessions, invoices).ToList();
            var from = e.Sequence == after.Sequence ? Math.Min(after.Lines, all.Count) : 0;
            for (var i = from; i < all.Count; i++)
            {
                if (lines.Count == limit) return (lines, end);
                end = new Place(e.Sequence, i + 1);
                lines.Add(all[i] with { Id = $"{e.Id}-{i}", Cursor = end.ToString() });
            }
        }

        if (settled > end.Sequence) end = new Place(settled, AllLines);
        return (lines, end);
    }

    /// <summary>As many events as have that many lines; a reading may have thousands. And up to where there is nothing else.</summary>
    private static async Task<(List<StoredEvent> Events, long Settled)> EventsAsync(NpgsqlConnection connection, IDocumentStore store, Guid? tenant, Place after, int limit, Type[] types, CancellationToken cancellation)
    {
        var lines = (long)after.Lines + limit;
        await using var position = new NpgsqlCommand($"select position from {ReadModelRow.Models} where name = 'usage'", connection);
        var settled = (long)(await position.ExecuteScalarAsync(cancellation))!;
        var rows = new EventRows(store, types);
        await using var command = new NpgsqlCommand($"""
            select {EventRows.Columns} from {Database.Schema}.mt_events
            where type in ('{string.Join("', '", rows.Names)}') and seq_id >= $1 and seq_id <= $2 {(tenant is null ? "" : "and tenant_id = $4")} order by seq_id limit $3
            """, connection);
        command.Parameters.Add(new() { Value = after.Sequence });
        command.Parameters.Add(new() { Value = settled });
        command.Parameters.Add(new() { Value = MostEvents });
        if (tenant is { } one) command.Parameters.Add(new() { Value = one.ToString() });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var events = new List<StoredEvent>();
        while (await reader.ReadAsync(cancellation))
        {
            if (lines <= 0) return (events, events[^1].Sequence);
            events.Add(rows.Read(reader));
            lines -= events[^1].Data switch { UsageMetered metered => metered.Samples.All.Count, InvoiceIssued invoice => invoice.Lines.Length, _ => 1 };
        }

        return (events, events.Count < MostEvents ? settled : events[^1].Sequence);
    }

    private sealed record Session(Guid Id, Guid User, Guid Device, string Region);

    /// <summary>Whose the samples are: what the read model has of their sessions, which it has before any sample of them.</summary>
    private static async Task<Dictionary<(Guid, long), Session>> SessionsAsync(NpgsqlConnection connection, List<StoredEvent> events, CancellationToken cancellation)
    {
        var wanted = events.Where(e => e.Data is UsageMetered).SelectMany(e => ((UsageMetered)e.Data!).Samples.All.Select(s => (Tenant: Guid.Parse(e.TenantId), s.Session))).Distinct().ToArray();
        var sessions = new Dictionary<(Guid, long), Session>();
        if (wanted.Length == 0) return sessions;
        await using var command = new NpgsqlCommand($"""
            select tenant_id, number, session_id, user_id, device_id, region from {TableNames.Live[UsageModel.Sessions]} join unnest($1::uuid[], $2::bigint[]) as w (tenant_id, number) using (tenant_id, number)
            """, connection);
        command.Parameters.Add(new() { Value = Array.ConvertAll(wanted, w => w.Tenant) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(wanted, w => w.Session) });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) sessions[(reader.GetGuid(0), reader.GetInt64(1))] = new Session(reader.GetGuid(2), reader.GetGuid(3), reader.GetGuid(4), reader.GetString(5));
        return sessions;
    }

    /// <summary>What never changes of the invoices that events are of.</summary>
    private static async Task<Dictionary<Guid, (string Currency, Month Month)>> InvoicesAsync(NpgsqlConnection connection, List<StoredEvent> events, CancellationToken cancellation)
    {
        var invoices = new Dictionary<Guid, (string, Month)>();
        var wanted = events.Where(e => e.Data is not UsageMetered).Select(e => e.StreamId).Distinct().ToArray();
        if (wanted.Length == 0) return invoices;
        await using var command = new NpgsqlCommand($"select id, data ->> 'currency', data ->> 'month' from {Database.Schema}.mt_doc_invoice where id = any($1)", connection);
        command.Parameters.Add(new() { Value = wanted });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        while (await reader.ReadAsync(cancellation)) invoices[reader.GetGuid(0)] = (reader.GetString(1), Month.TryParse(reader.GetString(2), out var month) ? month : default);
        return invoices;
    }

    private static IEnumerable<ExportLine> LinesOf(StoredEvent e, Dictionary<(Guid, long), Session> sessions, Dictionary<Guid, (string Currency, Month Month)> invoices)
    {
        var tenant = Guid.Parse(e.TenantId);
        ExportLine Of(string type) => invoices.TryGetValue(e.StreamId, out var invoice)
            ? new() { Id = e.Id.ToString(), Cursor = "", Type = type, TenantId = tenant, InvoiceId = e.StreamId, InvoiceMonth = invoice.Month, Currency = invoice.Currency }
            : new() { Id = e.Id.ToString(), Cursor = "", Type = type, TenantId = tenant };
        switch (e.Data)
        {
            case UsageMetered metered:
                foreach (var sample in metered.Samples.All)
                {
                    var session = sessions.GetValueOrDefault((tenant, sample.Session));
                    yield return Of("usage") with
                    {
                        From = metered.From, To = metered.To, ServerId = metered.ServerId, Region = session?.Region, SessionId = session?.Id, UserId = session?.User, DeviceId = session?.Device,
                        RxBytes = sample.RxBytes, TxBytes = sample.TxBytes,
                    };
                }

                break;
            case InvoiceIssued invoice:
                foreach (var line in invoice.Lines)
                {
                    yield return Of("invoice_line") with
                    {
                        From = Month.At(line.From), To = Month.At(line.Until), Region = line.Region, Number = invoice.Number, Kind = Names.Of(line.Kind), Month = line.Month, Description = line.Describe(),
                        Metric = line.Metric is { } metric ? Names.Of(metric) : null, Quantity = line.Quantity, Amount = line.Amount,
                    };
                }

                break;
            case CreditNoteIssued note: yield return Of("credit_note") with { From = note.At, Number = note.Number, Description = note.Reason, Amount = -note.Amount }; break;
            case PaymentReceived paid: yield return Of("payment") with { From = paid.At, Description = paid.Reference, Amount = paid.Amount }; break;
            case PaymentRefunded back: yield return Of("payment") with { From = back.At, Description = back.Reference, Amount = -back.Amount }; break;
        }
    }

    /// <summary>The answer to either export: NDJSON, or CSV with <c>format=csv</c> or <c>Accept: text/csv</c>; <c>CVault-Next-Cursor</c> says where to go on.</summary>
    internal static async Task<IResult> AnswerAsync(Guid? tenant, string? cursor, int? limit, string? format, string? columns, HttpContext http, NpgsqlDataSource database, IDocumentStore store, CancellationToken cancellation)
    {
        var errors = new List<(string, string)>();
        if (!Place.TryParse(cursor, out var after)) errors.Add(("cursor", "A cursor of an earlier line."));
        if (limit is < 1 or > MostLines) errors.Add(("limit", $"1 to {MostLines.ToString(CultureInfo.InvariantCulture)}."));
        if (format is not (null or "ndjson" or "csv")) errors.Add(("format", "ndjson or csv."));
        if (columns is not (null or "cvault" or "focus")) errors.Add(("columns", "cvault or focus."));
        if (errors.Count > 0) return new ProblemResult(Problems.Validation(errors));

        var (lines, end) = await ReadAsync(database, store, tenant, after, limit ?? 1000, columns == "focus" ? OfFocus : Types, cancellation);
        http.Response.Headers["CVault-Next-Cursor"] = end.ToString();
        IEnumerable<object> rows = columns == "focus" ? lines.Select(FocusLine.Of) : lines;
        if (format == "csv" || (format is null && http.Request.Prefers("text/csv"))) return Results.Text(Csv(rows, columns == "focus" ? typeof(FocusLine) : typeof(ExportLine)), "text/csv", Encoding.UTF8);
        var text = new StringBuilder();
        foreach (var row in rows) text.Append(JsonSerializer.Serialize(row, row.GetType(), columns == "focus" ? FocusLine.Json : Reply.Json)).Append('\n');
        return Results.Text(text.ToString(), "application/x-ndjson", Encoding.UTF8);
    }

    private static string Csv(IEnumerable<object> rows, Type type)
    {
        var columns = type.GetProperties().Select(p => (Name: p.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? (type == typeof(FocusLine) ? p.Name : JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name)), Property: p)).ToArray();
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        using (var csv = Cells.Of(text))
        {
            foreach (var (name, _) in columns) csv.WriteField(name);
            csv.NextRecord();
            foreach (var row in rows)
            {
                foreach (var (_, property) in columns)
                {
                    switch (property.GetValue(row))
                    {
                        case DateTimeOffset at: csv.WriteField(at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture)); break;
                        case long number: csv.WriteField(number); break;
                        case decimal number: csv.WriteField(number); break;
                        case var other: csv.WriteText(other?.ToString()); break;
                    }
                }

                csv.NextRecord();
            }
        }

        return text.ToString();
    }
}

/// <summary><c>GET /api/v1/billing/export</c>: a tenant's own lines.</summary>
public static class ExportOwn
{
    [WolverineGet("/api/v1/billing/export", OperationId = "exportBilling"), Authorize(Policies.Billing)]
    [ProducesResponseType<ExportLine>(200, "application/x-ndjson", "text/csv")]
    public static Task<IResult> Get(string? cursor, int? limit, string? format, string? columns, HttpContext http, ClaimsPrincipal principal, NpgsqlDataSource database, IDocumentStore store, CancellationToken cancellation) =>
        Export.AnswerAsync(principal.TenantId(), cursor, limit, format, columns, http, database, store, cancellation);
}

/// <summary><c>GET /admin/billing/export</c>: every tenant's.</summary>
public static class ExportAll
{
    [WolverineGet("/admin/billing/export", OperationId = "exportAllBilling"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<ExportLine>(200, "application/x-ndjson", "text/csv")]
    public static Task<IResult> Get(string? cursor, int? limit, string? format, string? columns, HttpContext http, NpgsqlDataSource database, IDocumentStore store, CancellationToken cancellation) =>
        Export.AnswerAsync(null, cursor, limit, format, columns, http, database, store, cancellation);
}
