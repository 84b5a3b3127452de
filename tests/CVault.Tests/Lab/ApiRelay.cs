using System.Diagnostics;

namespace CVault.Tests.Lab;

/// <summary>
/// The API on a client host's own loopback. Nothing but the VPN servers can be reached from there, as it should be, so two
/// relays lead to the API through a socket file, which knows no network namespaces.
/// </summary>
public sealed class ApiRelay : IDisposable
{
    private static readonly string Script = Path.Combine(Stack.Root, "tests/CVault.Tests/Lab/relay.mjs");
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("cvault-relay-");
    private readonly List<Process> relays = [];

    private ApiRelay()
    {
    }

    public static async Task<ApiRelay> ToAsync(LabClient client)
    {
        var relay = new ApiRelay();
        var (socket, port) = (Path.Combine(relay.folder.FullName, "api.sock"), Stack.Url.Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await relay.ListensAsync("node", [Script, socket, port]);
        await relay.ListensAsync(Path.Combine(Stack.Root, "ops/lab"), ["exec", client.Name, "--", "node", Script, port, socket]);
        return relay;
    }

    public void Dispose()
    {
        foreach (var relay in relays)
        {
            relay.Kill(entireProcessTree: true);
            relay.Dispose();
        }

        folder.Delete(recursive: true);
    }

    private async Task ListensAsync(string command, string[] arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Stack.Root };
        start.Environment["CVAULT_STATE_DIR"] = Stack.StateDir;
        var relay = Process.Start(start)!;
        relays.Add(relay);
        Assert.Equal("listening", await relay.StandardOutput.ReadLineAsync() ?? await relay.StandardError.ReadToEndAsync());
    }
}
