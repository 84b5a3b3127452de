using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Npgsql;

namespace CVault.Bench;

/// <summary>The running stack that <c>ops/bench</c> made: its API, its PostgreSQL and the hosts of its lab.</summary>
public sealed class Stack
{
    public static readonly string StateDir = Variable("CVAULT_STATE_DIR");
    private static readonly string Root = Variable("CVAULT_BENCH_ROOT");
    private readonly HttpClient http = new() { BaseAddress = new Uri(Variable("CVAULT_URL")), Timeout = TimeSpan.FromMinutes(2) };

    public Uri Url => http.BaseAddress!;
    public string ApiLog { get; } = Path.Combine(StateDir, "logs", "api.log");

    /// <summary>As PostgreSQL's superuser, whose statistics show every session.</summary>
    public NpgsqlDataSource Database { get; } = NpgsqlDataSource.Create(SuperuserConnection());

    public static string SuperuserConnection(int pool = 100)
    {
        var url = File.ReadAllText(Path.Combine(StateDir, "secrets", "database-url"));
        return new NpgsqlConnectionStringBuilder
        {
            Host = url[(url.IndexOf("host=", StringComparison.Ordinal) + 5)..].Trim(),
            Username = "postgres",
            Database = "cvault",
            ApplicationName = "bench",
            MaxPoolSize = pool,
            NoResetOnClose = true,
            CommandTimeout = 600,
        }.ConnectionString;
    }

    public static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException(name + " is not set: ops/bench sets it.");

    public Task<JsonNode> AsOperatorAsync(HttpMethod method, string path, object? body = null) =>
        SendAsync(method, path, body, ("Authorization", "Bearer " + Variable("CVAULT_OPERATOR_TOKEN")));

    public async Task<JsonNode> SendAsync(HttpMethod method, string path, object? body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        if (body is not null) request.Content = new StringContent(System.Text.Json.JsonSerializer.Serialize(body), Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        using var response = await http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"{method} {path} answered {(int)response.StatusCode}: {text}");
        return JsonNode.Parse(text) ?? new JsonObject();
    }

    public async Task<Guid> ServerIdAsync(string name)
    {
        var all = (await AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=200"))["servers"]!.AsArray();
        return Guid.Parse(all.Single(s => s!["name"]!.ToString() == name)!["id"]!.ToString());
    }

    public async Task<(long Desired, long Pending)> PeersAsync(Guid serverId)
    {
        var view = await AsOperatorAsync(HttpMethod.Get, $"/admin/servers/{serverId}/peers?limit=1");
        return (view["desired"]!.GetValue<long>(), view["pending"]!.GetValue<long>());
    }

    public async Task<string> QueryAsync(string sql, params object[] values)
    {
        await using var command = Database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        return Convert.ToString(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture) ?? "";
    }

    public async Task<long> CountAsync(string sql, params object[] values) => long.Parse(await QueryAsync(sql, values), CultureInfo.InvariantCulture);

    /// <summary>Runs a command on a host of the lab as its root; its standard output.</summary>
    public static async Task<string> OnAsync(string host, IEnumerable<string> command, string input = "", bool mayFail = false)
    {
        var start = new ProcessStartInfo(Path.Combine(Root, "ops", "lab")) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["exec", host, "--", .. command]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0 && !mayFail) throw new InvalidOperationException($"{string.Join(' ', command.Take(4))} on {host} ended with {process.ExitCode}: {await errors}");
        return await output;
    }

    public static Task<string> ShellOnAsync(string host, string script, string input = "", bool mayFail = false) => OnAsync(host, ["bash", "-euc", script], input, mayFail);

    /// <summary>The process id that <c>ops/up</c> recorded.</summary>
    public static int Pid(string name) => FirstNumber(Path.Combine(StateDir, "run", name + ".pid"));

    public static int LabPid(string name) => FirstNumber(Path.Combine(StateDir, "lab", "pids", name));

    private static int FirstNumber(string file) => int.Parse(File.ReadAllText(file).Split(' ')[0], CultureInfo.InvariantCulture);
}
