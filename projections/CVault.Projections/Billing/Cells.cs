using System.Globalization;
using CsvHelper;
using CsvHelper.Configuration;

namespace CVault.Projections.Billing;

/// <summary>
/// Tables (RFC 4180) with amounts below zero: what is a text and looks like a formula to a spreadsheet gets an apostrophe in
/// front, and a number stays one. CsvHelper's own guard would not tell the two apart.
/// </summary>
internal static class Cells
{
    public static CsvWriter Of(TextWriter text) => new(text, new CsvConfiguration(CultureInfo.InvariantCulture) { InjectionOptions = InjectionOptions.None, NewLine = "\r\n" });

    public static void WriteText(this CsvWriter csv, string? text) => csv.WriteField(text is ['=' or '+' or '-' or '@' or '\t' or '\r', ..] ? "'" + text : text);
}
