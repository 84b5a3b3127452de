using Weasel.Postgresql.Tables;

namespace CVault.Billing;

/// <summary>What is said to Stripe.</summary>
public enum StripeKind
{
    /// <summary>A reading's bytes: a meter event.</summary>
    Usage,
    Invoice,
    CreditNote,

    /// <summary>A payment that came by another way than Stripe.</summary>
    Payment,
}

/// <summary>How something that is to be said to Stripe stands. What was said is forgotten.</summary>
public enum StripeState
{
    Waiting,

    /// <summary>Stripe may have counted it and never said so, and no longer remembers the identifier: said again, it could count twice.</summary>
    Doubtful,

    /// <summary>Older than Stripe takes usage.</summary>
    Expired,

    /// <summary>Stripe's currency units have no such amount.</summary>
    Unpayable,
}

/// <summary>
/// The tables of the exporter to Stripe. What is to be said is written with the place in the sequence of events up to which
/// it was looked for, so each event is in it once; what came from Stripe is written with what it changed.
/// </summary>
public static class StripeTables
{
    public const string Outbox = $"{Database.Schema}.stripe_outbox", Position = $"{Database.Schema}.stripe_position", Invoices = $"{Database.Schema}.stripe_invoices",
        Payments = $"{Database.Schema}.stripe_payments", Refunds = $"{Database.Schema}.stripe_refunds", Events = $"{Database.Schema}.stripe_events";

    public static IEnumerable<Table> Schemas()
    {
        var outbox = new Table(Database.Named("stripe_outbox"));
        outbox.AddColumn<Guid>("id").AsPrimaryKey(); // The event's.
        outbox.AddColumn("sequence", "bigint").NotNull();
        outbox.AddColumn("tenant_id", "text").NotNull();
        outbox.AddColumn("kind", "text").NotNull();
        outbox.AddColumn("customer", "text").NotNull();
        outbox.AddColumn<Guid>("invoice_id");
        outbox.AddColumn("amount", "bigint").NotNull(); // Bytes, or minor units.
        outbox.AddColumn("at", "timestamptz").NotNull();
        outbox.AddColumn("state", "text").NotNull();
        outbox.AddColumn("next_at", "timestamptz").NotNull();
        outbox.AddColumn("attempts", "integer").NotNull().DefaultValueByExpression("0");
        // Since when it may be that Stripe has done it and the answer was lost.
        outbox.AddColumn("unsure_since", "timestamptz");
        // Counts the definite refusals: an idempotency key answers a refusal again for 24 hours.
        outbox.AddColumn("refusals", "integer").NotNull().DefaultValueByExpression("0");
        outbox.AddColumn("problem", "text");
        outbox.Indexes.Add(new IndexDefinition("stripe_outbox_usage") { Columns = ["next_at"], Predicate = "((state = 'Waiting'::text) AND (kind = 'Usage'::text))" });
        outbox.Indexes.Add(new IndexDefinition("stripe_outbox_money") { Columns = ["next_at"], Predicate = "((state = 'Waiting'::text) AND (kind <> 'Usage'::text))" });
        outbox.Indexes.Add(new IndexDefinition("stripe_outbox_of_invoices") { Columns = ["invoice_id"], Predicate = "(invoice_id IS NOT NULL)" });
        yield return outbox;

        var position = new Table(Database.Named("stripe_position"));
        position.AddColumn("name", "text").AsPrimaryKey();
        position.AddColumn("position", "bigint").NotNull();
        yield return position;

        var invoices = new Table(Database.Named("stripe_invoices"));
        invoices.AddColumn("stripe_id", "text").AsPrimaryKey();
        invoices.AddColumn<Guid>("invoice_id").NotNull().AddIndex(i => i.IsUnique = true);
        invoices.AddColumn("tenant_id", "text").NotNull();
        yield return invoices;

        var payments = new Table(Database.Named("stripe_payments"));
        payments.AddColumn("payment", "text").AsPrimaryKey(); // A payment intent's or a charge's id.
        payments.AddColumn<Guid>("invoice_id").NotNull();
        payments.AddColumn("tenant_id", "text").NotNull();
        yield return payments;

        // How each refund stands, also those of payments that were not told yet.
        var refunds = new Table(Database.Named("stripe_refunds"));
        refunds.AddColumn("reference", "text").AsPrimaryKey();
        refunds.AddColumn("payment", "text").NotNull().AddIndex();
        refunds.AddColumn("amount", "bigint").NotNull();
        refunds.AddColumn("state", "text").NotNull();
        yield return refunds;

        var events = new Table(Database.Named("stripe_events"));
        events.AddColumn("id", "text").AsPrimaryKey();
        events.AddColumn("at", "timestamptz").NotNull();
        yield return events;
    }
}
