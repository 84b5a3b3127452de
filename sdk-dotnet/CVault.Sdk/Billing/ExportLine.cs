namespace CVault.Sdk;

/// <summary>A line of the export. Members that do not apply are null.</summary>
public sealed class ExportLine
{
    /// <summary>For ever the same.</summary>
    public string Id { get; set; } = "";

    /// <summary>Whoever has stored it asks with it for what comes after this line.</summary>
    public string Cursor { get; set; } = "";

    /// <summary><c>usage</c>, <c>invoice_line</c>, <c>credit_note</c> or <c>payment</c>.</summary>
    public string Type { get; set; } = "";

    /// <summary>Whose line it is.</summary>
    public Guid TenantId { get; set; }

    /// <summary>The beginning.</summary>
    public DateTimeOffset? From { get; set; }

    /// <summary>The end.</summary>
    public DateTimeOffset? To { get; set; }

    /// <summary>On which server.</summary>
    public Guid? ServerId { get; set; }

    /// <summary>Where that is.</summary>
    public string? Region { get; set; }

    /// <summary>In which session.</summary>
    public Guid? SessionId { get; set; }

    /// <summary>Whose session.</summary>
    public Guid? UserId { get; set; }

    /// <summary>Of which device.</summary>
    public Guid? DeviceId { get; set; }

    /// <summary>Received from the device.</summary>
    public long? RxBytes { get; set; }

    /// <summary>Sent to the device.</summary>
    public long? TxBytes { get; set; }

    /// <summary>Of the invoice that the line, the payment or the credit note belongs to.</summary>
    public Guid? InvoiceId { get; set; }

    /// <summary>The month of that invoice, as in <c>2026-11</c>.</summary>
    public string? InvoiceMonth { get; set; }

    /// <summary>Of the invoice or credit note.</summary>
    public string? Number { get; set; }

    /// <summary>As in <see cref="BillingLine.Kind"/>.</summary>
    public string? Kind { get; set; }

    /// <summary>As in <c>2026-11</c>.</summary>
    public string? Month { get; set; }

    /// <summary>In words.</summary>
    public string? Description { get; set; }

    /// <summary>As in <see cref="Price.Metric"/>.</summary>
    public string? Metric { get; set; }

    /// <summary>Bytes, seconds, users or devices.</summary>
    public long? Quantity { get; set; }

    /// <summary>Minor units.</summary>
    public long? Amount { get; set; }

    /// <summary>ISO 4217.</summary>
    public string? Currency { get; set; }
}
