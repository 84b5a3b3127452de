using System.Reflection;
using System.Runtime.Loader;
using System.Runtime.Versioning;

namespace CVault.Sdk.Tests;

public class BuildTests
{
    [Fact]
    public void These_tests_run_with_the_build_for_net_standard() =>
        Assert.Equal(".NETStandard,Version=v2.0", ((TargetFrameworkAttribute)typeof(CVaultClient).Assembly.GetCustomAttributes(typeof(TargetFrameworkAttribute), false)[0]).FrameworkName);

    [Fact]
    public void Both_builds_have_the_same_surface()
    {
        var configuration = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!;
        var path = Path.Combine(Repository.Sdk, "CVault.Sdk", "bin", configuration, "net8.0", "CVault.Sdk.dll");
        var other = new AssemblyLoadContext("net8.0").LoadFromAssemblyPath(path);
        Assert.NotEqual(typeof(CVaultClient).Assembly.Location, other.Location);
        Assert.Equal(SurfaceOf(typeof(CVaultClient).Assembly), SurfaceOf(other));
    }

    private static string[] SurfaceOf(Assembly assembly) => [.. assembly.GetExportedTypes()
        .SelectMany(type => type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(IsSeen).Select(member => $"{type.FullName} : {type.BaseType} : {member}").Prepend($"{type} {type.Attributes}"))
        .Order(StringComparer.Ordinal)];

    private static bool IsSeen(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        _ => false,
    };
}
