namespace CVault.Sdk.Tests.Packages;

/// <summary>The packages as they are made in a clean clone whose remote SourceLink knows, in a feed that is a folder.</summary>
public sealed class Packed : IAsyncLifetime
{
    public const string Version = "0.1.0", Remote = "https://github.com/example/cvault";
    private static readonly string[] Projects = ["CVault.Sdk", "CVault.Sdk.DependencyInjection", "CVault.Sdk.Tunnel"];
    private readonly string root = Directory.CreateTempSubdirectory("cvault-packages-").FullName;

    public string Feed => Path.Combine(root, "feed");

    public async ValueTask InitializeAsync()
    {
        var clone = Path.Combine(root, "clone");
        foreach (var file in new[] { "Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig", ".gitignore" }.Select(f => Path.Combine(Repository.Root, f))
            .Concat(Directory.EnumerateFiles(Repository.Sdk)).Concat(Projects.SelectMany(p => Directory.EnumerateFiles(Path.Combine(Repository.Sdk, p), "*", SearchOption.AllDirectories))))
        {
            var path = Path.GetRelativePath(Repository.Root, file);
            if (path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj")) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(clone, path))!);
            File.Copy(file, Path.Combine(clone, path));
        }

        foreach (var git in new[] { "init -q", "add -A", $"remote add origin {Remote}.git", "-c user.name=t -c user.email=t@example.com commit -q -m packages" }) await Command.RunAsync(clone, "git", git.Split(' '));
        foreach (var project in Projects) await Command.DotnetAsync(clone, "pack", Path.Combine("sdk-dotnet", project), "-c", "Release", "-o", Feed, "-p:ContinuousIntegrationBuild=true");
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(root, recursive: true);
        return default;
    }

    /// <summary>An empty project with packages of the feed and of wherever else packages come from on this machine.</summary>
    /// <returns>Its folder.</returns>
    public async Task<string> ProjectAsync(string name, string[] packages, params (string File, string Text)[] files)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, name)).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Path.Combine(root, "installed")}" /></config>
              <packageSources><add key="local" value="{Feed}" /></packageSources>
            </configuration>
            """);
        await File.WriteAllTextAsync(Path.Combine(folder, name + ".csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup>{string.Concat(packages.Select(p => $"<PackageReference Include=\"{p}\" Version=\"{Version}\" />"))}</ItemGroup>
            </Project>
            """);
        foreach (var (file, text) in files) await File.WriteAllTextAsync(Path.Combine(folder, file), text);
        return folder;
    }
}
