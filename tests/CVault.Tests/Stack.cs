using System.Diagnostics;
using Npgsql;

[assembly: Xunit.AssemblyFixture(typeof(CVault.Tests.Stack))]

namespace CVault.Tests;

/// <summary>
/// The running stack that <c>ops/test</c> brought up: real PostgreSQL, real WireGuard servers, the real API process.
/// Tests share it, each with tenants of its own; those that break it on purpose are in <see cref="Alone"/>.
/// </summary>
public sealed class Stack : IAsyncDisposable
{
    private readonly Lazy<NpgsqlDataSource> database;

    public Stack()
    {
        Http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 256, AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(60) };
        // By a name of its own: a test that ends the application's connections must not end the tests'.
        database = new Lazy<NpgsqlDataSource>(() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString) { ApplicationName = "cvault-tests" }));
    }

    public HttpClient Http { get; }

    /// <summary>The application's own database, for what only rows can tell.</summary>
    public NpgsqlDataSource Database => database.Value;

    /// <summary>The way to it, by which the API goes, too: with the password.</summary>
    public static string ConnectionString => CVault.Database.ConnectionString(File.ReadAllText(Path.Combine(StateDir, "secrets", "database-url")).Trim());

    public static Uri Url => new(Environment("CVAULT_URL"));
    public static string OperatorToken => Environment("CVAULT_OPERATOR_TOKEN");
    /// <summary>Where every mail that the stack sends becomes a file.</summary>
    public static string Mail => Environment("CVAULT_MAIL");

    /// <summary>How often the stack reads its servers.</summary>
    public static TimeSpan MeterInterval => TimeSpan.FromSeconds(int.Parse(Environment("CVAULT_METER_INTERVAL"), System.Globalization.CultureInfo.InvariantCulture));

    public static string StateDir => Environment("CVAULT_TEST_STATE_DIR");

    /// <summary>False where namespaces cannot be made; then tunnels cannot be tested, and the tests that need one say so.</summary>
    public static bool HasLab => Environment("CVAULT_LAB") == "real";

    public static string Root { get; } = FindRoot();

    public ValueTask DisposeAsync()
    {
        Http.Dispose();
        return database.IsValueCreated ? database.Value.DisposeAsync() : ValueTask.CompletedTask;
    }

    /// <summary>A command of this checkout, such as <c>ops/lab</c>, on this stack. Fails the test when it fails, unless told not to.</summary>
    public static async Task<Output> RunAsync(string command, string[] arguments, string input = "", bool mayFail = false, CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo(Path.Combine(Root, command), arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root,
        };
        start.Environment["CVAULT_STATE_DIR"] = StateDir;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        await process.StandardInput.WriteAsync(input.AsMemory(), cancellation);
        process.StandardInput.Close();
        await process.WaitForExitAsync(cancellation);
        var result = new Output(process.ExitCode, await output, await error);
        if (!mayFail && result.ExitCode != 0) Assert.Fail($"{command} {string.Join(' ', arguments)} ended with {result.ExitCode}:\n{result.Text}\n{result.Error}");
        return result;
    }

    /// <summary>A command on a host of the lab.</summary>
    public static Task<Output> OnAsync(string host, string[] command, string input = "", bool mayFail = false, CancellationToken cancellation = default) =>
        RunAsync("ops/lab", ["exec", host, "--", .. command], input, mayFail, cancellation);

    /// <summary>The packages that a folder's lock file names, unless they are there.</summary>
    public static async Task NpmPackagesAsync(string folder)
    {
        if (!Directory.Exists(Path.Combine(folder, "node_modules"))) await RunAsync("/usr/bin/env", ["-C", folder, "npm", "ci", "--no-audit", "--no-fund"]);
    }

    /// <summary>The peers that a server of the lab really has: public key to allowed addresses.</summary>
    public static async Task<Dictionary<string, string>> PeersAsync(string server, CancellationToken cancellation = default)
    {
        var shown = await OnAsync(server, ["wg", "show", "wg0", "allowed-ips"], cancellation: cancellation);
        return shown.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).ToDictionary(f => f[0], f => f[1]);
    }

    /// <summary>The answer, once its peer is on its server, or off: where it said <c>pending</c>, as on a machine that is busy for a moment, that is waited for.</summary>
    public async Task<Answer> LiveAsync(Answer answer, string? deviceId = null)
    {
        if (answer.Text("peer_status") == "live") return answer;
        Assert.Equal("pending", answer.Text("peer_status"));
        await EventuallyAsync("the server confirms what was answered as pending", TimeSpan.FromSeconds(30), async () =>
        {
            await using var command = Database.CreateCommand("select count(*) from cvault.peers where device_id = $1 and confirmed < revision");
            command.Parameters.Add(new() { Value = Guid.Parse(deviceId ?? answer.Text("device_id")) });
            return await command.ExecuteScalarAsync() is 0L;
        });
        return answer;
    }

    /// <summary>Waits until a condition holds, and fails saying what did not.</summary>
    /// <param name="what">What is waited for.</param>
    /// <param name="within">How long, in <see cref="RunningTime"/>.</param>
    /// <param name="holds">The condition, asked each 0.1 s.</param>
    public static async Task EventuallyAsync(string what, TimeSpan within, Func<Task<bool>> holds)
    {
        var time = RunningTime.Start();
        while (!await holds())
        {
            if (time.Elapsed > within) Assert.Fail($"Not within {within.TotalSeconds} s: {what}");
            await Task.Delay(100);
        }
    }

    public static string Environment(string name) =>
        System.Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : throw new InvalidOperationException($"{name} is not set: run the tests by ops/test.");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "CVault.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("CVault.sln is nowhere above the tests.");
    }
}

/// <summary>What a command printed.</summary>
public sealed record Output(int ExitCode, string Text, string Error);

/// <summary>Tests that kill, stop or flood the stack: one at a time, after all others.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
