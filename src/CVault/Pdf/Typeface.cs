using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text;
using HarfBuzzSharp;
using Buffer = HarfBuzzSharp.Buffer;

namespace CVault.Pdf;

/// <summary>A glyph of a font; lengths in thousandths of the font's size.</summary>
/// <param name="X">How far it is moved from where the one before it ends.</param>
internal readonly record struct Glyph(ushort Id, int Advance, int X, int Y);

/// <summary>Glyphs that stand for a piece of text and cannot be parted.</summary>
/// <param name="Text">As it is seen from left to right.</param>
internal sealed record Cluster(Typeface Typeface, string Text, Glyph[] Glyphs);

/// <summary>
/// A font of this machine: nothing is downloaded, and no font is in the repository. Those of Google's Noto family are
/// used, which has one for every script; Debian has them in two packages.
/// </summary>
internal sealed class Typeface
{
    private const string Cjk = "NotoSansCJK";
    private static readonly UnicodeFunctions Unicode = UnicodeFunctions.Default;
    private static readonly Lazy<FrozenDictionary<string, string>> Files = new(Find);
    private static readonly Lazy<string[]> Regular = new(() => InOrder("-Regular")), Bold = new(() => [.. InOrder("-Bold"), .. Regular.Value]);
    private static readonly ConcurrentDictionary<(string Name, int Index), Typeface> Opened = new();
    private readonly Face face;
    private readonly Font font;

    private Typeface(string name, int index)
    {
        Name = name;
        using var file = Blob.FromFile(Files.Value[name]);
        face = new Face(file, index);
        face.MakeImmutable();
        font = new Font(face);
        font.SetFunctionsOpenType();
        font.SetScale(1000, 1000);
    }

    public string Name { get; }

    /// <summary>Whether its outlines are PostScript's, not TrueType's.</summary>
    public bool IsCff => face.Tables.Contains(Tag.Parse("CFF "));

    /// <summary>The smallest box that every glyph is in.</summary>
    public (int Left, int Bottom, int Right, int Top) Box
    {
        get
        {
            using var head = face.ReferenceTable(Tag.Parse("head"));
            var bytes = head.AsSpan();
            return (Side(bytes[36..]), Side(bytes[38..]), Side(bytes[40..]), Side(bytes[42..]));
            int Side(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadInt16BigEndian(at) * 1000 / face.UnitsPerEm;
        }
    }

    public int Ascender => font.TryGetHorizontalFontExtents(out var extents) ? extents.Ascender : 1000;
    public int Descender => font.TryGetHorizontalFontExtents(out var extents) ? extents.Descender : 0;

    public int Advance(ushort glyph) => font.GetHorizontalGlyphAdvance(glyph);

    /// <summary>The first font that has all characters of a cluster, or else the first of them; the base font draws a box for what no font has.</summary>
    /// <param name="han">Which of the shapes of Chinese characters, as the collection numbers them.</param>
    /// <exception cref="NotInstalledException">Fonts are not.</exception>
    public static Typeface For(string cluster, bool bold, int han)
    {
        var names = (bold ? Bold : Regular).Value;
        if (names is not ["NotoSans-Regular" or "NotoSans-Bold", ..]) throw new NotInstalledException("The fonts of the Noto family are not there.", "fonts-noto-core");
        var runes = cluster.EnumerateRunes().Where(r => Rune.GetUnicodeCategory(r) != System.Globalization.UnicodeCategory.Format && r.Value is not (>= 0xFE00 and <= 0xFE0F)).ToArray();
        if (runes.Length == 0) runes = [.. cluster.EnumerateRunes()];
        var all = names.Select(name => Open(name, han));
        var typeface = all.FirstOrDefault(t => runes.All(t.Has)) ?? all.FirstOrDefault(t => t.Has(runes[0]));
        if (typeface is null && IsCjk(runes[0]) && !names.Any(n => n.StartsWith(Cjk, StringComparison.Ordinal))) throw new NotInstalledException("No font has Chinese, Japanese and Korean characters.", "fonts-noto-cjk");
        return typeface ?? all.First();
    }

    /// <summary>
    /// Which shapes of Chinese characters fit these texts: Japanese where there is kana, Korean where there is hangul, else
    /// simplified Chinese.
    /// </summary>
    public static int HanOf(IEnumerable<string> texts)
    {
        var scripts = texts.SelectMany(t => t.EnumerateRunes()).Select(ScriptOf).ToHashSet();
        return scripts.Contains(Script.Hiragana) || scripts.Contains(Script.Katakana) ? 0 : scripts.Contains(Script.Hangul) ? 1 : 2;
    }

    public static Script ScriptOf(Rune rune) => Unicode.GetScript(rune.Value);

    /// <summary>The glyphs of a part of a line, from left to right whatever the direction.</summary>
    /// <param name="line">All of it: letters join across fonts.</param>
    public IEnumerable<Cluster> Shape(string line, int start, int length, Script script, bool rightToLeft)
    {
        using var buffer = new Buffer { ClusterLevel = ClusterLevel.MonotoneCharacters };
        buffer.AddUtf16(line, start, length);
        buffer.Direction = rightToLeft ? Direction.RightToLeft : Direction.LeftToRight;
        buffer.Script = script;
        font.Shape(buffer);
        var infos = buffer.GlyphInfos;
        var positions = buffer.GlyphPositions;
        for (int from = 0, until; from < infos.Length; from = until)
        {
            for (until = from + 1; until < infos.Length && infos[until].Cluster == infos[from].Cluster;) until++;
            var first = (int)infos[from].Cluster;
            // The next cluster of the text is the one before this where text runs to the left.
            var end = rightToLeft ? from > 0 ? (int)infos[from - 1].Cluster : start + length : until < infos.Length ? (int)infos[until].Cluster : start + length;
            yield return new Cluster(this, rightToLeft ? Seen(line[first..end]) : line[first..end], [.. Enumerable.Range(from, until - from).Select(i => new Glyph((ushort)infos[i].Codepoint, positions[i].XAdvance, positions[i].XOffset, positions[i].YOffset))]);
        }
    }

    /// <summary>The font with these glyphs alone, at their numbers; for PostScript outlines the bare table of them.</summary>
    public byte[] Subset(IEnumerable<ushort> glyphs) => FontSubset.Of(face, glyphs, IsCff);

    /// <summary>
    /// Characters that run to the left, as they are seen from left to right: this is what programs expect that get text
    /// out of a PDF, and turn it around.
    /// </summary>
    private static string Seen(string text) => string.Concat(text.EnumerateRunes().Reverse().Select(r => char.ConvertFromUtf32(Unicode.GetMirroring(r.Value))));

    private bool Has(Rune rune) => font.TryGetNominalGlyph((uint)rune.Value, out _);

    private static bool IsCjk(Rune rune) => ScriptOf(rune) is var script && (script == Script.Han || script == Script.Hangul || script == Script.Hiragana || script == Script.Katakana || script == Script.Bopomofo);

    private static Typeface Open(string name, int han) =>
        Opened.GetOrAdd((name, name.StartsWith(Cjk, StringComparison.Ordinal) ? han : 0), key => new Typeface(key.Name, key.Index));

    /// <summary>In the order in which they are asked for a character: Latin, Greek and Cyrillic first, then Chinese, Japanese and Korean.</summary>
    private static string[] InOrder(string weight) =>
    [
        .. Files.Value.Keys.Where(n => n.StartsWith("NotoSans", StringComparison.Ordinal) && n.EndsWith(weight, StringComparison.Ordinal))
            .OrderBy(n => n == "NotoSans" + weight ? 0 : n.StartsWith(Cjk, StringComparison.Ordinal) ? 1 : 2).ThenBy(n => n, StringComparer.Ordinal),
    ];

    private static FrozenDictionary<string, string> Find() =>
        new[] { "/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", Environment.GetFolderPath(Environment.SpecialFolder.Fonts) }
            .Where(Directory.Exists)
            .SelectMany(d => Directory.EnumerateFiles(d, "NotoSans*", new EnumerationOptions { RecurseSubdirectories = true }))
            .Where(f => Path.GetExtension(f) is ".ttf" or ".ttc")
            .DistinctBy(Path.GetFileNameWithoutExtension)
            .ToFrozenDictionary(f => Path.GetFileNameWithoutExtension(f), StringComparer.Ordinal);
}

/// <summary>A text cannot be set because something is not installed on this machine.</summary>
public sealed class NotInstalledException(string what, string package) : Exception($"{what} Install {package} (a package of Debian and Ubuntu) and start CVault again.");
