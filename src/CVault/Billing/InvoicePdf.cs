using System.Globalization;
using CVault.Pdf;

namespace CVault.Billing;

/// <summary>Whoever issues the invoices.</summary>
/// <param name="Address">In lines.</param>
/// <param name="TaxId">Such as a VAT number; null where there is none.</param>
public sealed record Seller(string Name, string Address, string? TaxId);

/// <summary>
/// An invoice for people: A4, in English, names in whatever script they are. The same invoice is the same bytes; what is
/// paid of it is part of it.
/// </summary>
public static class InvoicePdf
{
    /// <param name="billTo">Name and address in lines; null: the tenant's name alone.</param>
    /// <exception cref="NotInstalledException">The fonts for a script on it are not, or ICU.</exception>
    public static byte[] Render(Invoice invoice, string? billTo, Seller seller) => new Sheet(invoice, billTo ?? invoice.TenantName, seller).Render();

    private sealed class Sheet(Invoice invoice, string billTo, Seller seller)
    {
        private const double Left = 48, Right = PdfDocument.Width - 48, Top = 48, Bottom = PdfDocument.Height - 72;

        /// <summary>Where columns begin, or end where numbers stand in them.</summary>
        private const double Facts = 330, QuantityEnd = 432, Quantity = QuantityEnd - 122, Sums = 200;

        private static readonly Style Text = new(9), Strong = new(9, Bold: true), Pale = new(8, Gray: 0.4), Heading = new(12, Bold: true), Title = new(20, Bold: true);
        private readonly Typesetter set = new(invoice.TenantName, billTo), ours = new(seller.Name, seller.Address);
        private readonly PdfDocument pdf = new();
        private double y;

        public byte[] Render()
        {
            pdf.AddPage();
            Head();
            Charges();
            Totals();
            for (var page = 0; page < pdf.Pages; page++)
            {
                pdf.Draw(page, set.Line($"Invoice {invoice.Number}", Pale), Left, PdfDocument.Height - 40);
                AtRight(page, set.Line($"Page {page + 1} of {pdf.Pages}", Pale), Right, PdfDocument.Height - 40);
            }

            return pdf.Save($"Invoice {invoice.Number}", seller.Name, invoice.IssuedAt);
        }

        private void Head()
        {
            y = Top;
            Put(ours, Left, Facts - 20 - Left, [(seller.Name, Heading, 2), (seller.Address, Text, 10), (seller.TaxId is null ? "" : $"Tax ID: {seller.TaxId}", Text, 2)]);
            y += 20;
            Put(set, Left, Facts - 20 - Left, [("Bill to", Pale, 1), (billTo, Text, 30)]);
            var end = y;

            y = Top;
            Put(set, Facts, Right - Facts, [("Invoice", Title, 1)]);
            y += 4;
            foreach (var (name, value) in Named())
            {
                pdf.Draw(0, set.Line(name, Pale), Facts, y + Text.Size);
                Row(set.Lines(value, Text, Right - Facts - 70, 3), Facts + 70);
            }

            y = Math.Max(y, end) + 24;
        }

        private IEnumerable<(string Name, string Value)> Named() =>
        [
            ("Number", invoice.Number), ("Issued", Day(DateOnly.FromDateTime(invoice.IssuedAt.UtcDateTime))), ("Due", Day(invoice.DueOn)),
            ("Period", $"{Day(invoice.Month.First)} to {Day(invoice.Month.End.AddDays(-1))}"), ("Currency", invoice.Currency), ("Account", invoice.TenantName),
        ];

        /// <summary>What is charged, corrections of earlier months among it.</summary>
        private void Charges()
        {
            Columns();
            foreach (var line in invoice.Lines.Where(l => !IsBelow(l.Kind)))
            {
                var quantity = line is { Metric: { } metric, Quantity: { } used } ? metric.InUnits(used) : "";
                var description = (line with { Name = Typesetter.Isolated(line.Name), Quantity = null }).Describe();
                var lines = set.Lines(description, Text, Quantity - Left, 6);
                if (Break(lines.Count * Text.Leading)) Columns();
                Row(lines, Left, line.Amount, quantity);
            }
        }

        /// <summary>The head of the table, on each of its pages.</summary>
        private void Columns()
        {
            pdf.Draw(pdf.Pages - 1, set.Line("Description", Strong), Left, y + Text.Size);
            AtRight(pdf.Pages - 1, set.Line("Quantity", Strong), QuantityEnd, y + Text.Size);
            AtRight(pdf.Pages - 1, set.Line($"Amount ({invoice.Currency})", Strong), Right, y + Text.Size);
            y += Text.Leading + 2;
            Line(Left);
        }

        private void Totals()
        {
            var below = invoice.Lines.Where(l => IsBelow(l.Kind)).Select(l => ((l with { Name = Typesetter.Isolated(l.Name) }).Describe(), l.Amount));
            var after = invoice.CreditNotes.Select(n => ($"Credit note {n.Number} of {Day(n.At)}: {Typesetter.Isolated(n.Reason)}", -n.Amount))
                .Concat(invoice.Payments.Select(p => ($"{(p.Amount < 0 ? "Refund" : "Payment")} of {Day(p.At)}, {Typesetter.Isolated(p.Reference)}", -p.Amount)));
            var subtotal = invoice.Lines.Where(l => !IsBelow(l.Kind)).Sum(l => l.Amount);
            var sums = Set([("Subtotal", subtotal), .. below], Text);
            var total = Set([("Total", invoice.Total)], Strong);
            var paid = Set(after, Text);
            var due = Set([(invoice.Due < 0 ? "Paid too much" : invoice.Due == 0 ? "Due" : $"Due by {Day(invoice.DueOn)}", Math.Abs(invoice.Due))], Strong);

            y += 2;
            Line(Left);
            Add(sums);
            // From the total on, all of it stands on one page where it can.
            Break(total.Concat(paid).Concat(due).Sum(r => r.Lines.Count) * Text.Leading + 12);
            Line(Sums);
            Add(total);
            Add(paid);
            Break(Text.Leading + 6);
            Line(Sums);
            Add(due);
        }

        private void Add((IReadOnlyList<SetLine> Lines, long Amount)[] rows)
        {
            foreach (var (lines, amount) in rows)
            {
                Break(lines.Count * Text.Leading);
                Row(lines, Sums, amount);
            }
        }

        private (IReadOnlyList<SetLine> Lines, long Amount)[] Set(IEnumerable<(string Text, long Amount)> rows, Style style) =>
            [.. rows.Select(r => (set.Lines(r.Text, style, QuantityEnd - Sums, 4), r.Amount))];

        /// <summary>Lines one below the other, and numbers beside the first.</summary>
        private void Row(IReadOnlyList<SetLine> lines, double x, long? amount = null, string quantity = "")
        {
            var (page, first) = (pdf.Pages - 1, y + lines[0].Style.Size);
            foreach (var line in lines)
            {
                pdf.Draw(page, line, x, y + line.Style.Size);
                y += line.Style.Leading;
            }

            AtRight(page, set.Line(quantity, lines[0].Style), QuantityEnd, first);
            if (amount is { } money) AtRight(page, set.Line(Currencies.Format(money, invoice.Currency), lines[0].Style), Right, first);
        }

        private void Put(Typesetter by, double x, double width, (string Text, Style Style, int Most)[] texts)
        {
            foreach (var (text, style, most) in texts.Where(t => t.Text.Length > 0)) Row(by.Lines(text, style, width, most), x);
        }

        /// <summary>Goes on to a new page where this one has no room; true where it did.</summary>
        private bool Break(double height)
        {
            if (y + height <= Bottom) return false;
            pdf.AddPage();
            y = Top;
            return true;
        }

        private void AtRight(int page, SetLine line, double x, double foot) => pdf.Draw(page, line, x - line.Width, foot);

        private void Line(double from)
        {
            pdf.Rule(pdf.Pages - 1, from, Right, y);
            y += 4;
        }

        /// <summary>Whether it stands between subtotal and total.</summary>
        private static bool IsBelow(LineKind kind) => kind is LineKind.CarriedOver or LineKind.Credit or LineKind.Tax;

        private static string Day(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

        private static string Day(DateTimeOffset at) => Day(DateOnly.FromDateTime(at.UtcDateTime));
    }
}
