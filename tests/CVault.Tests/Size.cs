namespace CVault.Tests;

/// <summary>
/// How much of a fault a run makes: about a twentieth of the plan's figures in <c>ops/test</c>, all of them in
/// <c>ops/test --full</c>, which sets <c>CVAULT_TEST_FULL</c>. What must hold is the same for both.
/// </summary>
public static class Size
{
    public static bool Full { get; } = Environment.GetEnvironmentVariable("CVAULT_TEST_FULL") == "1";

    public static T Of<T>(T small, T full) => Full ? full : small;

    public static TimeSpan Seconds(double small, double full) => TimeSpan.FromSeconds(Of(small, full));
}
