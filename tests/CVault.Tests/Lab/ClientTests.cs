using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CVault.Tests.Lab;

/// <summary>
/// The demo client on a lab's client host, where nothing but the VPN servers can be reached: by its commands, and by its
/// pages in a real Chromium on the same host.
/// </summary>
public sealed class ClientTests(Stack stack)
{
    private const string Region = "us-east";
    private const string CheckUrl = $"http://{LabClient.Internet}/ip";
    private const string Chromium = "/usr/bin/chromium";

    private static readonly string Browser = Path.Combine(Stack.Root, "sdk-dotnet/samples/cvault-client/browser");

    /// <summary>As it was built beside these tests.</summary>
    private static readonly string Program = Path.Combine(
        Stack.Root, "sdk-dotnet/samples/cvault-client/bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0/cvault-client.dll");

    [Fact]
    public async Task its_commands_end_in_a_tunnel_and_out_of_it_and_show_no_secret()
    {
        LabClient.Required();
        await using var host = await ClientHost.NewAsync("client-commands");
        var tenant = await stack.NewTenantAsync();
        var (email, password) = (Scenarios.NewAddress(), "canary horse " + Guid.NewGuid().ToString("N"));

        await host.DoesAsync(tenant.PublishableKey + "\n", "configure", "--url", Stack.Url.ToString(), "--check-url", CheckUrl);
        await host.DoesAsync(password + "\n", "register", "--email", email);
        Assert.Equal("us-east", (await host.DoesAsync("", "servers"))["servers"]!.AsArray().Select(s => s!["region"]!.ToString()).Single(r => r == Region));
        Assert.Equal("", await host.Client.IpAsync(2));

        var connected = await host.DoesAsync("", "connect", "--region", Region, "--kill-switch");
        var key = await host.PublicKeyAsync();
        Assert.Equal("connected", connected["status"]!.ToString());
        Assert.Equal(LabClient.UplinkOf(Region), await host.Client.IpAsync());
        Assert.True(await LabServer.Vpn1.HasAsync(key));
        var status = await host.DoesAsync("", "status");
        Assert.Equal(("connected", "True"), (status["status"]!.ToString(), ((bool)status["kill_switch"]!).ToString()));
        Assert.True((long)status["rx_bytes"]! > 0);
        Assert.Equal(2, (await host.RunAsync("", "connect", "--region", Region)).ExitCode); // one connection at a time
        var secrets = (string[])[password, .. await host.SecretsAsync()];

        var device = Assert.Single((await host.DoesAsync("", "devices"))["devices"]!.AsArray())!;
        Assert.True((bool)device["this_device"]!);
        Assert.True((bool)(await host.DoesAsync("", "disconnect"))["session_ended"]!);
        Assert.False(await host.HasTunnelAsync());
        Assert.Equal("disconnected", (await host.DoesAsync("", "status"))["status"]!.ToString());

        // The way out is as it was: none, and nothing of a kill switch that would also keep the server away.
        Assert.Equal("", await host.Client.IpAsync(2));
        await host.DoesAsync("", "connect");
        Assert.Equal(LabClient.UplinkOf(Region), await host.Client.IpAsync());
        await host.DoesAsync("", "devices", "remove", device["device_id"]!.ToString());
        await Stack.EventuallyAsync("the peer is gone", TimeSpan.FromSeconds(10), async () => !await LabServer.Vpn1.HasAsync(key));
        Assert.False(await host.HasTunnelAsync());

        var logged = (await host.DoesAsync("", "logs"))["lines"]!.AsArray().Select(l => l!["text"]!.ToString()).ToList();
        Assert.Contains(logged, l => l.StartsWith("Connected to us-east", StringComparison.Ordinal));
        await host.DoesAsync("", "logout");
        host.NothingShows(secrets);
    }

    [Theory]
    [InlineData(1280)]
    [InlineData(390)]
    public async Task its_pages_lead_from_the_first_to_connected_and_out_again(int width)
    {
        LabClient.Required();
        Assert.SkipUnless(File.Exists(Chromium), "The walk needs Chromium.");
        await Stack.NpmPackagesAsync(Browser);
        await using var host = await ClientHost.NewAsync($"client-pages-{width}");
        var tenant = await stack.NewTenantAsync();
        var password = "canary horse " + Guid.NewGuid().ToString("N");
        var ui = host.Start("ui", "--json");
        var link = await LinkAsync(ui);
        using var watch = new ArgumentWatch(password, link.Split("token=")[1]);

        var walk = Stack.OnAsync(host.Client.Name, ["node", Path.Combine(Browser, "walk.js")], JsonSerializer.Serialize(new
        {
            link, api_url = Stack.Url, api_key = tenant.PublishableKey, check_url = CheckUrl, email = Scenarios.NewAddress(), password, region = Region,
            width, shots = Path.Combine(Stack.Root, "TestResults", "client"), chromium = Chromium, address = LabClient.UplinkOf(Region),
        }), mayFail: true);
        string[] secrets = [];
        var peerWasThere = false;
        while (!walk.IsCompleted)
        {
            if (secrets.Length == 0 && await host.HasTunnelAsync() && (await host.SecretsAsync()) is { Length: 3 } found)
            {
                secrets = [password, link.Split("token=")[1], .. found];
                watch.Add(found);
                var key = await host.PublicKeyAsync();
                await Stack.EventuallyAsync("the server has the peer", TimeSpan.FromSeconds(10), () => LabServer.Vpn1.HasAsync(key));
                peerWasThere = true;
            }

            await Task.Delay(200);
        }

        var ended = await walk;
        Assert.True(ended.ExitCode == 0, $"{ended.Text}\n{ended.Error}\n{host.Log}");
        var seen = JsonNode.Parse(ended.Text)!;
        Assert.Equal(("not reachable", LabClient.UplinkOf(Region)), (seen["before"]!.ToString(), seen["now"]!.ToString()));
        Assert.True(peerWasThere);
        Assert.False(await host.HasTunnelAsync());
        Assert.Equal("", await host.Client.IpAsync(2));
        Assert.Empty(watch.Found);
        host.NothingShows(secrets);
    }

    /// <summary>The first line of JSON that <c>ui --json</c> prints has the link.</summary>
    private static async Task<string> LinkAsync(Process ui)
    {
        var text = "";
        while (!text.Contains('}', StringComparison.Ordinal)) text += await ui.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) ?? throw new InvalidOperationException(await ui.StandardError.ReadToEndAsync());
        return JsonNode.Parse(text)!["url"]!.ToString();
    }

    /// <summary>One lab client with a client's folder and a way to the API.</summary>
    private sealed class ClientHost : IAsyncDisposable
    {
        private readonly string home = Directory.CreateTempSubdirectory("cvault-client-").FullName;
        private readonly List<Process> started = [];
        private readonly List<string> printed = [];

        private ClientHost(LabClient client) => Client = client;

        public LabClient Client { get; }

        public string Log => File.Exists(Path.Combine(home, "client.log")) ? File.ReadAllText(Path.Combine(home, "client.log")) : "";

        public static async Task<ClientHost> NewAsync(string name)
        {
            var host = new ClientHost(await LabClient.NewAsync(name));
            await host.Client.HasApiAsync();
            return host;
        }

        /// <summary>A command that must end well; what it answered.</summary>
        public async Task<JsonNode> DoesAsync(string input, params string[] arguments)
        {
            var ended = await RunAsync(input, arguments);
            Assert.True(ended.ExitCode == 0, $"{arguments[0]} ended with {ended.ExitCode}: {ended.Error}\n{Log}");
            return JsonNode.Parse(ended.Text)!;
        }

        public async Task<Output> RunAsync(string input, params string[] arguments)
        {
            var ended = await Stack.OnAsync(Client.Name, ["env", .. Settings(), "dotnet", Program, "--json", .. arguments], input, mayFail: true);
            printed.Add(ended.Text + ended.Error);
            return ended;
        }

        /// <summary>A command that goes on.</summary>
        public Process Start(params string[] arguments) => Run(Path.Combine(Stack.Root, "ops/lab"), ["exec", Client.Name, "--", "env", .. Settings(), "dotnet", Program, .. arguments]);

        public async Task<bool> HasTunnelAsync() => (await Client.RunAsync("wg", "show", "interfaces")).Text.Trim() != "";

        public async Task<string> PublicKeyAsync() => (await Client.RunAsync("wg", "show", "cvault0", "public-key")).Text.Trim();

        /// <summary>What the client must show nowhere but where it belongs: both tokens, and the device's private key while there is a tunnel.</summary>
        public async Task<string[]> SecretsAsync()
        {
            var session = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(home, "session.json")))!;
            var key = (await Client.RunAsync("wg", "show", "cvault0", "private-key")).Text.Trim();
            return [session["access_token"]!.ToString(), session["refresh_token"]!.ToString(), .. key.Length == 44 ? (string[])[key] : []];
        }

        /// <summary>Signed out, no file of the client and nothing that it printed has any of these.</summary>
        public void NothingShows(string[] secrets)
        {
            Assert.NotEmpty(secrets);
            foreach (var secret in secrets)
            {
                Assert.DoesNotContain(printed, text => text.Contains(secret, StringComparison.Ordinal));
                foreach (var file in Directory.EnumerateFiles(home))
                {
                    Assert.False(File.ReadAllText(file).Contains(secret, StringComparison.Ordinal), $"a secret is in {file}");
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await RunAsync("", "disconnect");
            foreach (var process in started)
            {
                if (!process.HasExited) process.Kill(entireProcessTree: true);
                process.Dispose();
            }

            await Client.DisposeAsync();
            Directory.Delete(home, recursive: true);
        }

        /// <summary>Debugging on: what the SDK tells is in the log too.</summary>
        private string[] Settings() => ["CVAULT_CLIENT_HOME=" + home, "CVAULT_CLIENT_DEBUG=1"];

        private Process Run(string command, string[] arguments)
        {
            var start = new ProcessStartInfo(command, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Stack.Root };
            start.Environment["CVAULT_STATE_DIR"] = Stack.StateDir;
            var process = Process.Start(start)!;
            started.Add(process);
            return process;
        }
    }

    /// <summary>Looks at the arguments of every process of the machine, as any of its users could, until it is disposed.</summary>
    private sealed class ArgumentWatch : IDisposable
    {
        private readonly CancellationTokenSource end = new();
        private readonly Task looking;
        private volatile string[] secrets;

        public ArgumentWatch(params string[] secrets)
        {
            this.secrets = secrets;
            looking = Task.Run(async () =>
            {
                while (!end.IsCancellationRequested)
                {
                    foreach (var pid in StackProcess.All())
                    {
                        var arguments = StackProcess.ArgumentsOf(pid);
                        if (this.secrets.Any(s => arguments.Contains(s, StringComparison.Ordinal))) Found.Add(StackProcess.NameOf(pid));
                    }

                    await Task.Delay(50);
                }
            });
        }

        public System.Collections.Concurrent.ConcurrentBag<string> Found { get; } = [];

        public void Add(string[] more) => secrets = [.. secrets, .. more];

        public void Dispose()
        {
            end.Cancel();
            looking.Wait();
            end.Dispose();
        }
    }
}
