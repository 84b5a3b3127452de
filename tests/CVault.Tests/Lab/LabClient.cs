namespace CVault.Tests.Lab;

/// <summary>A client host of the lab: a network namespace from which only the servers' endpoints are reachable outside a tunnel.</summary>
public sealed class LabClient : IAsyncDisposable
{
    public const string Internet = "198.51.100.2";
    private const string Config = "/run/cvault.conf"; // wg-quick names the interface after the file

    private LabClient(string name) => Name = name;

    public string Name { get; }

    /// <summary>The address from which the internet sees whoever goes through a region's server.</summary>
    public static string UplinkOf(string region) => region == "us-east" ? "198.51.100.11" : "198.51.100.12";

    public static void Required() => Assert.SkipUnless(Stack.HasLab, "This machine gives no network namespaces, so no tunnel can be tested.");

    /// <param name="name">Lower case letters, digits and dashes; each test has names of its own.</param>
    public static async Task<LabClient> NewAsync(string name)
    {
        await Stack.RunAsync("ops/lab", ["client", name]);
        var client = new LabClient(name);
        await client.DisconnectAsync(); // of a run that was cut short
        return client;
    }

    /// <summary>Applies a config as a user would: <c>wg-quick up FILE</c>.</summary>
    public async Task ConnectAsync(string config)
    {
        await Stack.OnAsync(Name, ["sh", "-c", $"umask 077; cat >{Config}"], config);
        await Stack.OnAsync(Name, ["wg-quick", "up", Config]);
    }

    public Task<Output> DisconnectAsync() => Stack.OnAsync(Name, ["wg-quick", "down", Config], mayFail: true);

    /// <summary>
    /// What the internet says the caller's address is; empty when it cannot be reached. WireGuard asks again after five seconds
    /// where its first word or the answer to it was lost, and TCP not until 7 or 15 s after its first attempt.
    /// </summary>
    public async Task<string> IpAsync(double seconds = 20) => (await CurlAsync("/ip", seconds)).Text.Trim();

    public Task<Output> CurlAsync(string path, double seconds = 10, params string[] options) =>
        RunAsync(["curl", "-q", "-s", "-f", "-m", seconds.ToString("0.0"), .. options, $"http://{Internet}{path}"]);

    public async Task<bool> PingsAsync(string address, params string[] options) =>
        (await RunAsync(["ping", "-c2", "-i0.3", "-W1", .. options, address])).ExitCode == 0;

    /// <summary>Whether a TCP connection to the address comes about within a second.</summary>
    public async Task<bool> OpensTcpAsync(string address, int port) =>
        (await RunAsync("timeout", "1.5", "bash", "-c", $"exec 3<>/dev/tcp/{address}/{port}")).ExitCode == 0;

    /// <summary>From here on the client has the API, on its own loopback.</summary>
    public Task HasApiAsync() => Stack.RunAsync("ops/lab", ["api", Name]);

    public Task<Output> RunAsync(params string[] command) => Stack.OnAsync(Name, command, mayFail: true);

    public async ValueTask DisposeAsync() => await DisconnectAsync();
}
