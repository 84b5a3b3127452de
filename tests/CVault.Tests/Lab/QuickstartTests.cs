using System.Text.RegularExpressions;

namespace CVault.Tests.Lab;

/// <summary>
/// The quick starts as a new user runs them: the program copied out of the README, the package installed into an empty
/// project, against the live API, on a host that reaches nothing but VPN servers.
/// </summary>
public sealed class QuickstartTests(Stack stack)
{
    /// <summary>By its name, so that an answer shows that names are resolved too.</summary>
    private const string CheckUrl = "http://whoami.lab/ip";

    [Fact]
    public async Task that_of_sdk_js_ends_in_a_tunnel_and_out_of_it()
    {
        LabClient.Required();
        using var project = new Project();
        var sdk = Path.Combine(Stack.Root, "sdk-js");
        await Stack.NpmPackagesAsync(sdk);
        await project.RunAsync(sdk, "npm", "run", "--silent", "build");
        var package = (await project.RunAsync(sdk, "npm", "pack", "--silent", "--pack-destination", project.Folder)).Trim();
        await project.WriteAsync("package.json", "{ \"private\": true }");
        await project.RunAsync(project.Folder, "npm", "install", "--no-audit", "--no-fund", "./" + package);
        await project.WriteAsync("quickstart.mjs", Block("sdk-js/README.md", "js quickstart"));

        var (lines, uplink) = await RunAsync("quickstart-js", project, "node", "quickstart.mjs");

        Assert.Equal(["before: no way out", $"after: {uplink}"], lines);
    }

    [Fact]
    public async Task that_of_sdk_dotnet_ends_in_a_tunnel_and_out_of_it()
    {
        LabClient.Required();
        using var project = new Project();
        await project.WithPackagesAsync("CVault.Sdk", "CVault.Sdk.Tunnel");
        await project.WriteAsync("Program.cs", Block("sdk-dotnet/README.md", "csharp"));
        await project.BuildAsync();

        var (lines, uplink) = await RunAsync("quickstart-dotnet", project, "dotnet", "out/quickstart.dll");

        Assert.Equal(["Address before: unreachable", $"Address after: {uplink}, tunnel Up"], lines);
    }

    [Fact]
    public async Task that_of_the_tunnel_alone_takes_a_config_from_anywhere()
    {
        LabClient.Required();
        using var project = new Project();
        await project.WithPackagesAsync("CVault.Sdk.Tunnel");
        await project.WriteAsync("Program.cs", Block("sdk-dotnet/CVault.Sdk.Tunnel/README.md", "csharp"));
        await project.BuildAsync();
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        await project.WriteAsync("device.conf", (await user.NewDeviceAsync(region: "us-east")).Config);
        await using var client = await LabClient.NewAsync("quickstart-tunnel");

        var ran = await Stack.OnAsync(client.Name, ["env", "-C", project.Folder, "dotnet", "out/quickstart.dll"]);

        Assert.Matches(@"^Up, \d+ bytes received, \d+ bytes sent, by 198\.51\.100\.11:51820", ran.Text);
        await IsAsItWasAsync(client);
    }

    /// <summary>
    /// Runs the program on a host of its own, and sees that the peer of its one device came to a server, which CVault chooses,
    /// and went. Answers the lines in which it tells of addresses, and that server's.
    /// </summary>
    private async Task<(string[] Lines, string Uplink)> RunAsync(string host, Project project, params string[] program)
    {
        await using var client = await LabClient.NewAsync(host);
        await client.HasApiAsync();
        var tenant = await stack.NewTenantAsync();

        var ran = await Stack.OnAsync(client.Name, ["env", "-C", project.Folder, $"CVAULT_URL={Stack.Url}", $"CVAULT_PUBLISHABLE_KEY={tenant.PublishableKey}", $"CVAULT_CHECK_URL={CheckUrl}", .. program]);

        var (server, key) = ("", "");
        await Stack.EventuallyAsync($"a server had the device's peer and removed it.\n{ran.Text}\n{ran.Error}", TimeSpan.FromSeconds(30), async () =>
        {
            (server, key) = await RemovedAsync(tenant.Id);
            return key != "";
        });
        var had = new[] { LabServer.Vpn1, LabServer.Vpn2 }.Single(s => s.Name == server);
        Assert.False(await had.HasAsync(key));
        await IsAsItWasAsync(client);
        return ([.. ran.Text.Split('\n').Where(l => Regex.IsMatch(l, "^(Address )?(before|after): "))], LabClient.UplinkOf(had.Region));
    }

    /// <summary>No tunnel, and nothing of a kill switch: servers can be reached, the internet cannot.</summary>
    private static async Task IsAsItWasAsync(LabClient client)
    {
        Assert.Equal("", (await client.RunAsync("wg", "show", "interfaces")).Text.Trim());
        Assert.True(await client.PingsAsync(LabClient.UplinkOf("us-east")), "The way out is shut.");
        Assert.Equal("", await client.IpAsync(2));
    }

    /// <summary>
    /// The server that the peer of the tenant's device was removed from, and its key; empty before that. By its last counters,
    /// which only a server that had the peer has told.
    /// </summary>
    private async Task<(string Server, string Key)> RemovedAsync(string tenant)
    {
        await using var command = stack.Database.CreateCommand("select d.data ->> 'name', l.public_key from cvault.peer_last_counters l join cvault.mt_doc_server d on d.id = l.server_id where l.tenant_id = $1");
        command.Parameters.Add(new() { Value = tenant });
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        return await reader.ReadAsync(TestContext.Current.CancellationToken) ? (reader.GetString(0), reader.GetString(1)) : ("", "");
    }

    /// <summary>The first block of that kind in a README, as it stands there.</summary>
    private static string Block(string readme, string kind) =>
        Regex.Match(File.ReadAllText(Path.Combine(Stack.Root, readme)), $"^```{kind}\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline).Groups[1].Value is { Length: > 0 } code
            ? code
            : throw new InvalidOperationException($"{readme} has no block of {kind}.");

    /// <summary>An empty project in a folder of its own, which packages are installed into.</summary>
    private sealed class Project : IDisposable
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("cvault-quickstart-").FullName;

        public Task WriteAsync(string file, string text) => File.WriteAllTextAsync(Path.Combine(Folder, file), text);

        public async Task<string> RunAsync(string folder, params string[] command) =>
            (await Stack.RunAsync("/usr/bin/env", ["-u", "NUGET_PACKAGES", "-C", folder, .. command])).Text; // which would be another place for what is installed here

        /// <summary>A project of C# with these packages, as they are packed from what was built with these tests.</summary>
        public async Task WithPackagesAsync(params string[] packages)
        {
            var feed = Path.Combine(Folder, "feed");
            var built = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
            foreach (var package in packages) await RunAsync(Path.Combine(Stack.Root, "sdk-dotnet", package), "dotnet", "pack", "-c", built, "--no-build", "-o", feed);
            var version = Regex.Match(Path.GetFileName(Directory.EnumerateFiles(feed, packages[0] + ".*.nupkg").First()), @"\d+\.\d+\.\d+").Value;
            // Next to the machine's own sources; installed here, so that no other version of the same number is taken.
            await WriteAsync("nuget.config", $"""
                <configuration>
                  <config><add key="globalPackagesFolder" value="{Path.Combine(Folder, "installed")}" /></config>
                  <packageSources><add key="feed" value="{feed}" /></packageSources>
                </configuration>
                """);
            await WriteAsync("quickstart.csproj", $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup>
                    <OutputType>Exe</OutputType>
                    <TargetFramework>net10.0</TargetFramework>
                    <ImplicitUsings>enable</ImplicitUsings>
                    <Nullable>enable</Nullable>
                  </PropertyGroup>
                  <ItemGroup>{string.Concat(packages.Select(p => $"<PackageReference Include=\"{p}\" Version=\"{version}\" />"))}</ItemGroup>
                </Project>
                """);
        }

        public Task<string> BuildAsync() => RunAsync(Folder, "dotnet", "build", "-c", "Release", "-o", "out", "-warnaserror", "-maxcpucount:1", "-nodeReuse:false");

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
