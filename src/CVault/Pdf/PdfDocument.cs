using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace CVault.Pdf;

/// <summary>
/// A PDF of text and rules (ISO 32000-1). Lengths are in points, and places are counted from the upper left corner. The
/// text is text, to be searched and copied, and each font is embedded as far as it is used. The same document is the same
/// bytes.
/// </summary>
internal sealed class PdfDocument
{
    /// <summary>A4.</summary>
    public const double Width = 595.28, Height = 841.89;

    private readonly List<StringBuilder> pages = [];
    private readonly List<Embedded> fonts = [];

    public int Pages => pages.Count;

    public void AddPage() => pages.Add(new StringBuilder());

    /// <param name="page">From 0.</param>
    /// <param name="x">Where the line begins.</param>
    /// <param name="y">Of the line's foot, below which only descenders reach.</param>
    public void Draw(int page, SetLine line, double x, double y)
    {
        var content = pages[page];
        content.Append(CultureInfo.InvariantCulture, $"BT {line.Style.Gray:0.##} g 1 0 0 1 {x:0.##} {Height - y:0.##} Tm\n");
        // How far the glyphs before it have moved the pen, and where it belongs.
        int pen = 0, place = 0;
        Embedded? current = null;
        foreach (var cluster in line.Clusters)
        {
            var font = Of(cluster.Typeface);
            if (font != current) content.Append(CultureInfo.InvariantCulture, $"/F{font.Number} {line.Style.Size:0.##} Tf\n");
            current = font;
            // A glyph stands for one text in all of the document; where it is another one here, it is said here.
            var says = cluster.Glyphs is not [var only] || !font.Says(only.Id, cluster.Text);
            if (says) content.Append("/Span<</ActualText<FEFF").Append(Hex(cluster.Text)).Append(">>>BDC\n");
            foreach (var glyph in cluster.Glyphs)
            {
                font.Use(glyph.Id);
                if (glyph.Y != 0) content.Append(CultureInfo.InvariantCulture, $"{glyph.Y * line.Style.Size / 1000:0.###} Ts ");
                content.Append('[');
                if (place + glyph.X != pen) content.Append(CultureInfo.InvariantCulture, $"{pen - place - glyph.X}");
                content.Append(CultureInfo.InvariantCulture, $"<{glyph.Id:X4}>]TJ\n");
                if (glyph.Y != 0) content.Append("0 Ts ");
                pen = place + glyph.X + cluster.Typeface.Advance(glyph.Id);
                place += glyph.Advance;
            }

            if (says) content.Append("EMC\n");
        }

        content.Append("ET\n");
    }

    public void Rule(int page, double from, double to, double y, double thickness = 0.5) =>
        pages[page].Append(CultureInfo.InvariantCulture, $"{thickness:0.##} w 0.6 G {from:0.##} {Height - y:0.##} m {to:0.##} {Height - y:0.##} l S\n");

    public byte[] Save(string title, string author, DateTimeOffset created)
    {
        var file = new Objects();
        var (catalog, tree, info) = (file.Reserve(), file.Reserve(), file.Reserve());
        file.Write(info, $"<</Title<FEFF{Hex(title)}>/Author<FEFF{Hex(author)}>/Producer(CVault)/CreationDate(D:{created.UtcDateTime:yyyyMMddHHmmss}Z)>>");
        var resources = string.Concat(fonts.Select(f => $"/F{f.Number} {f.Write(file)} 0 R"));
        var kids = pages.Select(page =>
        {
            var content = file.Stream("", Encoding.ASCII.GetBytes(page.ToString()));
            var id = file.Reserve();
            file.Write(id, $"<</Type/Page/Parent {tree} 0 R/Contents {content} 0 R>>");
            return id;
        }).ToArray();
        file.Write(tree, $"<</Type/Pages/Count {kids.Length}/Kids[{string.Join(' ', kids.Select(k => $"{k} 0 R"))}]/MediaBox[0 0 {Width} {Height}]/Resources<</Font<<{resources}>>>>>>");
        file.Write(catalog, $"<</Type/Catalog/Pages {tree} 0 R/Lang(en)/ViewerPreferences<</DisplayDocTitle true>>>>");
        return file.Close(catalog, info);
    }

    private static string Hex(string text) => Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text));

    private Embedded Of(Typeface typeface)
    {
        var font = fonts.Find(f => f.Typeface == typeface);
        if (font is null) fonts.Add(font = new Embedded(typeface, fonts.Count + 1));
        return font;
    }

    /// <summary>A font, and what the document uses of it.</summary>
    private sealed class Embedded(Typeface typeface, int number)
    {
        private readonly SortedDictionary<ushort, string?> used = new() { [0] = null };

        public Typeface Typeface => typeface;
        public int Number => number;

        public void Use(ushort glyph) => used.TryAdd(glyph, null);

        /// <summary>Whether the glyph stands for this text wherever it is drawn: that of its first use.</summary>
        public bool Says(ushort glyph, string text)
        {
            if (used.GetValueOrDefault(glyph) is not { } first) used[glyph] = first = text;
            return first == text;
        }

        /// <summary>A composite font whose character codes are the font's own numbers of its glyphs.</summary>
        public int Write(Objects file)
        {
            var box = typeface.Box;
            // Subsets of a font are told apart by six letters before its name.
            var name = $"{new string([.. Enumerable.Range(0, 6).Select(i => (char)('A' + (i < 5 ? 0 : number % 26)))])}+{typeface.Name}";
            var program = file.Stream(typeface.IsCff ? "/Subtype/CIDFontType0C" : "", typeface.Subset(used.Keys), withLength: !typeface.IsCff);
            var text = file.Stream("", Encoding.ASCII.GetBytes(ToUnicode()));
            var (descriptor, descendant, font) = (file.Reserve(), file.Reserve(), file.Reserve());
            file.Write(descriptor, $"<</Type/FontDescriptor/FontName/{name}/Flags 4/FontBBox[{box.Left} {box.Bottom} {box.Right} {box.Top}]/ItalicAngle 0/Ascent {typeface.Ascender}/Descent {typeface.Descender}/CapHeight {typeface.Ascender}/StemV 80/{(typeface.IsCff ? "FontFile3" : "FontFile2")} {program} 0 R>>");
            file.Write(descendant, $"<</Type/Font/Subtype/{(typeface.IsCff ? "CIDFontType0" : "CIDFontType2/CIDToGIDMap/Identity")}/BaseFont/{name}/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor {descriptor} 0 R/W[{string.Join(' ', used.Keys.Select(g => $"{g}[{typeface.Advance(g)}]"))}]>>");
            file.Write(font, $"<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]/ToUnicode {text} 0 R>>");
            return font;
        }

        private string ToUnicode()
        {
            var map = new StringBuilder("""
                /CIDInit/ProcSet findresource begin 12 dict begin begincmap
                /CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def
                /CMapName/Adobe-Identity-UCS def/CMapType 2 def
                1 begincodespacerange<0000><FFFF>endcodespacerange

                """);
            foreach (var some in used.Where(u => u.Value is not null).Chunk(100))
            {
                map.Append(CultureInfo.InvariantCulture, $"{some.Length} beginbfchar\n");
                foreach (var (glyph, text) in some) map.Append(CultureInfo.InvariantCulture, $"<{glyph:X4}><{Hex(text!)}>\n");
                map.Append("endbfchar\n");
            }

            return map.Append("endcmap CMapName currentdict/CMap defineresource pop end end\n").ToString();
        }
    }

    /// <summary>The file: objects, and where they begin.</summary>
    private sealed class Objects
    {
        private readonly MemoryStream bytes = new();
        private readonly List<long> places = [];

        // The second line tells programs that this is no text.
        public Objects() => Append($"%PDF-1.7\n%\u00e2\u00e3\u00cf\u00d3\n");

        public int Reserve()
        {
            places.Add(0);
            return places.Count;
        }

        public void Write(int id, FormattableString value)
        {
            Begin(id);
            Append(value);
            Append($"\nendobj\n");
        }

        /// <param name="withLength">Names the length before compression too.</param>
        public int Stream(string entries, byte[] data, bool withLength = false)
        {
            var packed = new MemoryStream();
            using (var zip = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) zip.Write(data);
            var id = Reserve();
            Begin(id);
            Append($"<<{entries}/Filter/FlateDecode/Length {packed.Length}{(withLength ? $"/Length1 {data.Length}" : "")}>>stream\n");
            packed.WriteTo(bytes);
            Append($"\nendstream\nendobj\n");
            return id;
        }

        public byte[] Close(int catalog, int info)
        {
            var id = Convert.ToHexString(SHA256.HashData(bytes.ToArray()).AsSpan(0, 16));
            var table = bytes.Length;
            Append($"xref\n0 {places.Count + 1}\n0000000000 65535 f \n");
            foreach (var place in places) Append($"{place:D10} 00000 n \n");
            Append($"trailer\n<</Size {places.Count + 1}/Root {catalog} 0 R/Info {info} 0 R/ID[<{id}><{id}>]>>\nstartxref\n{table}\n%%EOF\n");
            return bytes.ToArray();
        }

        private void Begin(int id)
        {
            places[id - 1] = bytes.Length;
            Append($"{id} 0 obj\n");
        }

        private void Append(FormattableString text) => bytes.Write(Encoding.Latin1.GetBytes(FormattableString.Invariant(text)));
    }
}
