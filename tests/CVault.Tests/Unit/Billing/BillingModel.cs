using System.Numerics;
using CVault.Billing;

namespace CVault.Tests.Unit.Billing;

/// <content>The model: written from the rules alone, without a look at the code that it judges.</content>
public sealed partial class BillingHistoryTests
{
    /// <summary>What is to come of it.</summary>
    private sealed class Naive
    {
        private readonly List<Change> changes = [];
        private readonly List<Owed> charged = [];
        private DateOnly? trialEnds;

        public List<Discount> Discounts { get; } = [];
        public Tax[] Taxes { get; set; } = [];
        public long Credit { get; set; }

        public void Subscribe(DateOnly from, string? name, PlanTerms? terms)
        {
            // The first that stands has the trial: one that takes its place has its own.
            var first = !changes.Where((c, i) => c.From < from && c.Terms is not null && changes.Skip(i + 1).All(later => later.From > c.From)).Any();
            if (terms is not null && first) trialEnds = from.AddDays(terms.TrialDays);
            changes.Add(new Change(from, name, terms));
        }

        /// <summary>A day belongs to the change that was made last, of those that hold from it or from a day before.</summary>
        public List<Span> Spans(Month month)
        {
            var spans = new List<Span>();
            Change? before = null;
            for (var day = month.First; day < month.End; day = day.AddDays(1))
            {
                var change = changes.LastOrDefault(c => c.From <= day);
                if (change?.Terms is not null)
                {
                    if (ReferenceEquals(change, before) && day != trialEnds) spans[^1] = spans[^1] with { Until = day.AddDays(1) };
                    else spans.Add(new Span(day, day.AddDays(1), change.Name!, change.Terms, day < trialEnds));
                }

                before = change;
            }

            return spans;
        }

        public List<Owed> Charges(Month month, IReadOnlyCollection<Fact> facts)
        {
            var lines = new List<Owed>();
            var minimum = Fraction.Of(0);
            foreach (var span in Spans(month))
            {
                var share = new Fraction(span.Until.DayNumber - span.From.DayNumber, month.Days);
                var own = SpanLines(month, span, share, [.. facts.Where(f => f.Day >= span.From && f.Day < span.Until)]);
                lines.AddRange(own);
                if (span.Trial) lines.Add(new Owed(LineKind.Trial, month, span.From, span.Until, span.Name, -Sum(own)));
                else minimum += Fraction.Of(span.Terms.MonthlyMinimum) * share;
            }

            foreach (var discount in Discounts.Where(d => d.From <= month && (d.Until is not { } until || month <= until)))
            {
                var less = Percent(discount.Percent, Sum(lines));
                if (less != 0) lines.Add(new Owed(LineKind.Discount, month, month.First, month.End, discount.Name, -less));
            }

            var missing = minimum.Rounded() - Sum(lines);
            if (missing > 0) lines.Add(new Owed(LineKind.Minimum, month, month.First, month.End, null, missing));
            return lines;
        }

        public List<Owed> Close(Month month, IEnumerable<Month> late, IReadOnlyCollection<Fact> facts)
        {
            var lines = Charges(month, facts);
            foreach (var earlier in late)
            {
                var now = Charges(earlier, facts);
                foreach (var one in now.Concat(charged.Where(l => l.Month == earlier)).DistinctBy(Key))
                {
                    var difference = Sum(now.Where(l => Key(l) == Key(one))) - Sum(charged.Where(l => Key(l) == Key(one)));
                    if (difference != 0) lines.Add(one with { Kind = LineKind.Adjustment, Of = one.Of ?? one.Kind, Amount = difference, Quantity = null });
                }
            }

            charged.AddRange(lines);
            var sum = Sum(lines);
            if (sum < 0)
            {
                lines.Add(new Owed(LineKind.CarriedOver, month, month.First, month.End, null, -sum));
                Credit += -sum;
            }
            else if (Math.Min(sum, Credit) is > 0 and var paid)
            {
                lines.Add(new Owed(LineKind.Credit, month, month.First, month.End, null, -paid));
                Credit -= paid;
            }

            var left = Sum(lines);
            foreach (var tax in Taxes)
            {
                var amount = Percent(tax.Percent, left);
                if (amount != 0) lines.Add(new Owed(LineKind.Tax, month, month.First, month.End, tax.Name, amount));
            }

            return lines;
        }

        private static List<Owed> SpanLines(Month month, Span span, Fraction share, IReadOnlyCollection<Fact> facts)
        {
            var lines = new List<Owed>();
            if (span.Terms.BaseFee > 0) lines.Add(new Owed(LineKind.BaseFee, month, span.From, span.Until, span.Name, (Fraction.Of(span.Terms.BaseFee) * share).Rounded()));
            foreach (var price in span.Terms.Prices)
            {
                var there = facts.Where(f => Holds(price, span.Terms.Prices, f.Region)).ToList();
                var quantity = price.Metric switch
                {
                    Metric.Traffic => there.Sum(f => f.Bytes),
                    Metric.ConnectionTime => there.Sum(f => f.Seconds),
                    Metric.ActiveUsers => facts.Select(f => f.User).Distinct().Count(),
                    _ => facts.Select(f => f.Device).Distinct().Count(),
                };
                if (quantity > 0) lines.Add(new Owed(LineKind.Usage, month, span.From, span.Until, span.Name, Amount(price, quantity, share).Rounded(), price.Metric, price.Region, quantity));
            }

            return lines;
        }

        private static bool Holds(Price price, Price[] all, string region) =>
            price.Region == region || (price.Region is null && !all.Any(p => p.Metric == price.Metric && p.Region == region));

        private static Fraction Amount(Price price, long quantity, Fraction share)
        {
            var flows = price.Metric is Metric.Traffic or Metric.ConnectionTime;
            var units = new Fraction(quantity, price.Metric switch { Metric.Traffic => 1_000_000_000, Metric.ConnectionTime => 3600, _ => 1 });
            Fraction Prorated(decimal bound) => flows ? Fraction.Of(bound) * share : Fraction.Of(bound);

            var billable = Fraction.Max(Fraction.Of(0), units - Prorated(price.Included));
            var amount = Fraction.Of(0);
            if (price.Mode == TierMode.Volume)
            {
                var tier = price.Tiers.First(t => t.UpTo is not { } upTo || !(billable > Prorated(upTo)));
                amount = billable * Fraction.Of(tier.UnitPrice);
            }
            else
            {
                var below = Fraction.Of(0);
                foreach (var tier in price.Tiers)
                {
                    var reached = tier.UpTo is { } upTo ? Fraction.Min(billable, Prorated(upTo)) : billable;
                    amount += (reached - below) * Fraction.Of(tier.UnitPrice);
                    below = reached;
                }
            }

            return flows ? amount : amount * share;
        }

        private static long Percent(decimal percent, long of) => (Fraction.Of(percent) * new Fraction(of, 100)).Rounded();

        private static long Sum(IEnumerable<Owed> lines) => lines.Sum(l => l.Amount);

        private static (LineKind, Month, DateOnly, DateOnly, string?, Metric?, string?) Key(Owed line) =>
            (line.Of ?? line.Kind, line.Month, line.From, line.Until, line.Name, line.Metric, line.Region);

        /// <summary>Never equal to another: the same plan again is another change.</summary>
        private sealed class Change(DateOnly from, string? name, PlanTerms? terms)
        {
            public DateOnly From => from;
            public string? Name => name;
            public PlanTerms? Terms => terms;
        }
    }

    private sealed record Span(DateOnly From, DateOnly Until, string Name, PlanTerms Terms, bool Trial);

    /// <summary>An exact number.</summary>
    /// <param name="Under">Above zero.</param>
    private readonly record struct Fraction(BigInteger Over, BigInteger Under)
    {
        public static Fraction Of(decimal number)
        {
            var under = BigInteger.One;
            for (; number != decimal.Truncate(number); number *= 10) under *= 10;
            return new Fraction(new BigInteger(number), under);
        }

        public static Fraction operator +(Fraction a, Fraction b) => new((a.Over * b.Under) + (b.Over * a.Under), a.Under * b.Under);
        public static Fraction operator -(Fraction a, Fraction b) => new((a.Over * b.Under) - (b.Over * a.Under), a.Under * b.Under);
        public static Fraction operator *(Fraction a, Fraction b) => new(a.Over * b.Over, a.Under * b.Under);
        public static bool operator >(Fraction a, Fraction b) => a.Over * b.Under > b.Over * a.Under;
        public static bool operator <(Fraction a, Fraction b) => b > a;
        public static Fraction Max(Fraction a, Fraction b) => a > b ? a : b;
        public static Fraction Min(Fraction a, Fraction b) => a > b ? b : a;

        /// <summary>To a whole number, half away from zero.</summary>
        public long Rounded()
        {
            var whole = BigInteger.Abs(Over) / Under;
            var rest = BigInteger.Abs(Over) - (whole * Under);
            if (rest + rest >= Under) whole += 1;
            return (long)(Over.Sign < 0 ? -whole : whole);
        }
    }
}
