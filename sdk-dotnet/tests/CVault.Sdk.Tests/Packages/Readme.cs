using System.Text.RegularExpressions;

namespace CVault.Sdk.Tests.Packages;

/// <summary>The README's code.</summary>
internal static partial class Readme
{
    /// <summary>Every block of C#, in order; the first is the quick start, a whole program.</summary>
    public static string[] Blocks(string readme = "README.md") => [.. Fence().Matches(File.ReadAllText(Path.Combine(Repository.Sdk, readme))).Select(m => m.Groups[1].Value)];

    /// <summary>A program that has the blocks of the tunnel's README in it, and runs none: they need root, and a server.</summary>
    public static string TunnelProgram()
    {
        const string import = "using CVault.Sdk.Tunnel;\n";
        var blocks = Blocks("CVault.Sdk.Tunnel/README.md");
        Assert.All(blocks, block => Assert.StartsWith(import, block, StringComparison.Ordinal));
        return import + string.Concat(blocks.Select((block, i) => $$"""

            static async Task Block{{i}}(string[] args)
            {
            {{block[import.Length..]}}
            await Task.CompletedTask;
            }

            """));
    }

    /// <summary>A program that runs all blocks but the first, each with the clients that the README's text speaks of.</summary>
    public static string Program()
    {
        var (methods, types) = ("", "");
        var blocks = Blocks();
        for (var i = 1; i < blocks.Length; i++)
        {
            // A block may end with a type of its own.
            var type = Declaration().Match(blocks[i]);
            types += type.Value;
            methods += $$"""
                static async Task Block{{i}}(CVaultClient cvault, CVaultServerClient server, CVaultMemberClient portal, RegisteredDevice device, IServiceCollection services, CancellationToken cancellationToken)
                {
                {{(type.Success ? blocks[i][..type.Index] : blocks[i])}}
                await Task.CompletedTask;
                }

                """;
        }

        return $$"""
            using CVault.Sdk;
            using Microsoft.Extensions.DependencyInjection;

            var url = new Uri(Environment.GetEnvironmentVariable("CVAULT_URL")!);
            var cvault = new CVaultClient(new CVaultClientOptions { BaseUrl = url, ApiKey = "cvp_test" });
            var server = new CVaultServerClient(new CVaultServerOptions { BaseUrl = url, ApiKey = "cvk_test", ApiSecret = "cvs_test" });
            var portal = new CVaultMemberClient(new CVaultMemberOptions { BaseUrl = url });
            {{string.Concat(Enumerable.Range(1, blocks.Length - 1).Select(i => $$"""

            await cvault.Auth.LoginAsync("ada@example.com", "correct horse battery");
            await Block{{i}}(cvault, server, portal, await cvault.Devices.RegisterAsync("Laptop"), new ServiceCollection(), default);
            Console.WriteLine("ran {{i}}");
            """))}}

            {{methods}}
            {{types}}
            """;
    }

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^sealed class .*", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
