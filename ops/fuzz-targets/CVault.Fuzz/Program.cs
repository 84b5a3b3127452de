using System.Runtime.InteropServices;
using System.Text;
using SharpFuzz;

namespace CVault.Fuzz;

/// <summary>
/// What <c>ops/fuzz</c> runs. <c>list</c> names the targets, <c>corpus FOLDER</c> writes their seeds and words there,
/// <c>NAME FILE…</c> reads files as that target does and says what broke, and <c>NAME</c> alone reads what afl-fuzz gives.
/// </summary>
public static class Program
{
    /// <summary>0; 1 when a file broke its target; 2 when there is no such target.</summary>
    public static unsafe int Main(string[] args)
    {
        // Instrumented code marks its way in afl-fuzz's memory, and here it runs before that is given.
        SharpFuzz.Common.Trace.SharedMem = (byte*)NativeMemory.AllocZeroed(1 << 16);
        switch (args)
        {
            case ["list"]:
                foreach (var target in Target.All) Console.WriteLine(target.Name);
                return 0;
            case ["corpus", var folder]:
                foreach (var target in Target.All) Write(target, folder);
                return 0;
            case [var name, .. var files] when Target.All.FirstOrDefault(t => t.Name == name) is { } target:
                if (files.Length > 0) return files.Select(file => Breaks(target, file)).ToArray().Contains(true) ? 1 : 0;
                // In a process of its own, so that one that ends in a stack overflow or hangs is a finding and not the end.
                Fuzzer.OutOfProcess.Run(stream =>
                {
                    using var input = new MemoryStream();
                    stream.CopyTo(input);
                    target.Read(input.ToArray());
                });
                return 0;
            default:
                Console.Error.WriteLine("usage: CVault.Fuzz list | corpus FOLDER | NAME [FILE...]");
                return 2;
        }
    }

    private static void Write(Target target, string folder)
    {
        var seeds = Directory.CreateDirectory(Path.Combine(folder, target.Name)).FullName;
        foreach (var (number, seed) in target.Seeds().Index()) File.WriteAllBytes(Path.Combine(seeds, $"{number:00}"), seed);
        var words = target.Words.Select(word => '"' + string.Concat(Encoding.UTF8.GetBytes(word).Select(b => b is >= 32 and < 127 and not (byte)'"' and not (byte)'\\' ? ((char)b).ToString() : $"\\x{b:x2}")) + '"');
        if (target.Words.Length > 0) File.WriteAllLines(Path.Combine(folder, target.Name + ".dict"), words);
    }

    private static bool Breaks(Target target, string file)
    {
        try
        {
            target.Read(File.ReadAllBytes(file));
            return false;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"{target.Name} breaks on {file}:\n{e}");
            return true;
        }
    }
}
