using System.Text;

namespace CVault.Fuzz;

/// <summary>One reader of what comes from outside, as a fuzzer calls it.</summary>
/// <param name="Name">What <c>ops/fuzz</c> calls it.</param>
/// <param name="Read">
/// Reads an input. It returns for what is accepted and for what is refused by an exception that the code documents;
/// any other exception is a finding.
/// </param>
/// <param name="Seeds">Inputs to begin with, most of them good ones.</param>
/// <param name="Words">What inputs are made of and no change of single bytes would hit on.</param>
public sealed record Target(string Name, Action<byte[]> Read, Func<IEnumerable<byte[]>> Seeds, params string[] Words)
{
    /// <summary>All there are.</summary>
    public static readonly IReadOnlyList<Target> All = [.. ServerTargets.All, .. AddressTargets.All, .. TextTargets.All, .. TokenTargets.All, .. SecretTargets.All, .. SettingsTargets.All, .. MeterTargets.All, BodyTargets.Bodies];

    /// <summary>A target of text: the input is UTF-8, as a request's body and headers are.</summary>
    public static Target OfText(string name, Action<string> read, string[] seeds, params string[] words) =>
        new(name, bytes => read(Encoding.UTF8.GetString(bytes)), () => seeds.Select(Encoding.UTF8.GetBytes), words);

    /// <summary>What must hold of whatever was accepted.</summary>
    /// <exception cref="BrokenException">It does not.</exception>
    public static void Must(bool holds, string what)
    {
        if (!holds) throw new BrokenException(what);
    }
}

/// <summary>Something was accepted of which something else does not hold.</summary>
public sealed class BrokenException(string what) : Exception(what);
