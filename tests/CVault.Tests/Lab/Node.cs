using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;

namespace CVault.Tests.Lab;

/// <summary>One more process of the API on the stack's own PostgreSQL, beside the one that <c>ops/up</c> started.</summary>
public sealed class Node : IAsyncDisposable
{
    private readonly Process process;
    private readonly string name;

    private Node(Process process, string name, int port)
    {
        this.process = process;
        this.name = name;
        Url = new Uri($"http://127.0.0.1:{port}");
    }

    public Uri Url { get; }
    public int Pid => process.Id;

    /// <summary>As <c>pg_stat_activity</c> shows its connections.</summary>
    public string ApplicationName => name;

    private string Log => Path.Combine(Stack.StateDir, "logs", name + ".log");

    /// <summary>Starts one and waits until it answers.</summary>
    /// <param name="environment">More than the running API's environment, or other.</param>
    public static async Task<Node> StartAsync(Stack stack, params (string Name, string Value)[] environment)
    {
        var pid = StackProcess.Api;
        var name = "node-" + Guid.NewGuid().ToString("N")[..8];
        var port = FreePort();
        var given = EnvironmentOf(pid);
        given["CVAULT_API_PORT"] = port.ToString();
        given.Remove("CVAULT_METRICS_PORT");
        given["CVAULT_DATABASE_URL"] = With(given["CVAULT_DATABASE_URL"], "Application%20Name=" + name);
        foreach (var (key, value) in environment) given[key] = value;
        var log = Path.Combine(Stack.StateDir, "logs", name + ".log");
        var arguments = StackProcess.ArgumentsOf(pid).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        var start = new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" </dev/null >>\"$0\" 2>&1", log, .. arguments]) { WorkingDirectory = new FileInfo($"/proc/{pid}/cwd").LinkTarget! };
        start.Environment.Clear();
        foreach (var (key, value) in given) start.Environment[key] = value;
        var node = new Node(Process.Start(start)!, name, port);
        try
        {
            // A busy machine takes its time to start one; and none that started too late stays for the tests after this.
            await Stack.EventuallyAsync($"{name} answers", TimeSpan.FromMinutes(3), async () =>
            {
                Assert.False(node.process.HasExited, $"{name} ended: see {log}");
                try
                {
                    using var live = await stack.Http.GetAsync(new Uri(node.Url, "/health/live"));
                    return live.StatusCode == HttpStatusCode.OK;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            });
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }

        return node;
    }

    /// <summary>The running API's <c>CVAULT_DATABASE_URL</c> with one more parameter.</summary>
    public static string DatabaseWith(string parameter) => With(EnvironmentOf(StackProcess.Api)["CVAULT_DATABASE_URL"], parameter);

    private static string With(string url, string parameter) => url + (url.Contains('?') ? '&' : '?') + parameter;

    private static Dictionary<string, string> EnvironmentOf(int pid) =>
        File.ReadAllText($"/proc/{pid}/environ").Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(v => v.Split('=', 2)).ToDictionary(v => v[0], v => v[1]);

    /// <summary>Its id in <c>server_links</c>.</summary>
    public async Task<Guid> IdAsync() => Guid.Parse((await StackProcess.LoggedAsync(Log, 0)).Split("This is node ")[1][..36]);

    public static async Task<Guid> IdOfMainAsync() => Guid.Parse((await StackProcess.LoggedAsync(StackProcess.ApiLog, 0)).Split("This is node ")[^1][..36]);

    public Task<string> LoggedAsync() => StackProcess.LoggedAsync(Log, 0);

    public void Kill() => StackProcess.Kill(Pid);

    public Task PauseAsync() => StackProcess.SignalAsync(Pid, "STOP");

    public Task ContinueAsync() => StackProcess.SignalAsync(Pid, "CONT");

    /// <summary>A registration that this node takes.</summary>
    public async Task<Answer> RegisterDeviceAsync(TestUser user, string name, string? region = null, string? idempotencyKey = null) => await RegisterDeviceAsync(user, Url, name, region, idempotencyKey);

    public static Task<Answer> RegisterDeviceAsync(TestUser user, Uri url, string name, string? region = null, string? idempotencyKey = null) =>
        PostAsync(user, url, "/api/v1/devices", new { device_name = name, server_region = region }, idempotencyKey);

    /// <summary>A connect, to wherever the device is at home, that this node takes.</summary>
    public Task<Answer> ConnectAsync(TestUser user, string deviceId) => PostAsync(user, Url, "/api/v1/vpn/connect", new { device_id = deviceId });

    private static async Task<Answer> PostAsync(TestUser user, Uri url, string path, object body, string? idempotencyKey = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(url, path)) { Content = JsonContent.Create(body) };
        request.Headers.Add("X-API-Key", user.Tenant.PublishableKey);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", user.AccessToken);
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        using var response = await user.Tenant.Stack.Http.SendAsync(request);
        return new Answer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(), response.Headers.ToDictionary(h => h.Key, h => string.Join(",", h.Value), StringComparer.OrdinalIgnoreCase));
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            await ContinueAsync();
            await StackProcess.SignalAsync(Pid, "TERM");
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            try
            {
                await process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                Kill();
            }
        }

        process.Dispose();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
