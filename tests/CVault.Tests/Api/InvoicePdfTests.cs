using System.Diagnostics;
using CVault.Billing;
using CVault.Pdf;

namespace CVault.Tests.Api;

/// <summary>What the PDF of an invoice says and looks like, read by poppler.</summary>
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

    /// <summary>For people to look at: <c>TestResults/invoices</c>.</summary>
    [Theory]
    [InlineData("one-line", 1, "Ångström & Söhne GmbH", 1)]
    [InlineData("three-pages", 120, "Acme", 3)]
    [InlineData("arabic", 3, "شركة الأمل للتجارة", 1)]
    [InlineData("hebrew", 3, "חברת הדוגמה (ישראל) 2026", 1)]
    [InlineData("chinese-japanese", 3, "株式会社サンプル 示例科技有限公司", 1)]
    public void pictures_are_made_of_it(string name, int lines, string tenant, int pages)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Stack.Root, "TestResults", "invoices")).FullName;
        Tool("pdftoppm", ["-png", "-r", "80", "-", Path.Combine(folder, name)], Render(Of(lines) with { TenantName = tenant }));
        Assert.Equal(pages, Directory.GetFiles(folder, name + "-*.png").Length);
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

    internal static string TextOf(byte[] pdf) => Tool("pdftotext", ["-layout", "-", "-"], pdf);

    /// <summary>A program of poppler's, given the file on standard input; what it printed.</summary>
    private static string Tool(string name, string[] arguments, byte[] pdf)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/" + name), $"{name} of poppler-utils is not installed.");
        using var process = Process.Start(new ProcessStartInfo("/usr/bin/" + name, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var text = Task.Run(process.StandardOutput.ReadToEnd);
        process.StandardInput.BaseStream.Write(pdf);
        process.StandardInput.Close();
        process.WaitForExit();
        return text.Result;
    }
}
