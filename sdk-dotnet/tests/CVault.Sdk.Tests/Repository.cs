namespace CVault.Sdk.Tests;

/// <summary>Where things are in the repository that the tests were built from.</summary>
internal static class Repository
{
    public static readonly string Root = RootAbove(AppContext.BaseDirectory);

    public static readonly string Sdk = Path.Combine(Root, "sdk-dotnet");

    private static string RootAbove(string folder) =>
        File.Exists(Path.Combine(folder, "CVault.sln")) ? folder : RootAbove(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests run outside of their repository."));
}
