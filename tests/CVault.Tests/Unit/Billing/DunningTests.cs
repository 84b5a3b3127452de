using CVault.Billing;

namespace CVault.Tests.Unit.Billing;

public sealed class DunningTests
{
    private static readonly DateOnly Due = new(2026, 3, 10);
    private static readonly DateTimeOffset Now = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, 0, null)]
    [InlineData(1, 0, "1")]
    [InlineData(1, 1, null)]
    [InlineData(7, 1, null)]
    [InlineData(8, 1, "2")]
    [InlineData(14, 2, null)]
    [InlineData(15, 2, "over")]
    [InlineData(15, 0, "over")]
    public void each_step_has_its_day(int late, int reminders, string? expected) => Assert.Equal(expected, Step(Of(reminders), late, 14));

    [Fact]
    public void without_a_grace_the_first_day_is_the_last() => Assert.Equal("over", Step(Of(0), 1, 0));

    [Fact]
    public void what_is_paid_or_over_is_left_alone()
    {
        Assert.Null(Step(Of(0) with { Payments = [new Payment("wire", 1000, Now)] }, 50, 14));
        Assert.Null(Step(Of(0) with { CreditNotes = [new CreditNote("CN-2026-000001", 1000, "Sorry", Now)] }, 50, 14));
        Assert.Null(Step(Of(0) with { GraceEnded = true }, 50, 14));
    }

    /// <summary>Whoever looks only after the day that the last step named finds every step on its day.</summary>
    [Theory, InlineData(0), InlineData(1), InlineData(13), InlineData(14), InlineData(15)]
    public void the_days_between_steps_are_quiet(int grace)
    {
        var invoice = Of(0);
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

    private static string? Step(Invoice invoice, int late, int grace) => Dunning.Next(invoice, Due.AddDays(late), grace, Now) switch { null => null, PaymentReminded r => r.Step.ToString(System.Globalization.CultureInfo.InvariantCulture), _ => "over" };

    private static Invoice Of(int reminders) => new(
        Guid.NewGuid(), "2026-000001", new Month(2026, 2), "EUR", "Acme", null, [new Line(LineKind.BaseFee, new Month(2026, 2), new DateOnly(2026, 2, 1), new DateOnly(2026, 3, 1), "Pro", 1000)], 1, 1, Now, Due)
    { Reminders = reminders, QuietUntil = Due };
}
