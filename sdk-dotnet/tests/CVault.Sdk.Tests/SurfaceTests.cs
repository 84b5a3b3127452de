using System.Reflection;

namespace CVault.Sdk.Tests;

/// <summary>What users see of the packages.</summary>
public class SurfaceTests
{
    private static readonly Type[] Clients = [typeof(CVaultClient), typeof(CVaultServerClient), typeof(CVaultMemberClient)];

    [Fact]
    public void Every_call_can_be_cancelled_and_takes_options()
    {
        foreach (var call in CallsOf(Clients).Where(c => c.Name != "SessionAsync"))
        {
            Assert.Equal([typeof(RequestOptions), typeof(CancellationToken)], call.GetParameters().TakeLast(2).Select(p => p.ParameterType));
        }
    }

    [Fact]
    public void The_readme_names_every_call_and_every_code()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Sdk, "README.md"));
        Assert.All(CallsOf(Clients), call => Assert.Contains(call.Name, readme, StringComparison.Ordinal));
        Assert.All(typeof(CVaultErrorCodes).GetFields(), code => Assert.Contains($"`{code.GetRawConstantValue()}`", readme, StringComparison.Ordinal));
    }

    /// <summary>The methods of the clients' parts that call the API.</summary>
    internal static IEnumerable<MethodInfo> CallsOf(params IEnumerable<Type> clients) => clients
        .SelectMany(c => c.GetProperties()).Select(p => p.PropertyType).Distinct()
        .SelectMany(p => p.GetMethods()).Where(m => m.Name.EndsWith("Async", StringComparison.Ordinal));
}
