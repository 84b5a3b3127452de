using System.Globalization;
using System.Text;

namespace CVault.Bench;

/// <summary>The table and the verdicts, in Markdown.</summary>
public sealed class Report(
    Options options, IReadOnlyList<(string Name, string Value)> machine, IReadOnlyList<Measured> results, Counts counts, Pass pass, string save)
{
    /// <summary>More of the machine than this for others, the kernel's own work included, and the figures are no one's.</summary>
    private const double Quiet = 0.15;
    private readonly StringBuilder text = new();

    public string Text()
    {
        Line($"# Provisioning, {DateTimeOffset.UtcNow:yyyy-MM-dd}");
        Line();
        Line($"Devices registered to live: `ops/bench provisioning`, {options.Concurrency} clients in a closed loop for {options.Seconds:0} s at each size, after a warm-up.");
        Line("Everything, the load generator too, shared this machine's cores: the ratios are what matters, not the figures.");
        var others = results.Max(OthersShare);
        if (others > Quiet) Line($"**Provisional: programs that are none of this bench took up to {others:P0} of the cores while it ran, and not the same share at each size.**");
        Line();
        foreach (var (name, value) in machine) Line($"- {name}: {value}");
        Line();
        Table();
        Line();
        Line($"""
            (a) CVault: `POST /api/v1/devices`, answered 201 with `peer_status: live`. The peers grow while they are measured, as the table says;
            what is too many for the next size is revoked through the API, and only the rest of its addresses is ended by hand.
            (b) Section 3.4 literally, for each peer `wg set` and then `{save}`, one peer after the other, each an exec over one kept SSH
            connection to vpn2 (the specification opens one for each): without a database, an API or a preshared key.
            (c1) Floor of WireGuard: `wg addconf` on vpn2, in batches, run on the host itself. (c2) Floor of PostgreSQL: the same rows into copies of the
            same tables, indexes and content, one batch of prepared statements a transaction, one round trip, {options.Concurrency} connections; and the same
            without the one row of `server_load` that all registrations on a server update.
            """);
        Line();
        Verdicts();
        Line();
        Cost();
        return text.ToString();
    }

    private void Table()
    {
        Row(["", .. results.Select(r => $"{r.Size:N0} peers")]);
        Row(["---", .. results.Select(_ => "---:")]);
        Row(["peers while measured", .. results.Select(r => $"{r.PeersFrom:N0} to {r.PeersTo:N0}")]);
        Row(["(a) live a second", .. results.Select(r => $"{r.Loaded.PerSecond:0}")]);
        Row(["(a) p50 / p99, loaded", .. results.Select(r => $"{P(r.Loaded, 50):0} / {P(r.Loaded, 99):0} ms")]);
        Row(["(a) p50 / p99, one at a time", .. results.Select(r => $"{P(r.Unloaded, 50):0.0} / {P(r.Unloaded, 99):0.0} ms")]);
        Row(["(a) answered pending; failed", .. results.Select(r => $"{r.Loaded.Pending + r.Unloaded.Pending}; {(r.Loaded.Failed.Count + r.Unloaded.Failed.Count == 0 ? "0" : string.Join(", ", new[] { r.Loaded.FailedText, r.Unloaded.FailedText }.Where(t => t.Length > 0)))}")]);
        Row(["(b) peers a second", .. results.Select(r => $"{r.LiteralPerSecond:0.00} ({r.LiteralPeers} peers)")]);
        Row(["(c1) WireGuard, batches of 200", .. results.Select(r => $"{r.Floor200:N0} a second")]);
        Row(["(c1) WireGuard, batches of 1,000", .. results.Select(r => $"{r.Floor1000:N0} a second")]);
        Row(["(c2) PostgreSQL", .. results.Select(r => $"{r.FloorDatabase:N0} a second")]);
        Row(["(c2) without `server_load`", .. results.Select(r => $"{r.FloorDatabaseButLoad:N0} a second")]);
        Row(["**(a) / (b)**", .. results.Select(r => $"**{r.Loaded.PerSecond / r.LiteralPerSecond:N0}**")]);
        Row(["**(a) / smaller floor**", .. results.Select(r => $"**{r.Loaded.PerSecond / r.SmallerFloor:0.000}**")]);
        Row(["CPU ms a registration: API", .. Cpus(r => r.Cpu.Api)]);
        Row(["CPU ms a registration: PostgreSQL", .. Cpus(r => r.Cpu.Postgres)]);
        Row(["CPU ms a registration: vpn1 (sshd, cvault-wg, WireGuard)", .. Cpus(r => r.Cpu.Server)]);
        Row(["CPU ms a registration: load generator", .. Cpus(r => r.Cpu.Bench)]);
        Row(["share of all cores: load generator", .. results.Select(r => $"{r.Cpu.Bench / Cores(r):P0}")]);
        Row(["share of all cores: not of this bench", .. results.Select(r => $"{OthersShare(r):P0}")]);
        Row(["share of all cores: idle", .. results.Select(r => $"{Math.Max(0, 1 - r.Cpu.Machine / Cores(r)):P0}")]);
        Row(["exchanges with the server a registration", .. results.Select(r => $"{r.ExchangesEach:0.000}")]);
        Row(["writing transactions a registration", .. results.Select(r => $"{r.WritingEach:0.00}")]);
        if (!options.Profile) return;
        Line();
        Line("The API's sessions in PostgreSQL, how many were on average in what:");
        Line();
        foreach (var r in results) Line($"- {r.Size:N0} peers: {string.Join(", ", r.Waits.Take(10).Select(w => string.Create(CultureInfo.InvariantCulture, $"{w.Wait} {w.Share:0.0}")))}");
    }

    private IEnumerable<string> Cpus(Func<Measured, double> of) => results.Select(r => $"{of(r) / r.Loaded.Registered:0.00}");
    private static double OthersShare(Measured r) => Math.Max(0, r.Cpu.Machine - r.Cpu.Api - r.Cpu.Postgres - r.Cpu.Server - r.Cpu.Bench) / Cores(r);
    private static double Cores(Measured r) => r.Cpu.WallMs * Environment.ProcessorCount;
    private static double P(Run run, double percent) => Percentile.Of(run.Ms, percent);

    private void Verdicts()
    {
        Line("## Targets");
        Line();
        Row(["target", "measured", ""]);
        Row(["---", "---", "---"]);
        Measured? At(int size) => results.FirstOrDefault(r => r.Size == size);
        var (none, ten, fifty) = (At(0), At(10_000), At(50_000));
        Verdict("live a second at 50,000 peers >= 0.8 of that at 0", none is null || fifty is null ? null : fifty.Loaded.PerSecond / none.Loaded.PerSecond, v => v >= 0.8,
            v => $"{fifty!.Loaded.PerSecond:0} / {none!.Loaded.PerSecond:0} = {v:0.00}");
        Verdict("p99 at 50,000 <= 1.5 of that at 0", none is null || fifty is null ? null : P(fifty.Loaded, 99) / P(none.Loaded, 99), v => v <= 1.5,
            v => $"{P(fifty!.Loaded, 99):0} / {P(none!.Loaded, 99):0} ms = {v:0.00}");
        Verdict("at 10,000 peers >= 200 times (b)", ten is null ? null : ten.Loaded.PerSecond / ten.LiteralPerSecond, v => v >= 200, v => $"{ten!.Loaded.PerSecond:0} / {ten.LiteralPerSecond:0.00} = {v:N0}");
        var least = results.MinBy(r => r.Loaded.PerSecond / r.SmallerFloor)!;
        Verdict("at every size >= 0.12 of the smaller floor (aim: 0.25)", least.Loaded.PerSecond / least.SmallerFloor, v => v >= 0.12,
            v => $"{least.Loaded.PerSecond:0} / {least.SmallerFloor:N0} = {v:0.000} at {least.Size:N0}{(v >= 0.25 ? ", aim reached" : ", aim not reached")}");
        Verdict("one registration at 50,000 peers is live within 40 ms at the median", fifty is null ? null : P(fifty.Unloaded, 50), v => v <= 40, v => $"{v:0.0} ms");
        Verdict("one registration is one PostgreSQL transaction, every one counted", counts.Commits, v => v <= 1.05,
            v => $"{v:0.00} (`xact_commit` over {counts.Of} registrations one by one, less {counts.IdleCommits:0.0} a second that are there without any)");
        Verdict("one registration is one PostgreSQL transaction that writes, its share of the confirmation apart", counts.Writing - counts.Exchanges, v => v <= 1.05,
            v => $"{counts.Writing:0.00} transaction ids, less {counts.Exchanges:0.00} for the batches' confirmations = {v:0.00}");
        var wide = pass.Peers >= 50_000;
        Verdict("a full pass over 50,000 peers with nothing to mend <= 2 x `wg show dump`", wide ? pass.Ms / pass.DumpMs : null, v => v <= 2, v => $"{pass.Ms:0} / {pass.DumpMs:0} ms = {v:0.00}, {pass.Peers:N0} peers",
            PassText());
        Verdict("and allocates < 150 MB", wide ? pass.AllocatedBytes / 1e6 : null, v => v < 150, v => $"{v:0} MB", PassText());
    }

    private string PassText() => pass.Ms is null
        ? $"not shown by this build (`wg show dump` took {pass.DumpMs:0} ms with {pass.Peers:N0} peers)"
        : $"not measured with 50,000; {pass.Ms:0} ms against {pass.DumpMs:0} ms for the dump, {pass.AllocatedBytes / 1e6:0} MB, with {pass.Peers:N0} peers";

    private void Verdict(string target, double? value, Func<double, bool> met, Func<double, string> numbers, string otherwise = "not measured in this run") =>
        Row([target, value is { } v ? numbers(v) : otherwise, value is { } w ? met(w) ? "met" : "**missed**" : ""]);

    private void Cost()
    {
        Line($"## What one registration costs, with about {pass.Peers:N0} peers");
        Line();
        Line($"- committed transactions, each read outside of one counted: {counts.Commits:0.00}; that wrote: {counts.Writing:0.00}");
        Line($"- exchanges with the server, one at a time: {counts.Exchanges:0.00}; under load: {results[^1].ExchangesEach:0.000}");
        Line($"- round trips to PostgreSQL, those that confirm the peer included: {(counts.RoundTrips is { } trips ? trips.ToString("0.0", CultureInfo.InvariantCulture) : "not counted, there is no strace here")}");
        Line($"- rows written: {string.Join(", ", counts.Rows.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key} +{r.Value.Inserted:0.0} ~{r.Value.Updated:0.0}")))} (+ inserted, ~ updated)");
        var differences = counts.Rows.Keys.Union(DatabaseFloor.Rows.Keys).Where(t => !Same(counts.Rows.GetValueOrDefault(t), DatabaseFloor.Rows.GetValueOrDefault(t), t)).ToArray();
        if (differences.Length > 0) Line($"- **floor (c2) writes other rows than this build does, in: {string.Join(", ", differences)}. It must follow.**");

        // The peer's row is updated once more by its confirmation, which is no part of the registration's transaction.
        static bool Same((double Inserted, double Updated) real, (double Inserted, double Updated) floor, string table) =>
            Math.Abs(real.Inserted - floor.Inserted) < 0.3 && Math.Abs(real.Updated - floor.Updated - (table == "peers" ? 1 : 0)) < 0.3;
    }

    private void Row(IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    private void Line(string line = "") => text.Append(line).Append('\n');
}
