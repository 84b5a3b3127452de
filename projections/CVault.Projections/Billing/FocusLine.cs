using System.Text.Json;
using System.Text.Json.Serialization;
using CVault.Billing;

namespace CVault.Projections.Billing;

/// <summary>
/// A line of an invoice in columns of FOCUS 1.1, the FinOps Open Cost and Usage Specification (https://focus.finops.org):
/// those that apply to what CVault sells. Usage and payments are no rows of it.
/// </summary>
public sealed record FocusLine
{
    /// <summary>Columns have the specification's own names.</summary>
    internal static readonly JsonSerializerOptions Json = new() { Encoder = Reply.Json.Encoder };

    public required string BillingAccountId { get; init; }
    public required string BillingCurrency { get; init; }
    public required DateTimeOffset BillingPeriodStart { get; init; }
    public required DateTimeOffset BillingPeriodEnd { get; init; }
    public required DateTimeOffset ChargePeriodStart { get; init; }
    public required DateTimeOffset ChargePeriodEnd { get; init; }

    /// <summary><c>Usage</c>, <c>Purchase</c>, <c>Tax</c>, <c>Credit</c> or <c>Adjustment</c>.</summary>
    public required string ChargeCategory { get; init; }

    /// <summary><c>Correction</c> for an earlier period's.</summary>
    public required string? ChargeClass { get; init; }
    public required string ChargeDescription { get; init; }
    public required decimal BilledCost { get; init; }
    public required decimal EffectiveCost { get; init; }
    public required decimal ListCost { get; init; }
    public required decimal ContractedCost { get; init; }
    public required decimal? ConsumedQuantity { get; init; }
    public required string? ConsumedUnit { get; init; }
    public required string InvoiceId { get; init; }
    public required string InvoiceIssuerName { get; init; }
    public required string ProviderName { get; init; }
    public required string PublisherName { get; init; }
    public required string? RegionId { get; init; }
    public required string ServiceCategory { get; init; }
    public required string ServiceName { get; init; }
    public required string? SkuId { get; init; }

    /// <summary>Ours: the same as in the export by our own columns.</summary>
    [JsonPropertyName("x_LineId")]
    public required string LineId { get; init; }
    [JsonPropertyName("x_Cursor")]
    public required string Cursor { get; init; }

    /// <param name="line">A line of an invoice.</param>
    public static FocusLine Of(ExportLine line)
    {
        // The period is the invoice's, so that a period's lines are its invoice; what a correction is for, its charge period says.
        var (month, currency, kind) = (line.InvoiceMonth!.Value, line.Currency!, line.Kind);
        var cost = Currencies.Major(line.Amount!.Value, currency);
        return new FocusLine
        {
            BillingAccountId = line.TenantId.ToString(), BillingCurrency = currency, BillingPeriodStart = month.From, BillingPeriodEnd = month.Until, ChargePeriodStart = line.From!.Value, ChargePeriodEnd = line.To!.Value,
            ChargeCategory = kind switch { "usage" => "Usage", "base_fee" or "minimum" => "Purchase", "tax" => "Tax", "credit" or "trial" or "discount" or "carried_over" => "Credit", _ => "Adjustment" },
            ChargeClass = kind == "adjustment" ? "Correction" : null, ChargeDescription = line.Description!, BilledCost = cost, EffectiveCost = cost, ListCost = cost, ContractedCost = cost,
            ConsumedQuantity = line.Metric switch { "traffic" => line.Quantity / 1_000_000_000m, "connection_time" => line.Quantity / 3600m, _ => line.Quantity },
            ConsumedUnit = line.Metric switch { "traffic" => "GB", "connection_time" => "Hours", "active_users" => "Users", "active_devices" => "Devices", _ => null },
            InvoiceId = line.Number!, InvoiceIssuerName = "CVault", ProviderName = "CVault", PublisherName = "CVault", RegionId = line.Region, ServiceCategory = "Networking", ServiceName = "CVault VPN", SkuId = line.Metric,
            LineId = line.Id, Cursor = line.Cursor,
        };
    }
}
