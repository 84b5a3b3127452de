using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;
using CsCheck;
using CVault.Billing;

namespace CVault.Tests.Unit.Billing;

/// <summary>
/// Random histories of an account (plans, trials, discounts, credits, taxes, and usage that is known late or was less after
/// all), billed month by month by the real functions, and a second time by a model that does nothing clever: it looks at
/// each day anew and counts in exact fractions.
/// </summary>
public sealed partial class BillingHistoryTests
{
    private static readonly int Histories = Size.Of(2_000, 10_000);
    private static readonly string[] Regions = ["ap", "eu", "us"];

    /// <summary>Only what depends on usage is ever adjusted.</summary>
    private static readonly (LineKind, LineKind?)[] Kinds =
    [
        .. Enum.GetValues<LineKind>().Where(k => k != LineKind.Adjustment).Select(k => (k, (LineKind?)null)),
        .. new[] { LineKind.Usage, LineKind.Trial, LineKind.Discount, LineKind.Minimum }.Select(k => (LineKind.Adjustment, (LineKind?)k)),
    ];

    private static readonly Gen<decimal> Bounds = Gen.Frequency(
        (4, Gen.Int[1, 6].Select(n => (decimal)n)),
        (3, Gen.Long[1, 20_000_000_000].Select(n => n / 1_000_000_000m)),
        (1, Gen.Long[1, 1_000_000_000_000_000_000].Select(n => n / 1_000_000_000m)));

    private static readonly Gen<decimal> UnitPrices = Gen.Frequency(
        (1, Gen.Const(0m)),
        (3, Gen.Int[0, 200].Select(n => n / 2m)),
        (3, Gen.Long[0, 100_000_000_000_000].Select(n => n / 1_000_000_000_000m)),
        (1, Gen.Long[0, 9_000_000_000_000_000_000].Select(n => n / 1_000_000_000_000m)));

    private static readonly Gen<Price> Prices = Gen.Select(
        Gen.Frequency((2, Gen.Const(Metric.Traffic)), (4, Gen.Const(Metric.ConnectionTime)), (1, Gen.Const(Metric.ActiveUsers)), (1, Gen.Const(Metric.ActiveDevices))), Gen.Int[0, 4],
        Gen.Frequency((1, Gen.Const(0m)), (2, Bounds)), Gen.Bool, Gen.Select(Bounds, UnitPrices).Array[1, 4],
        (metric, region, included, volume, tiers) => new Price(
            metric, region < 2 || metric is Metric.ActiveUsers or Metric.ActiveDevices ? null : Regions[region - 2], included, volume ? TierMode.Volume : TierMode.Graduated, Rising(tiers)));

    private static readonly Gen<long> Money = Gen.Frequency(
        (4, Gen.Const(0L)), (3, Gen.Long[1, 99]), (3, Gen.Long[100, 100_000]), (1, Gen.Long[1, PlanBody.MostMoney]));

    private static readonly Gen<PlanTerms> Terms = Gen.Select(
        Money, Money, Gen.Frequency((2, Gen.Const(0)), (3, Gen.Int[1, 45])), Prices.Array[0, 4],
        (fee, minimum, trial, prices) => new PlanTerms("EUR", fee, minimum, trial, [.. prices.DistinctBy(p => (p.Metric, p.Region))]));

    private static readonly Gen<decimal> Percents = Gen.Frequency(
        (1, Gen.Const(100m)), (3, Gen.Int[1, 99].Select(n => (decimal)n)), (3, Gen.Int[1, 1_000_000].Select(n => n / 10_000m)), (1, Gen.Int[1, 100].Select(n => n / 10_000m)));

    private static readonly Gen<Step> Subscribes = Gen.Select(
        Gen.Int[0, 99], Gen.Frequency((1, Gen.Const(0)), (4, Gen.Int[0, 30]), (1, Gen.Int[0, 90])), (plan, day) => (Step)new Subscribed(plan, day));

    private static readonly Gen<Step> Grants = Gen.Select(
        Gen.Int[0, 2], Percents, Gen.Int[0, 3], Gen.Frequency((1, Gen.Const(-1)), (2, Gen.Int[0, 5])), (name, percent, from, months) => (Step)new Granted(name, percent, from, months));

    private static readonly Gen<Step> Credits = Money.Where(m => m > 0).Select(amount => (Step)new Credited(amount));

    private static readonly Gen<Step> Taxes = Gen.Frequency((1, Gen.Const(0m)), (3, Percents)).Array[0, 3].Select(percents => (Step)new Taxed(percents));

    private static readonly Gen<Step> Steps = Gen.Frequency(
        (24, Gen.Select(
            Gen.Frequency((3, Gen.Int[0, 30]), (2, Gen.Int[-100, -1])), Gen.Int[0, 2],
            Gen.Frequency((1, Gen.Const(0L)), (3, Gen.Long[1, 5].Select(n => n * 1_000_000_000)), (3, Gen.Long[0, 50_000_000_000]), (1, Gen.Long[0, 50_000_000_000_000])),
            Gen.Frequency((1, Gen.Const(0L)), (3, Gen.Long[1, 5].Select(n => n * 3600)), (3, Gen.Long[0, 200_000]), (1, Gen.Long[0, 200_000_000])),
            Gen.Int[0, 3], Gen.Int[0, 5], (day, region, bytes, seconds, user, device) => (Step)new Used(day, region, bytes, seconds, user, device))),
        (12, Gen.Select(Gen.Int[0, 9], Gen.Frequency((1, Gen.Const(0)), (1, Gen.Int[0, 100])), (which, percent) => (Step)new Corrected(which, percent))),
        (4, Subscribes),
        (4, Gen.Int[0, 60].Select(day => (Step)new Ended(day))),
        (2, Grants),
        (1, Gen.Select(Gen.Int[0, 9], Gen.Int[0, 2], (which, months) => (Step)new Stopped(which, months))),
        (2, Credits),
        (1, Taxes));

    /// <summary>The months about February of a leap year, and about one or two ends of years.</summary>
    private static readonly Gen<Case> Cases = Gen.Select(
        Gen.Int[0, 13], Gen.Int[1, 14], Terms.Array[1, 4], Gen.OneOf(Grants, Credits, Taxes).Array[0, 1], Subscribes, Gen.Select(Gen.Int[0, 13], Steps).Array[0, 100], Gen.Int[0, 3],
        (before, months, plans, first, subscribed, steps, all) => new Case(
            Later(new Month(2028, 2), -before), months, plans, [.. first, subscribed], [.. steps.Select(s => (s.Item1 % months, s.Item2))], all == 0));

    [Fact]
    public void every_month_is_closed_as_an_independent_model_closes_it()
    {
        var compared = new ConcurrentDictionary<(LineKind, LineKind?), int>();
        Cases.Sample(c => new History(c, compared).Run(), iter: Histories, print: History.Told);
        Assert.All(Kinds, k => Assert.True(compared.GetValueOrDefault(k) > Histories / 20, $"Hardly any line of {k} was compared: {string.Join(", ", compared)}"));
        Assert.Equal(Kinds.Length, compared.Count);
    }

    private static Tier[] Rising((decimal Step, decimal UnitPrice)[] steps)
    {
        var tiers = new List<Tier>();
        var upTo = 0m;
        foreach (var (step, unitPrice) in steps) tiers.Add(new Tier(upTo += step, unitPrice));
        return [.. tiers[..^1], tiers[^1] with { UpTo = null }];
    }

    private static Month Later(Month month, int months) => Month.Of(month.First.AddMonths(months));

    /// <param name="Begin">What happens first, the first subscription last.</param>
    /// <param name="Steps">With the number of closings before.</param>
    /// <param name="All">All earlier months are looked at anew, not only those that changed.</param>
    private sealed record Case(Month First, int Months, PlanTerms[] Plans, Step[] Begin, (int At, Step What)[] Steps, bool All);

    /// <summary>What happens; days and months are counted from the first that is not closed.</summary>
    private abstract record Step;

    private sealed record Subscribed(int Plan, int Day) : Step;

    private sealed record Ended(int Day) : Step;

    /// <param name="Months">After the first one; below zero: all.</param>
    private sealed record Granted(int Name, decimal Percent, int From, int Months) : Step;

    private sealed record Stopped(int Which, int Months) : Step;

    private sealed record Credited(long Amount) : Step;

    private sealed record Taxed(decimal[] Percents) : Step;

    private sealed record Used(int Day, int Region, long Bytes, long Seconds, int User, int Device) : Step;

    /// <param name="Which">Before the last that was used.</param>
    /// <param name="Percent">Of its seconds that are left.</param>
    private sealed record Corrected(int Which, int Percent) : Step;

    /// <summary>Something that was used, as far as it is known.</summary>
    private sealed class Fact(DateOnly day, string region, long bytes, long seconds, int user, int device)
    {
        public DateOnly Day => day;
        public string Region => region;
        public long Bytes => bytes;
        public long Seconds { get; set; } = seconds;
        public int User => user;
        public int Device => device;
    }

    /// <summary>A line as far as the rules say what it is like.</summary>
    private sealed record Owed(
        LineKind Kind, Month Month, DateOnly From, DateOnly Until, string? Name, long Amount, Metric? Metric = null, string? Region = null, long? Quantity = null, LineKind? Of = null)
    {
        public static Owed Like(Line line) => new(
            line.Kind, line.Month, line.From, line.Until, (line.Of ?? line.Kind) is LineKind.Minimum or LineKind.Credit or LineKind.CarriedOver ? null : line.Name, line.Amount,
            line.Metric, line.Region, line.Kind == LineKind.Adjustment ? null : line.Quantity, line.Of);

        public override string ToString() =>
            $"{Kind}{(Of is { } of ? " of " + of : "")} {Month} {From:O}..{Until:O} {Name} {Metric} {Region} {Quantity}: {Amount}";
    }

    /// <summary>The case as it happens to the real account and to the model.</summary>
    private sealed class History(Case c, ConcurrentDictionary<(LineKind, LineKind?), int> compared)
    {
        private static readonly Guid Id = BillingAccount.IdOf(Samples.Tenant.Id);

        private readonly StringBuilder told = new();
        private readonly List<Fact> facts = [];
        private readonly HashSet<Month> changed = [];
        private readonly List<Month> closed = [];
        private readonly List<Line> invoiced = [];
        private readonly Naive naive = new();
        private BillingAccount? account;

        private DateOnly FirstOpen => account?.ClosedThrough?.End ?? c.First.First;

        /// <summary>The case in words, up to where it fails.</summary>
        public static string Told(Case c)
        {
            var history = new History(c, []);
            try
            {
                history.Run();
            }
            catch (Exception e)
            {
                history.told.Append(e.GetType().Name).Append(": ").AppendLine(e.Message);
            }

            return history.told.ToString();
        }

        public void Run()
        {
            for (var i = 0; i < c.Plans.Length; i++) Tell(c.Plans[i], i);
            foreach (var step in c.Begin) Do(step);
            for (var at = 0; at < c.Months; at++)
            {
                foreach (var (_, step) in c.Steps.Where(s => s.At == at)) Do(step);
                Close(account!.NextToClose!.Value);
            }

            Assert.Equal(
                closed.Sum(m => naive.Charges(m, facts).Sum(l => l.Amount)),
                invoiced.Where(l => l.Kind is not (LineKind.Credit or LineKind.CarriedOver or LineKind.Tax)).Sum(l => l.Amount));
        }

        private void Do(Step step)
        {
            switch (step)
            {
                case Subscribed s:
                    var plan = s.Plan % c.Plans.Length;
                    var subscribed = new PlanSubscribed(new Guid(plan + 1, 0, 0, new byte[8]), 1, "p" + plan, c.Plans[plan], FirstOpen.AddDays(s.Day));
                    account = account is null ? BillingAccount.Create(Samples.Stored(Id, subscribed)) : account.Apply(subscribed);
                    naive.Subscribe(subscribed.From, subscribed.PlanName, subscribed.Terms);
                    told.AppendLine($"p{plan} from {subscribed.From:O}");
                    break;
                case Ended s:
                    var ended = new SubscriptionEnded(FirstOpen.AddDays(s.Day));
                    account = account!.Apply(ended);
                    naive.Subscribe(ended.From, null, null);
                    told.AppendLine($"nothing from {ended.From:O}");
                    break;
                case Granted s:
                    var from = Later(Month.Of(FirstOpen), s.From);
                    var discount = new Discount(Guid.NewGuid(), "d" + s.Name, s.Percent, from, s.Months < 0 ? null : Later(from, s.Months));
                    account = account is null ? BillingAccount.Create(Samples.Stored(Id, new DiscountGranted(discount))) : account.Apply(new DiscountGranted(discount));
                    naive.Discounts.Add(discount);
                    told.AppendLine($"discount {discount.Name} of {discount.Percent} % from {discount.From} to {discount.Until}");
                    break;
                case Stopped s when naive.Discounts.Count > 0:
                    var which = s.Which % naive.Discounts.Count;
                    var stopped = new DiscountEnded(naive.Discounts[which].Id, Later(Month.Of(FirstOpen), s.Months - 1));
                    if (naive.Discounts[which].Until <= stopped.Last) break;
                    account = account!.Apply(stopped);
                    naive.Discounts[which] = naive.Discounts[which] with { Until = stopped.Last };
                    told.AppendLine($"discount {naive.Discounts[which].Name} ({which}) to {stopped.Last}");
                    break;
                case Credited s:
                    var credited = new CreditGranted(Guid.NewGuid(), s.Amount, "test");
                    account = account is null ? BillingAccount.Create(Samples.Stored(Id, credited)) : account.Apply(credited);
                    naive.Credit += s.Amount;
                    told.AppendLine($"credit of {s.Amount}");
                    break;
                case Taxed s:
                    var taxed = new BillingDetailsChanged([.. s.Percents.Select((p, i) => new Tax("t" + i, p))], 14, null);
                    account = account is null ? BillingAccount.Create(Samples.Stored(Id, taxed)) : account.Apply(taxed);
                    naive.Taxes = taxed.Taxes;
                    told.AppendLine($"taxes of {string.Join(", ", s.Percents)} %");
                    break;
                case Used s:
                    var fact = new Fact(FirstOpen.AddDays(s.Day), Regions[s.Region], s.Bytes, s.Seconds, s.User, s.Device);
                    facts.Add(fact);
                    changed.Add(Month.Of(fact.Day));
                    told.AppendLine($"use {facts.Count - 1} on {fact.Day:O} in {fact.Region}: {fact.Bytes} bytes, {fact.Seconds} seconds, user {fact.User}, device {fact.Device}");
                    break;
                case Corrected s when facts.Count > 0:
                    var last = facts.Count - 1 - (s.Which % facts.Count);
                    var wrong = facts[last];
                    wrong.Seconds = wrong.Seconds * s.Percent / 100;
                    changed.Add(Month.Of(wrong.Day));
                    told.AppendLine($"use {last} was {wrong.Seconds} seconds only");
                    break;
            }
        }

        private void Close(Month month)
        {
            if (closed.Count > 0) Assert.Equal(closed[^1].Next, month);
            told.AppendLine($"{month} is closed");
            var late = closed.Where(changed.Contains).ToList();
            var earlier = (c.All ? closed : late).Select(m => new Rerated(m, Charges(m), [.. invoiced.Where(l => l.Month == m)]));
            var actual = Closing.Close(month, Charges(month), [.. earlier], account!.Credit, account.Taxes);
            var expected = naive.Close(month, late, facts);

            var rest = actual.Lines.Select(Owed.Like).ToList();
            var missing = expected.Where(l => !rest.Remove(l)).ToList();
            if (missing.Count + rest.Count > 0) Assert.Fail($"{month}: the model alone has\n  {string.Join("\n  ", missing)}\nthe invoice alone has\n  {string.Join("\n  ", rest)}");
            Assert.Equal(naive.Credit, actual.Credit);
            Assert.Equal(actual.Lines.Sum(l => l.Amount), actual.Total);
            Assert.InRange(actual.Total, 0, long.MaxValue);
            Assert.InRange(actual.Credit, 0, long.MaxValue);

            foreach (var line in actual.Lines) compared.AddOrUpdate((line.Kind, line.Of), 1, (_, n) => n + 1);
            invoiced.AddRange(actual.Lines);
            closed.Add(month);
            changed.Clear();
            account = account.Apply(new MonthClosed(month, actual.Lines.IsEmpty ? null : Invoice.IdOf(Samples.Tenant.Id, month), actual.Credit, closed.Count));
        }

        private ImmutableList<Line> Charges(Month month)
        {
            var spans = account!.Spans(month);
            Assert.Equal(naive.Spans(month).Select(s => (s.From, s.Until, s.Name, s.Terms, s.Trial)), spans.Select(s => (s.From, s.Until, s.PlanName, s.Terms, s.Trial)));
            return Rating.Charges(month, [.. spans.Select(s => (s, Uses(s.From, s.Until)))], account.Discounts);
        }

        /// <summary>As the usage read model would have it.</summary>
        private IReadOnlyList<Use> Uses(DateOnly from, DateOnly until)
        {
            var used = facts.Where(f => f.Day >= from && f.Day < until).ToList();
            var regions = used.GroupBy(f => f.Region).OrderBy(g => g.Key, StringComparer.Ordinal).ToList();
            return [.. new[]
            {
                regions.Select(g => new Use(Metric.Traffic, g.Key, g.Sum(f => f.Bytes))),
                regions.Select(g => new Use(Metric.ConnectionTime, g.Key, g.Sum(f => f.Seconds))),
                [new Use(Metric.ActiveUsers, "", used.DistinctBy(f => f.User).Count()), new Use(Metric.ActiveDevices, "", used.DistinctBy(f => f.Device).Count())],
            }.SelectMany(u => u).Where(u => u.Quantity > 0)];
        }

        private void Tell(PlanTerms plan, int number)
        {
            told.AppendLine($"p{number}: {plan.BaseFee} a month, at least {plan.MonthlyMinimum}, {plan.TrialDays} days of trial");
            foreach (var price in plan.Prices)
            {
                told.AppendLine($"  {price.Metric} {price.Region ?? "everywhere"}: {price.Included} included, {price.Mode} {string.Join(", ", price.Tiers.Select(t => $"{t.UnitPrice} up to {t.UpTo}"))}");
            }
        }
    }
}
