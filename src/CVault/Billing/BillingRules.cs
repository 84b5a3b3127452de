namespace CVault.Billing;

/// <summary>When months are closed, and what becomes of who does not pay.</summary>
/// <param name="CloseAfter">How long after a month's end: its last readings should have come by then. What comes later is an adjustment on the next invoice.</param>
/// <param name="GraceDays">From an invoice's due date to the tenant's suspension.</param>
public sealed record BillingRules(TimeSpan CloseAfter, int GraceDays = BillingRules.DefaultGraceDays)
{
    public const int DefaultGraceDays = 14;
    public static readonly BillingRules Default = new(TimeSpan.FromHours(6));
}
