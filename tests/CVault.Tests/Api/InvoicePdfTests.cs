using System.Diagnostics;
using CVault.Billing;
using CVault.Pdf;

namespace CVault.Tests.Api;

/// <summary>What the PDF of an invoice says, read by poppler.</summary>
public sealed class InvoicePdfTests
{
    private static readonly Month Month = new(2026, 2);
    private static readonly Seller Seller = new("CVault Ltd", "1 Example Street\nLondon", "GB123");

    [Theory]
    [InlineData("Ångström & Söhne GmbH")]
    [InlineData("شركة الأمل للتجارة")]
    [InlineData("חברת הדוגמה")]
    [InlineData("株式会社サンプル")]
    [InlineData("한국예시회사")]
    [InlineData("示例科技有限公司")]
    [InlineData("ООО Пример")]
    public void names_of_any_script_can_be_read_and_searched(string name)
    {
        var text = TextOf(Render(Of(1) with { TenantName = name }));
        Assert.Contains(name.Replace(" ", "", StringComparison.Ordinal), text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("2026-000001", text, StringComparison.Ordinal);
        Assert.Contains("CVault Ltd", text, StringComparison.Ordinal);
    }

    [Fact]
    public void a_long_one_has_pages_with_heads_and_all_of_its_amounts()
    {
        var invoice = Of(120);
        var text = TextOf(Render(invoice));
        Assert.Contains("Page 3 of 3", text, StringComparison.Ordinal);
        Assert.Equal(3, text.Split("Description").Length - 1);
        Assert.All(invoice.Lines, l => Assert.Contains(Currencies.Format(l.Amount, "EUR"), text, StringComparison.Ordinal));
        Assert.Contains(Currencies.Format(invoice.Total, "EUR"), text, StringComparison.Ordinal);
    }

    [Fact]
    public void the_same_invoice_is_the_same_bytes_and_they_are_few()
    {
        var (one, again) = (Render(Of(3) with { TenantName = "株式会社サンプル" }), Render(Of(3) with { TenantName = "株式会社サンプル" }));
        Assert.Equal(one, again);
        Assert.InRange(one.Length, 1000, 200_000);
    }

    private static Invoice Of(int lines) => new(
        Guid.NewGuid(), "2026-000001", Month, "EUR", "Acme", null,
        [.. Enumerable.Range(1, lines).Select(i => new Line(LineKind.Usage, Month, Month.First, Month.End, "Pro", 100_000 + i, Metric.Traffic, "region-" + i, i * 1_000_000_000L))], 1, 1, new DateTimeOffset(2026, 3, 1, 6, 0, 0, TimeSpan.Zero), new DateOnly(2026, 3, 15));

    private static byte[] Render(Invoice invoice)
    {
        try
        {
            return InvoicePdf.Render(invoice, null, Seller);
        }
        catch (NotInstalledException e)
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    private static string TextOf(byte[] pdf)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/pdftotext"), "pdftotext of poppler-utils is not installed.");
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/pdftotext", ["-layout", "-", "-"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var text = Task.Run(process.StandardOutput.ReadToEnd);
        process.StandardInput.BaseStream.Write(pdf);
        process.StandardInput.Close();
        process.WaitForExit();
        return text.Result;
    }
}
