using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace CVault.Bench;

/// <summary>What <c>ops/bench provisioning</c> was asked for.</summary>
public sealed record Options(IReadOnlyList<int> Sizes, double Seconds, int Concurrency, string? Out, bool Quick, bool Profile);

/// <summary>All that was measured with one number of peers on the server.</summary>
public sealed record Measured
{
    public required int Size { get; init; }
    public required long PeersFrom { get; init; }
    public required long PeersTo { get; init; }
    public required Run Loaded { get; init; }
    public required Run Unloaded { get; init; }

    /// <summary>While loaded.</summary>
    public required Cpu Cpu { get; init; }
    public required double ExchangesEach { get; init; }
    public required double WritingEach { get; init; }
    public required double LiteralPerSecond { get; init; }
    public required int LiteralPeers { get; init; }
    public required double Floor200 { get; init; }
    public required double Floor1000 { get; init; }
    public required double FloorDatabase { get; init; }
    public required double FloorDatabaseButLoad { get; init; }
    public required IReadOnlyList<(string Wait, double Share)> Waits { get; init; }
    public double SmallerFloor => Math.Min(Math.Max(Floor200, Floor1000), FloorDatabase);
}

/// <summary>A pass over all peers with nothing to mend, as the API logs it, and the server's own listing of them.</summary>
public sealed record Pass(int Peers, double? Ms, double? AllocatedBytes, double DumpMs);

/// <summary>Registered to live: CVault, the specification taken literally, and the floors, side by side.</summary>
public sealed partial class Provisioning(Stack stack, Options options)
{
    /// <summary>A /16 has 65,533 addresses for devices.</summary>
    private const int Capacity = 65_000;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private bool warm;

    public async Task<string> RunAsync()
    {
        var vpn1 = await stack.ServerIdAsync("vpn1");
        await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/servers/" + vpn1, new { capacity = Capacity });
        using var load = new Load(stack, options.Concurrency);
        using var other = new OtherServer();
        await other.TakeAsync();
        Say("signing up 200 users of 4 tenants");
        await load.SignUpAsync();

        var results = new List<Measured>();
        foreach (var size in options.Sizes) results.Add(await MeasureAsync(size, vpn1, load, other));
        await other.GiveBackAsync();

        Say("full pass with nothing to mend");
        var pass = await PassAsync(vpn1);
        Say("counting transactions, exchanges and round trips");
        var counts = await Counts.OfAsync(stack, load, vpn1, options.Quick ? 50 : 200);
        return new Report(options, await Machine.FactsAsync(stack), results, counts, pass, other.Save).Text();
    }

    private async Task<Measured> MeasureAsync(int size, Guid server, Load load, OtherServer other)
    {
        await BringToAsync(size, server, load);
        // Not measured. .NET compiles its hot code again and again during the first thousands of requests.
        await load.LoopAsync(warm ? 2 : options.Quick ? 8 : 30);
        warm = true;
        await SettleAsync(server);
        await BringDownAsync(size, server, load);

        Say($"{size:N0} peers: one registration at a time");
        var unloaded = await load.OneByOneAsync(100, TimeSpan.FromMilliseconds(50));
        await SettleAsync(server);
        var from = (await stack.PeersAsync(server)).Desired;

        Say($"{size:N0} peers: {options.Concurrency} clients for {options.Seconds} s");
        using var waits = new Waits(stack, options.Profile);
        var (began, ids, cpu) = (DateTimeOffset.UtcNow, await Counts.TransactionIdsAsync(stack), Cpu.Now());
        var loaded = await load.LoopAsync(options.Seconds, (int)(Capacity - from - 500));
        cpu = Cpu.Now() - cpu;
        ids = await Counts.TransactionIdsAsync(stack) - ids;
        var sampled = await waits.EndAsync();
        await SettleAsync(server);
        var exchanges = await Counts.ExchangesAsync(stack, server, began);
        var to = (await stack.PeersAsync(server)).Desired;
        Say(string.Create(CultureInfo.InvariantCulture, $"{size:N0} peers: {loaded.PerSecond:0} live a second, p50 {Percentile.Of(loaded.Ms, 50):0} ms, p99 {Percentile.Of(loaded.Ms, 99):0} ms"));

        Say($"{size:N0} peers: section 3.4 literally");
        await other.FillAsync(size);
        var literal = await other.LiterallyAsync(options.Quick ? 5 : 20);
        Say($"{size:N0} peers: floors");
        var batches = options.Quick ? 2000 : 5000;
        var (floor200, floor1000) = (await other.FloorAsync(200, batches), await other.FloorAsync(1000, batches));
        var floor = new DatabaseFloor(stack);
        await floor.PrepareAsync(server);
        var seconds = options.Quick ? 4 : 10;
        var database = await floor.MeasureAsync(options.Concurrency, seconds, withServerLoad: true);
        var butLoad = await floor.MeasureAsync(options.Concurrency, seconds, withServerLoad: false);
        await stack.QueryAsync("drop schema bench cascade");

        return new Measured
        {
            Size = size, PeersFrom = from, PeersTo = to, Loaded = loaded, Unloaded = unloaded, Cpu = cpu,
            ExchangesEach = (double)exchanges / loaded.Registered, WritingEach = (double)ids / loaded.Registered,
            LiteralPerSecond = literal.PerSecond, LiteralPeers = literal.Peers,
            Floor200 = floor200, Floor1000 = floor1000, FloorDatabase = database, FloorDatabaseButLoad = butLoad, Waits = sampled,
        };
    }

    private async Task BringDownAsync(int size, Guid server, Load load)
    {
        var there = (await stack.PeersAsync(server)).Desired;
        if (there <= size) return;
        Say($"revoking {there - size:N0} devices, down to {size:N0} peers");
        await load.RevokeAsync((int)(there - size));
        await SettleAsync(server);
        // Revoked addresses rest for minutes, and this pool must do for the whole run.
        await stack.QueryAsync("update cvault.addresses set free_from = '-infinity' where device_id is null and free_from > '-infinity'");
        await stack.QueryAsync("vacuum analyze");
    }

    /// <summary>By the API, as its callers would: the filling is a soak too.</summary>
    private async Task BringToAsync(int size, Guid server, Load load)
    {
        await BringDownAsync(size, server, load);
        var there = (await stack.PeersAsync(server)).Desired;
        var (from, start) = (there, Stopwatch.GetTimestamp());
        while ((there = (await stack.PeersAsync(server)).Desired) < size)
        {
            var run = await load.LoopAsync(10, (int)(size - there));
            if (run.Registered == 0) throw new InvalidOperationException("Filling does not advance: " + run.FailedText);
            there += run.Registered;
            var rate = (there - from) / Stopwatch.GetElapsedTime(start).TotalSeconds;
            Say($"filling to {size:N0} by the API: {there:N0} at {rate:0} a second, {(size - there) / rate:0} s to go{(run.Failed.Count > 0 ? "; " + run.FailedText : "")}");
        }

        await SettleAsync(server);
    }

    /// <summary>Until the server has confirmed everything.</summary>
    private async Task SettleAsync(Guid server)
    {
        for (var i = 0; i < 600; i++)
        {
            if ((await stack.PeersAsync(server)).Pending == 0) return;
            await Task.Delay(200);
        }

        throw new InvalidOperationException("The server did not confirm everything within two minutes.");
    }

    private async Task<Pass> PassAsync(Guid server)
    {
        await SettleAsync(server);
        var peers = (int)(await stack.PeersAsync(server)).Desired;
        var dump = await Stack.ShellOnAsync("vpn1", """
            TIMEFORMAT=%R
            for n in 1 2 3 4 5; do time wg show wg0 dump >/dev/null; done 2>&1
            """);
        var dumpMs = Percentile.Of([.. dump.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => double.Parse(l, CultureInfo.InvariantCulture) * 1000)], 50);
        var passes = new List<(double Ms, double Bytes)>();
        for (var i = 0; i < 3; i++)
        {
            var seen = new FileInfo(stack.ApiLog).Length;
            await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{server}/resync");
            await Task.Delay(5000);
            await using var log = new FileStream(stack.ApiLog, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            log.Seek(seen, SeekOrigin.Begin);
            var match = PassLine().Match(await new StreamReader(log).ReadToEndAsync());
            if (match.Success) passes.Add((Number(match, 2), Number(match, 3)));
        }

        return passes.Count == 0
            ? new Pass(peers, null, null, dumpMs)
            : new Pass(peers, Percentile.Of([.. passes.Select(p => p.Ms)], 50), Percentile.Of([.. passes.Select(p => p.Bytes)], 50), dumpMs);

        static double Number(Match match, int group) => double.Parse(match.Groups[group].Value.Replace(",", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"Server vpn1: pass over ([\d,]+) peers took ([\d.,]+) ms, allocated ([\d,]+) bytes")]
    private static partial Regex PassLine();

    private void Say(string text) => Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"    {clock.Elapsed:hh\\:mm\\:ss} {text}"));
}
