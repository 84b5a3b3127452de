using System.Runtime.InteropServices;

namespace CVault.Client;

/// <summary>
/// Whose a path is, on Linux. Root that writes where another user may rename and link writes wherever that user wants it to;
/// .NET tells nobody's owner, so the kernel is asked (<c>statx(2)</c>, whose layout is the same on every processor).
/// </summary>
internal static partial class Owner
{
    private const int CurrentFolder = -100, NoFollow = 0x100, UidAt = 20;
    private const uint Uid = 0x8;

    /// <summary>The first part of the path, folder or link, that is neither root's nor this process's user's; null where none is.</summary>
    public static string? FirstOther(string path)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var me = geteuid();
        var parts = new Stack<string>();
        for (string? part = path; part is not null; part = Path.GetDirectoryName(part)) parts.Push(part);
        foreach (var part in parts)
        {
            var found = new byte[256];
            if (statx(CurrentFolder, part, NoFollow, Uid, found) != 0) return null; // not there: neither is what is below
            var owner = BitConverter.ToUInt32(found, UidAt);
            if (owner != 0 && owner != me) return part;
        }

        return null;
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, [Out] byte[] found);
}
