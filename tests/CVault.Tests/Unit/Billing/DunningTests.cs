using CVault.Billing;

namespace CVault.Tests.Unit.Billing;

public sealed class DunningTests
{
    private static readonly DateOnly Due = new(2026, 3, 10);
    private static readonly DateTimeOffset Now = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, null)]
    [InlineData(1, "1")]
    [InlineData(7, "1")]
    [InlineData(8, "1 2")]
    [InlineData(14, "1 2")]
    [InlineData(15, "1 2 over")]
    public void each_step_has_its_day(int late, string? expected) => Assert.Equal(expected ?? "", string.Join(' ', Steps(Of(), Due, Due.AddDays(late)).Select(s => s.Step)));

    [Fact]
    public void who_was_not_reminded_in_time_is_reminded_before_anything_else_happens()
    {
        // No node was up for a month.
        var steps = Steps(Of(), Due.AddDays(30), Due.AddDays(60)).ToList();
        Assert.Equal([("1", Due.AddDays(30)), ("2", Due.AddDays(37)), ("over", Due.AddDays(44))], steps);
    }

    [Fact]
    public void what_went_back_of_a_paid_invoice_is_late_from_then_on()
    {
        var paid = Of().Apply(new PaymentReminded(1, Now, Due.AddDays(7))).Apply(new PaymentReceived("wire", 1000, Now)).Apply(new GraceEnded(Now));
        var refundedOn = Due.AddDays(50);
        var refunded = paid.Apply(new PaymentRefunded("back", 500, new DateTimeOffset(refundedOn, TimeOnly.MinValue, TimeSpan.Zero)));
        Assert.Equal([("1", refundedOn.AddDays(1)), ("2", refundedOn.AddDays(8)), ("over", refundedOn.AddDays(15))], Steps(refunded, refundedOn, refundedOn.AddDays(20)));
        Assert.Empty(Steps(refunded.Apply(new CreditNoteIssued("CN-2026-000001", 500, "Sorry", Now)), refundedOn, refundedOn.AddDays(20)));

        // Before it is due nothing is late, and what is open already stays as late as it is.
        Assert.Equal(Due, Of().Apply(new PaymentReceived("wire", 1000, Now)).Apply(new PaymentRefunded("back", 1, new DateTimeOffset(Due.AddDays(-3), TimeOnly.MinValue, TimeSpan.Zero))).QuietUntil);
        Assert.True(Of().Apply(new PaymentReceived("wire", 500, Now)).Apply(new GraceEnded(Now)).Apply(new PaymentRefunded("back", 500, Now)).GraceEnded);
    }

    [Fact]
    public void without_a_grace_the_first_day_is_the_last() => Assert.Equal([("over", Due.AddDays(1))], Steps(Of(), Due, Due.AddDays(3), grace: 0));

    [Fact]
    public void what_is_paid_or_over_is_left_alone()
    {
        Assert.Empty(Steps(Of() with { Payments = [new Payment("wire", 1000, Now)] }, Due, Due.AddDays(50)));
        Assert.Empty(Steps(Of() with { CreditNotes = [new CreditNote("CN-2026-000001", 1000, "Sorry", Now)] }, Due, Due.AddDays(50)));
        Assert.Empty(Steps(Of() with { GraceEnded = true }, Due, Due.AddDays(50)));
    }

    /// <summary>Whoever looks only after the day that the last step named finds every step on its day.</summary>
    [Theory, InlineData(0), InlineData(1), InlineData(13), InlineData(14), InlineData(15)]
    public void the_days_between_steps_are_quiet(int grace)
    {
        var invoice = Of();
        for (var late = 0; late <= grace + 2; late++)
        {
            var today = Due.AddDays(late);
            var step = Dunning.Next(invoice, today, grace, Now);
            if (step is null) continue;
            Assert.True(today > invoice.QuietUntil, $"{late} days late: {step}");
            invoice = step is PaymentReminded reminded ? invoice.Apply(reminded) : invoice.Apply((GraceEnded)step);
        }

        Assert.True(invoice.GraceEnded);
    }

    /// <summary>The steps of an invoice that is looked at each day, as often as there is something to do.</summary>
    private static IEnumerable<(string Step, DateOnly On)> Steps(Invoice invoice, DateOnly from, DateOnly through, int grace = 14)
    {
        for (var today = from; today <= through; today = today.AddDays(1))
        {
            while (Dunning.Next(invoice, today, grace, Now) is { } step)
            {
                invoice = step is PaymentReminded reminded ? invoice.Apply(reminded) : invoice.Apply((GraceEnded)step);
                yield return (step is PaymentReminded one ? one.Step.ToString(System.Globalization.CultureInfo.InvariantCulture) : "over", today);
            }
        }
    }

    private static Invoice Of() => new(
        Guid.NewGuid(), "2026-000001", new Month(2026, 2), "EUR", "Acme", null, [new Line(LineKind.BaseFee, new Month(2026, 2), new DateOnly(2026, 2, 1), new DateOnly(2026, 3, 1), "Pro", 1000)], 1, 1, Now, Due)
    { QuietUntil = Due };
}
