using System.Globalization;
using System.Text;

namespace CVault.Security;

/// <summary>
/// Unicode's normal form C (UAX #15), in which RFC 8265 has passwords compared: keyboards send the same letter in
/// different ways. .NET leaves that to ICU, which the process does without (InvariantGlobalization), and then
/// <see cref="string.Normalize()"/> changes nothing. The data is Unicode 14's; a form, once given, never changes.
/// </summary>
public static class NormalForm
{
    private static readonly Lazy<Data> Unicode = new(Read);

    /// <param name="Decomposed">A code point's full canonical decomposition.</param>
    /// <param name="Composed">Which code point two make together.</param>
    /// <param name="Order">The combining class of a mark.</param>
    private sealed record Data(Dictionary<int, int[]> Decomposed, Dictionary<(int, int), int> Composed, Dictionary<int, int> Order);

    public static string Normalized(this string text)
    {
        if (text.All(char.IsAscii)) return text;
        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes()) Decompose(rune.Value, points);
        Sort(points);
        var normal = new StringBuilder(text.Length);
        foreach (var point in Compose(points)) normal.Append(new Rune(point).ToString());
        return normal.ToString();
    }

    private static int OrderOf(int point) => Unicode.Value.Order.GetValueOrDefault(point);

    private static void Decompose(int point, List<int> into)
    {
        if (Hangul.Decompose(point) is { } syllable) into.AddRange(syllable);
        else if (Unicode.Value.Decomposed.TryGetValue(point, out var parts)) into.AddRange(parts);
        else into.Add(point);
    }

    /// <summary>Marks after one letter in the order of their classes, and as they came within one.</summary>
    private static void Sort(List<int> points)
    {
        for (var i = 1; i < points.Count; i++)
        {
            for (var j = i; j > 0 && OrderOf(points[j]) != 0 && OrderOf(points[j - 1]) > OrderOf(points[j]); j--) (points[j - 1], points[j]) = (points[j], points[j - 1]);
        }
    }

    private static List<int> Compose(List<int> points)
    {
        var composed = new List<int>(points.Count);
        var (starter, last) = (-1, 0);
        foreach (var point in points)
        {
            var order = OrderOf(point);
            // A mark joins its letter unless one of its own class or above stands between; a letter only its neighbour.
            if (starter >= 0 && (starter == composed.Count - 1 || (last < order && last != 0)) && PairOf(composed[starter], point) is { } whole)
            {
                composed[starter] = whole;
                continue;
            }

            if (order == 0) starter = composed.Count;
            last = order;
            composed.Add(point);
        }

        return composed;
    }

    private static int? PairOf(int first, int second) =>
        Hangul.Compose(first, second) ?? (Unicode.Value.Composed.TryGetValue((first, second), out var whole) ? whole : null);

    /// <summary>Lines of <c>d</c> (decomposed), <c>c</c> (composed) and <c>o</c> (order), with code points in hexadecimal.</summary>
    private static Data Read()
    {
        using var stream = typeof(NormalForm).Assembly.GetManifestResourceStream("normal-form.txt")!;
        using var reader = new StreamReader(stream);
        var data = new Data([], [], []);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            switch (fields[0])
            {
                case "d": data.Decomposed.Add(Hex(fields[1]), [.. fields[2..].Select(Hex)]); break;
                case "c": data.Composed.Add((Hex(fields[1]), Hex(fields[2])), Hex(fields[3])); break;
                case "o": data.Order.Add(Hex(fields[1]), int.Parse(fields[2], CultureInfo.InvariantCulture)); break;
            }
        }

        return data;
    }

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <summary>Korean syllables, whose parts are computed (The Unicode Standard, 3.12).</summary>
    private static class Hangul
    {
        private const int Syllables = 0xAC00, Leads = 0x1100, Vowels = 0x1161, Tails = 0x11A7, LeadCount = 19, VowelCount = 21, TailCount = 28;

        public static int[]? Decompose(int point)
        {
            var index = point - Syllables;
            if (index is < 0 or >= LeadCount * VowelCount * TailCount) return null;
            var (lead, vowel, tail) = (Leads + (index / (VowelCount * TailCount)), Vowels + (index % (VowelCount * TailCount) / TailCount), Tails + (index % TailCount));
            return tail == Tails ? [lead, vowel] : [lead, vowel, tail];
        }

        public static int? Compose(int first, int second) => (first - Leads, second - Vowels, first - Syllables, second - Tails) switch
        {
            (>= 0 and < LeadCount, >= 0 and < VowelCount, _, _) => Syllables + ((((first - Leads) * VowelCount) + second - Vowels) * TailCount),
            (_, _, >= 0 and < LeadCount * VowelCount * TailCount, > 0 and < TailCount) when (first - Syllables) % TailCount == 0 => first + second - Tails,
            _ => null,
        };
    }
}
