using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text;
using System.Xml.Linq;

namespace CVault.Sdk.Tests.Packages;

/// <summary>The packages, as whoever installs them finds them.</summary>
public sealed class PackageTests(Packed packed) : IClassFixture<Packed>
{
    [Theory, InlineData("CVault.Sdk"), InlineData("CVault.Sdk.DependencyInjection"), InlineData("CVault.Sdk.Tunnel")]
    public void A_package_has_all_that_it_should(string id)
    {
        using var package = ZipFile.OpenRead(Path.Combine(packed.Feed, $"{id}.{Packed.Version}.nupkg"));
        var files = package.Entries.Select(e => e.FullName).ToArray();
        foreach (var framework in FrameworksOf(id))
        {
            Assert.Contains($"lib/{framework}/{id}.dll", files);
            Assert.Contains($"lib/{framework}/{id}.xml", files);
        }

        Assert.Contains("README.md", files);
        Assert.Contains("CHANGELOG.md", files);
        Assert.Contains("LICENSE", files);
        using var nuspec = package.GetEntry(id + ".nuspec")!.Open();
        var metadata = XDocument.Load(nuspec).Root!.Elements().Single(e => e.Name.LocalName == "metadata").Elements().ToDictionary(e => e.Name.LocalName);
        Assert.Equal("MIT", metadata["license"].Value);
        Assert.Equal("README.md", metadata["readme"].Value);
        Assert.Equal(Packed.Version, metadata["version"].Value);
        Assert.NotEmpty(metadata["description"].Value);
        Assert.StartsWith(Packed.Remote, metadata["repository"].Attribute("url")!.Value, StringComparison.Ordinal);
        Assert.Equal(40, metadata["repository"].Attribute("commit")!.Value.Length);
        var needs = metadata["dependencies"].Descendants().Where(e => e.Name.LocalName == "dependency").Select(e => $"{((string)e.Parent!.Attribute("targetFramework")!).TrimStart('.')} {(string)e.Attribute("id")!}");
        Assert.Equal(
            id switch
            {
                "CVault.Sdk" => ["NETStandard2.0 Microsoft.Bcl.AsyncInterfaces", "NETStandard2.0 System.Text.Json"],
                "CVault.Sdk.Tunnel" => ["net8.0 Microsoft.Extensions.Logging.Abstractions"],
                _ => ["NETStandard2.0 CVault.Sdk", "NETStandard2.0 Microsoft.Extensions.Http", "net8.0 CVault.Sdk", "net8.0 Microsoft.Extensions.Http"],
            },
            needs.Order(StringComparer.Ordinal));
        Assert.Contains("## " + Packed.Version, File.ReadAllText(Path.Combine(Repository.Sdk, "CHANGELOG.md")), StringComparison.Ordinal);
    }

    [Theory, InlineData("CVault.Sdk"), InlineData("CVault.Sdk.DependencyInjection"), InlineData("CVault.Sdk.Tunnel")]
    public void Its_symbols_lead_to_the_sources(string id)
    {
        using var symbols = ZipFile.OpenRead(Path.Combine(packed.Feed, $"{id}.{Packed.Version}.snupkg"));
        foreach (var framework in FrameworksOf(id))
        {
            using var pdb = new MemoryStream();
            using (var entry = symbols.GetEntry($"lib/{framework}/{id}.pdb")!.Open()) entry.CopyTo(pdb);
            pdb.Position = 0;
            using var provider = MetadataReaderProvider.FromPortablePdbStream(pdb);
            var reader = provider.GetMetadataReader();
            var sourceLink = reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation).Single(i => reader.GetGuid(i.Kind) == new Guid("CC110556-A091-4D38-9FEC-25AB9A351A6A"));
            Assert.Contains("/example/cvault/", Encoding.UTF8.GetString(reader.GetBlobBytes(sourceLink.Value)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_quick_start_is_the_samples_and_short()
    {
        var sample = File.ReadAllText(Path.Combine(Repository.Sdk, "samples", "quickstart", "Program.cs"));
        Assert.Equal(sample, Readme.Blocks()[0]);
        Assert.True(sample.Split('\n').Length - 1 < 30);
    }

    [Fact]
    public async Task Every_block_of_the_readme_compiles_and_runs()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var project = await packed.ProjectAsync("readme", ["CVault.Sdk", "CVault.Sdk.DependencyInjection"], ("Program.cs", Readme.Program()));
        await Command.DotnetAsync(project, "build", "-c", "Release", "-o", "out");
        var said = await Command.RunAsync(project, "dotnet", ["out/readme.dll"], ("CVAULT_URL", server.Url.ToString()));
        Assert.All(Enumerable.Range(1, Readme.Blocks().Length - 1), i => Assert.Contains($"ran {i}\n", said, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_block_of_the_tunnels_readme_compiles()
    {
        var project = await packed.ProjectAsync("tunnel", ["CVault.Sdk.Tunnel"], ("Program.cs", Readme.TunnelProgram()));
        await Command.DotnetAsync(project, "build", "-c", "Release", "-o", "out");
    }

    private static string[] FrameworksOf(string id) => id == "CVault.Sdk.Tunnel" ? ["net8.0"] : ["net8.0", "netstandard2.0"];
}
