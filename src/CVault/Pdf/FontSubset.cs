using System.Runtime.InteropServices;
using HarfBuzzSharp;

namespace CVault.Pdf;

/// <summary>
/// HarfBuzz's subsetter. The library that HarfBuzzSharp brings has it, but HarfBuzzSharp has no classes for it.
/// </summary>
internal static class FontSubset
{
    private const string Library = "libHarfBuzzSharp";
    private const uint NoHints = 1, KeepNumbers = 2, KeepNotdef = 0x40, NoLayout = 0x200;
    private const int TablesToDrop = 3;

    /// <param name="bare">Answers the bare table of PostScript outlines, in which glyphs keep their numbers by name (CIDs; Noto numbers both alike).</param>
    public static byte[] Of(Face face, IEnumerable<ushort> glyphs, bool bare)
    {
        var input = hb_subset_input_create_or_fail();
        var subset = nint.Zero;
        var blob = nint.Zero;
        try
        {
            hb_subset_input_set_flags(input, NoHints | KeepNotdef | NoLayout | (bare ? 0 : KeepNumbers));
            foreach (var glyph in glyphs) hb_set_add(hb_subset_input_glyph_set(input), glyph);
            foreach (var table in (string[])["GSUB", "GPOS", "GDEF", "OS/2", "name", "cmap"]) hb_set_add(hb_subset_input_set(input, TablesToDrop), Tag.Parse(table));
            subset = hb_subset_or_fail(face.Handle, input);
            if (subset == 0) throw new InvalidOperationException("HarfBuzz could not make a subset of a font.");
            blob = bare ? hb_face_reference_table(subset, Tag.Parse("CFF ")) : hb_face_reference_blob(subset);
            var bytes = new byte[hb_blob_get_length(blob)];
            Marshal.Copy(hb_blob_get_data(blob, out _), bytes, 0, bytes.Length);
            return bytes;
        }
        finally
        {
            hb_blob_destroy(blob);
            hb_face_destroy(subset);
            hb_subset_input_destroy(input);
            GC.KeepAlive(face);
        }
    }

    [DllImport(Library)] private static extern nint hb_subset_input_create_or_fail();
    [DllImport(Library)] private static extern void hb_subset_input_destroy(nint input);
    [DllImport(Library)] private static extern void hb_subset_input_set_flags(nint input, uint flags);
    [DllImport(Library)] private static extern nint hb_subset_input_glyph_set(nint input);
    [DllImport(Library)] private static extern nint hb_subset_input_set(nint input, int which);
    [DllImport(Library)] private static extern void hb_set_add(nint set, uint value);
    [DllImport(Library)] private static extern nint hb_subset_or_fail(nint face, nint input);
    [DllImport(Library)] private static extern nint hb_face_reference_blob(nint face);
    [DllImport(Library)] private static extern nint hb_face_reference_table(nint face, uint tag);
    [DllImport(Library)] private static extern void hb_face_destroy(nint face);
    [DllImport(Library)] private static extern nint hb_blob_get_data(nint blob, out uint length);
    [DllImport(Library)] private static extern uint hb_blob_get_length(nint blob);
    [DllImport(Library)] private static extern void hb_blob_destroy(nint blob);
}
