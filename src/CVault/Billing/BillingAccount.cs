using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using CVault.Security;
using JasperFx.Events;

namespace CVault.Billing;

/// <summary>From this day on these terms hold, whatever was to hold then.</summary>
/// <param name="Terms">As they were when it was ordered: another price of the plan is another version.</param>
/// <param name="From">A day of a month that is not closed.</param>
public sealed record PlanSubscribed(Guid PlanId, int PlanVersion, string PlanName, PlanTerms Terms, DateOnly From);

/// <summary>From this day on nothing is charged, whatever was to hold then.</summary>
public sealed record SubscriptionEnded(DateOnly From);

/// <summary>A share of the charges of some months is not to be paid.</summary>
public sealed record DiscountGranted(Discount Discount);

/// <summary>The discount holds no longer than this month.</summary>
public sealed record DiscountEnded(Guid DiscountId, Month Last);

/// <summary>So much of what is to come is paid already.</summary>
/// <param name="Amount">Minor units of the account's currency; below zero where credit is taken back.</param>
public sealed record CreditGranted(Guid CreditId, long Amount, string Reason);

/// <param name="Percent">Of all lines but taxes, up to 100, with up to four decimals.</param>
public sealed record Tax(string Name, decimal Percent);

/// <summary>How the tenant is billed.</summary>
/// <param name="PaymentDays">From an invoice to its due date.</param>
/// <param name="BillTo">Name and address for invoices, sealed under the tenant's data key; null: the tenant's name alone.</param>
public sealed record BillingDetailsChanged(Tax[] Taxes, int PaymentDays, Sealed? BillTo);

/// <summary>Usage and invoices from now on are told to Stripe as this customer's (<c>cus_…</c>); null: not any more.</summary>
public sealed record StripeCustomerLinked(string? Customer);

/// <summary>The month is closed: nothing of it changes any more.</summary>
/// <param name="InvoiceId">Null where there was nothing to bill.</param>
/// <param name="Credit">What is left of the credit.</param>
/// <param name="Through">The place in the sequence of events up to which usage was counted, that of earlier months too.</param>
public sealed record MonthClosed(Month Month, Guid? InvoiceId, long Credit, long Through);

/// <summary>What holds from a day on.</summary>
/// <param name="Terms">Null: nothing does.</param>
public sealed record Subscription(DateOnly From, Guid PlanId, int PlanVersion, string PlanName, PlanTerms? Terms);

/// <summary>What a tenant pays by.</summary>
public sealed record BillingAccount(Guid Id)
{
    public const string BillToPurpose = "billing-bill-to";
    public const int DefaultPaymentDays = 14;

    /// <summary>In the order of their days.</summary>
    public ImmutableList<Subscription> Subscriptions { get; init; } = [];

    /// <summary>The first day after the trial; null where there is none.</summary>
    public DateOnly? TrialEnds { get; init; }

    /// <summary>ISO 4217: the first subscription's, and so every later one's, once anything was billed or granted in it. Null before there was one.</summary>
    public string? Currency { get; init; }

    public ImmutableList<Discount> Discounts { get; init; } = [];

    /// <summary>Minor units that invoices to come use up.</summary>
    public long Credit { get; init; }

    public ImmutableList<Tax> Taxes { get; init; } = [];
    public int PaymentDays { get; init; } = DefaultPaymentDays;

    /// <summary>See <see cref="BillingDetailsChanged"/>.</summary>
    public Sealed? BillTo { get; init; }

    /// <summary>See <see cref="StripeCustomerLinked"/>.</summary>
    public string? StripeCustomer { get; init; }

    /// <summary>The last month that was closed; null before the first was.</summary>
    public Month? ClosedThrough { get; init; }

    /// <summary>See <see cref="MonthClosed"/>.</summary>
    public long Through { get; init; }

    /// <summary>The stream of a tenant's account: one a tenant, so its id follows from the tenant's (RFC 9562, version 8).</summary>
    public static Guid IdOf(Guid tenantId) => Derived(tenantId, "billing");

    /// <summary>An id that follows from another and a name.</summary>
    public static Guid Derived(Guid from, string name)
    {
        Span<byte> hash = SHA256.HashData([.. from.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(name)]).AsSpan(0, 16);
        hash[6] = (byte)((hash[6] & 0x0f) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3f) | 0x80);
        return new Guid(hash, bigEndian: true);
    }

    /// <summary>The month that is to be closed next; null before there was a subscription.</summary>
    [JsonIgnore]
    public Month? NextToClose => ClosedThrough?.Next ?? FirstMonth;

    /// <summary>The same as text, for the index by which due accounts are found.</summary>
    public string? NextMonth => NextToClose?.ToString();

    /// <summary>The first month that is billed; null before there was a subscription.</summary>
    [JsonIgnore]
    public Month? FirstMonth => Subscriptions.IsEmpty ? null : Month.Of(Subscriptions[0].From);

    /// <summary>The month's days by what held on them; days without a subscription are in none.</summary>
    public ImmutableList<TermSpan> Spans(Month month)
    {
        var cuts = Subscriptions.Select(s => s.From).Append(TrialEnds ?? month.First).Where(d => d > month.First && d < month.End).Append(month.First).Append(month.End).Distinct().Order().ToArray();
        var spans = ImmutableList.CreateBuilder<TermSpan>();
        foreach (var (from, until) in cuts.Zip(cuts[1..]))
        {
            if (Subscriptions.LastOrDefault(s => s.From <= from) is { Terms: { } terms } held) spans.Add(new TermSpan(from, until, held.PlanId, held.PlanVersion, held.PlanName, terms, from < TrialEnds));
        }

        return spans.ToImmutable();
    }

    /// <summary>The account as it would be on another plan for all of its days.</summary>
    public BillingAccount On(Guid planId, int version, string name, PlanTerms terms) =>
        this with { Subscriptions = [.. Subscriptions.Select(s => s.Terms is null ? s : new Subscription(s.From, planId, version, name, terms))] };

    public static BillingAccount Create(IEvent<PlanSubscribed> e) => new BillingAccount(e.StreamId).Apply(e.Data);

    public static BillingAccount Create(IEvent<DiscountGranted> e) => new BillingAccount(e.StreamId).Apply(e.Data);

    public static BillingAccount Create(IEvent<CreditGranted> e) => new BillingAccount(e.StreamId).Apply(e.Data);

    public static BillingAccount Create(IEvent<BillingDetailsChanged> e) => new BillingAccount(e.StreamId).Apply(e.Data);

    public static BillingAccount Create(IEvent<StripeCustomerLinked> e) => new BillingAccount(e.StreamId).Apply(e.Data);

    public BillingAccount Apply(PlanSubscribed e) => this with
    {
        Subscriptions = Before(e.From).Add(new Subscription(e.From, e.PlanId, e.PlanVersion, e.PlanName, e.Terms)),
        Currency = CurrencyFrom(e.From) ?? e.Terms.Currency,
        // Whatever takes the place of the first subscription is the first one.
        TrialEnds = Before(e.From).All(s => s.Terms is null) ? e.Terms.TrialDays > 0 ? e.From.AddDays(e.Terms.TrialDays) : null : TrialEnds,
    };

    public BillingAccount Apply(SubscriptionEnded e) => this with { Subscriptions = Before(e.From).Add(new Subscription(e.From, Guid.Empty, 0, "", null)) };

    public BillingAccount Apply(DiscountGranted e) => this with { Discounts = Discounts.Add(e.Discount) };

    public BillingAccount Apply(DiscountEnded e) => this with { Discounts = [.. Discounts.Select(d => d.Id == e.DiscountId && !(d.Until <= e.Last) ? d with { Until = e.Last } : d)] };

    public BillingAccount Apply(CreditGranted e) => this with { Credit = checked(Credit + e.Amount) };

    public BillingAccount Apply(BillingDetailsChanged e) => this with { Taxes = [.. e.Taxes], PaymentDays = e.PaymentDays, BillTo = e.BillTo };

    public BillingAccount Apply(StripeCustomerLinked e) => this with { StripeCustomer = e.Customer };

    public BillingAccount Apply(MonthClosed e) => this with { ClosedThrough = e.Month, Credit = e.Credit, Through = e.Through };

    /// <summary>What a subscription from a day on has to be in; null where nothing is in a currency yet.</summary>
    public string? CurrencyFrom(DateOnly day) => ClosedThrough is null && Credit == 0 && Before(day).All(s => s.Terms is null) ? null : Currency;

    private ImmutableList<Subscription> Before(DateOnly day) => Subscriptions.RemoveAll(s => s.From >= day);
}
