using System.Globalization;
using System.Text;
using HarfBuzzSharp;
using Icu;

namespace CVault.Pdf;

/// <param name="Gray">From 0, black, to 1.</param>
internal sealed record Style(double Size, bool Bold = false, double Gray = 0)
{
    /// <summary>From one line to the next: enough for scripts that stack marks.</summary>
    public double Leading => Size * 1.45;
}

/// <summary>A line as it is drawn, from left to right.</summary>
internal sealed record SetLine(Style Style, IReadOnlyList<Cluster> Clusters)
{
    public double Width { get; } = Clusters.Sum(c => c.Glyphs.Sum(g => g.Advance)) * Style.Size / 1000;
}

/// <summary>
/// Sets texts of any script: ICU orders what runs to the left and finds where lines may break, HarfBuzz picks and places
/// the glyphs.
/// </summary>
/// <param name="texts">Of one party: by them, Chinese characters get the shapes of one language.</param>
internal sealed class Typesetter(params IEnumerable<string> texts)
{
    private static readonly Locale Root = new("root");
    private readonly int han = Typeface.HanOf(texts);

    /// <summary>A name to put into a sentence: whichever way it runs, it does not turn what stands around it.</summary>
    public static string Isolated(string name) => $"\u2068{string.Concat(name.Where(c => !IsUnseen(c)))}\u2069";

    /// <summary>A text in lines no wider than this, and no more of them than that: an ellipsis stands for the rest.</summary>
    public IReadOnlyList<SetLine> Lines(string text, Style style, double width, int most)
    {
        var parts = text.Split('\n').Select(Paragraph.Of).SelectMany(p => Broken(p, style, width)).ToArray();
        return parts.Length <= most
            ? [.. parts.Select(p => Line(p.Paragraph, p.Start, p.End, style))]
            : [.. parts[..(most - 1)].Select(p => Line(p.Paragraph, p.Start, p.End, style)), Cut(parts[most - 1].Paragraph.Text[parts[most - 1].Start..], style, width)];
    }

    /// <summary>A text that is known to fit.</summary>
    public SetLine Line(string text, Style style) => Line(Paragraph.Of(text), 0, text.Length, style);

    /// <summary>Where a paragraph's lines begin and end.</summary>
    private IEnumerable<(Paragraph Paragraph, int Start, int End)> Broken(Paragraph paragraph, Style style, double width)
    {
        int start = 0, end = 0;
        if (Fits(paragraph.Text.Length))
        {
            yield return (paragraph, 0, paragraph.Text.Length);
            yield break;
        }

        foreach (var piece in BreakIterator.GetBoundaries(BreakIterator.UBreakIteratorType.LINE, Root, paragraph.Text))
        {
            if (!Fits(piece.End) && end > start)
            {
                yield return (paragraph, start, end);
                start = end;
            }

            // A word wider than a line is broken anywhere.
            while (!Fits(piece.End) && Next(start) < piece.End)
            {
                for (end = Next(start); end < piece.End && Fits(Next(end));) end = Next(end);
                yield return (paragraph, start, end);
                start = end;
            }

            end = piece.End;
        }

        yield return (paragraph, start, paragraph.Text.Length);

        bool Fits(int until) => Line(paragraph, start, until, style).Width <= width;
        int Next(int at) => at + StringInfo.GetNextTextElementLength(paragraph.Text, at);
    }

    private SetLine Cut(string text, Style style, double width)
    {
        for (var starts = StringInfo.ParseCombiningCharacters(text).AsSpan(); ; starts = starts[..^1])
        {
            if (Line(text.TrimEnd() + '…', style) is var line && (line.Width <= width || starts.Length <= 1)) return line;
            text = text[..starts[^1]];
        }
    }

    private SetLine Line(Paragraph paragraph, int start, int end, Style style)
    {
        while (end > start && paragraph.Text[end - 1] == ' ') end--;
        var clusters = new List<Cluster>();
        foreach (var (from, until, rightToLeft) in paragraph.Runs(start, end))
        {
            var items = Items(paragraph.Text, from, until, style.Bold);
            if (rightToLeft) items.Reverse();
            foreach (var (typeface, script, at, length) in items) clusters.AddRange(typeface.Shape(paragraph.Text, at, length, script, rightToLeft));
        }

        return new SetLine(style, clusters);
    }

    /// <summary>The parts of a run that are of one font and one script.</summary>
    private List<(Typeface Typeface, Script Script, int Start, int Length)> Items(string text, int start, int end, bool bold)
    {
        var items = new List<(Typeface Typeface, Script Script, int Start, int Length)>();
        for (int at = start, length; at < end; at += length)
        {
            length = Math.Min(StringInfo.GetNextTextElementLength(text, at), end - at);
            if (IsUnseen(text[at])) continue;
            var typeface = Typeface.For(text.Substring(at, length), bold, han);
            var script = Typeface.ScriptOf(Rune.GetRuneAt(text, at));
            var last = items.Count > 0 ? items[^1] : default;
            // What scripts share, such as digits, is of the one before it.
            if (IsShared(script) && items.Count > 0) script = last.Script;
            if (typeface == last.Typeface && last.Start + last.Length == at && (script == last.Script || IsShared(last.Script))) items[^1] = (typeface, script, last.Start, last.Length + length);
            else items.Add((typeface, script, at, length));
        }

        return items;
    }

    private static bool IsShared(Script script) => script == Script.Common || script == Script.Inherited || script == Script.Unknown;

    /// <summary>Whether it only says which way text runs, or is a control character.</summary>
    private static bool IsUnseen(char c) => char.IsControl(c) || c is '\u061C' or '\u200E' or '\u200F' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    /// <summary>A text, and how deep each character of it stands in runs that go one way: on odd levels they go to the left.</summary>
    private sealed record Paragraph(string Text, byte[] Levels)
    {
        public static Paragraph Of(string text)
        {
            if (text.Length == 0) return new Paragraph(text, []);
            try
            {
                using var order = new BiDi();
                order.SetPara(text, BiDi.DEFAULT_LTR, null);
                return new Paragraph(text, [.. order.GetLevels()]);
            }
            catch (FileLoadException)
            {
                throw new NotInstalledException("The library ICU is not there.", "libicu72 or later");
            }
        }

        /// <summary>A line's runs from left to right: rule L2 of UAX #9. (BiDi.SetLine, which would do it, writes where it must not.)</summary>
        public List<(int From, int Until, bool RightToLeft)> Runs(int start, int end)
        {
            var runs = new List<(int From, int Until, bool RightToLeft)>();
            for (int from = start, until; from < end; from = until)
            {
                for (until = from + 1; until < end && Levels[until] == Levels[from];) until++;
                runs.Add((from, until, Levels[from] % 2 == 1));
            }

            for (var level = start < end ? Levels[start..end].Max() : 0; level > 0; level--)
            {
                for (int from = 0, until; from < runs.Count; from = until + 1)
                {
                    for (until = from; until < runs.Count && Levels[runs[until].From] >= level;) until++;
                    runs.Reverse(from, until - from);
                }
            }

            return runs;
        }
    }
}
