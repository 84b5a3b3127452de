using System.Text;

namespace CVault.Client;

/// <summary>Where a command reads and writes. Secrets are read here and nowhere else: never from the command line, which every process of the machine can see.</summary>
/// <param name="Interactive">Somebody sits there: ask, and do not show what is secret.</param>
public sealed record Terminal(TextReader Input, TextWriter Output, TextWriter Error, bool Interactive)
{
    public static Terminal OfThisProcess() => new(Console.In, Console.Out, Console.Error, !Console.IsInputRedirected);

    /// <summary>One line that may be seen; null when there is none.</summary>
    public string? Ask(string what)
    {
        if (Interactive) Error.Write($"{what}: ");
        return Input.ReadLine();
    }

    /// <summary>One line that may not be seen.</summary>
    public string? AskSecret(string what)
    {
        if (!Interactive) return Input.ReadLine();
        Error.Write($"{what}: ");
        var typed = new StringBuilder();
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter) break;
            if (key.Key == ConsoleKey.Backspace) typed.Length = Math.Max(0, typed.Length - 1);
            else if (!char.IsControl(key.KeyChar)) typed.Append(key.KeyChar);
        }

        Error.WriteLine();
        return typed.ToString();
    }
}
