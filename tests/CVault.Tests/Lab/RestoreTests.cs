using System.Diagnostics;
using System.Net;
using Npgsql;

namespace CVault.Tests.Lab;

/// <summary>
/// Row 14 of the plan: a backup taken under load, of 200 devices, at full size 4,000, becomes the database. (I4, bytes
/// billed, has nothing to hold yet: nothing is metered.)
/// </summary>
[Collection(Alone.Name)]
public sealed class RestoreTests(Stack stack, ITestOutputHelper output)
{
    private const string Live = "cvault", Restored = "cvault_restored", Aside = "cvault_aside";
    private static readonly LabServer[] Servers = [LabServer.Vpn1, LabServer.Vpn2];

    private static string Socket => new NpgsqlConnectionStringBuilder(Stack.ConnectionString).Host!;

    [Fact]
    public async Task a_restored_backup_has_all_that_was_acknowledged_before_it_and_removes_what_came_later_only_when_told_to()
    {
        LabClient.Required();
        Assert.SkipUnless(await HasProgramsAsync(), "This machine has no pg_dump and psql of its own.");
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1000, requests_per_minute = 1_000_000 });
        var users = await Task.WhenAll(Enumerable.Range(0, Size.Of(8, 32)).Select(_ => tenant.NewUserAsync()));
        var api = await ApiProcess.OfAsync(stack);
        var file = Path.GetTempFileName();
        using var enough = new CancellationTokenSource();
        var load = new Load(users, 1_000_000);
        var work = load.RunAsync(enough.Token);
        Acknowledged[] before, late;
        try
        {
            await Stack.EventuallyAsync("the devices to back up", TimeSpan.FromSeconds(Size.Of(60, 600)), () => Task.FromResult(load.Progress >= Size.Of(200, 4000)));
            before = [.. load.Acknowledged];
            var dumping = Stopwatch.GetTimestamp();
            await Stack.RunAsync("/usr/bin/env", ["pg_dump", "-h", Socket, "-U", "postgres", "-Fc", "-f", file, Live]);
            var dumped = Stopwatch.GetTimestamp();
            var meanwhile = load.Attempts.Count(a => a.Within(dumping, dumped));
            output.WriteLine($"dumped in {Stopwatch.GetElapsedTime(dumping, dumped).TotalSeconds:0.0} s, {before.Length} devices before it, {meanwhile} answers meanwhile");
            Assert.True(meanwhile > 0, "There was no load while it was dumped.");

            // So many more on each server that a pass may not remove them by itself: over 20, and over 5 % of those there.
            var ids = await Task.WhenAll(Servers.Select(s => s.IdAsync(stack)));
            var there = (await Task.WhenAll(Servers.Select(s => s.PeersAsync()))).Max(p => p.Count);
            await Stack.EventuallyAsync("enough devices after the dump", TimeSpan.FromSeconds(Size.Of(60, 600)), () => Task.FromResult(
                ids.All(id => Later(load, dumped).Count(d => d.ServerId == id) > 25 + there / 18)));
            await enough.CancelAsync();
            await work;
            late = [.. Later(load, dumped)];
            await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), load.Acknowledged);
        }
        finally
        {
            await enough.CancelAsync();
        }

        try
        {
            // Never two control planes on the same servers: the first is gone before the second is there.
            api.Kill();
            await SqlAsync("postgres", $"create database {Restored} owner cvault");
            await Stack.RunAsync("/usr/bin/env", ["pg_restore", "-h", Socket, "-U", "postgres", "-d", Restored, "--exit-on-error", file]);
            await SwapAsync(Live, Aside);
            await SwapAsync(Restored, Live);
            var log = StackProcess.LengthOf(StackProcess.ApiLog);
            await api.StartAsync();
            await api.HealthyAsync();

            foreach (var server in Servers)
            {
                await Stack.EventuallyAsync($"the alarm for {server.Name}", TimeSpan.FromSeconds(10), async () => (await StackProcess.LoggedAsync(StackProcess.ApiLog, log)).Contains($"ALARM server {server.Name}", StringComparison.Ordinal));
            }

            await OnlyLaterOnesAreUnknownAsync(load, before, late);
            // Whoever comes now may be given an address that such a peer still has: it gets it when that is gone.
            var after = await Task.WhenAll(users.Select(u => u.RegisterDeviceAsync("After the restore")));
            output.WriteLine($"registered beside {late.Length} unknown peers: {after.Count(a => a.Is(HttpStatusCode.Created).Text("peer_status") == "live")} of {after.Length} live at once");
            foreach (var server in Servers)
            {
                var peers = await server.PeersAsync();
                var id = await server.IdAsync(stack);
                Assert.All(late.Where(d => d.ServerId == id), d => Assert.True(peers[d.PublicKey].Has(d.Address + "/32", d.Address6 + "/128"), "A later peer was removed or changed before anyone said so."));
            }

            await ResyncAsync();
            var settled = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(10), [.. before, .. after.Select(Acknowledged.Of)]);
            var logged = await StackProcess.LoggedAsync(StackProcess.ApiLog, log);
            output.WriteLine($"{late.Length} later peers stayed until the resync; {settled.TotalSeconds:0.0} s after it servers and rows agree; the log has {logged.Split('\n').Count(l => l.Contains("ALARM", StringComparison.Ordinal))} alarms and {logged.Split('\n').Count(l => l.Contains(" fail: ", StringComparison.Ordinal))} errors");
        }
        finally
        {
            api.Kill();
            if (await ExistsAsync(Aside))
            {
                if (await ExistsAsync(Live)) await SwapAsync(Live, Restored);
                await SwapAsync(Aside, Live);
            }

            await SqlAsync("postgres", $"drop database if exists {Restored} with (force)");
            File.Delete(file);
            await api.StartAsync();
            await api.HealthyAsync();
            await ResyncAsync();
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(30), load.Acknowledged);
    }

    /// <summary>What was asked for when the dump was done.</summary>
    private static IEnumerable<Acknowledged> Later(Load load, long dumped) =>
        load.Attempts.Where(a => a.Outcome == Outcome.Ok && a.Begun > dumped).Select(a => Acknowledged.Of(a.Answer!));

    /// <summary>Every device from before the dump is in the events and a peer, and nothing else is wrong than later ones' peers.</summary>
    private async Task OnlyLaterOnesAreUnknownAsync(Load load, Acknowledged[] before, Acknowledged[] late)
    {
        var mayBeUnknown = load.Acknowledged.ExceptBy(before.Select(d => d.DeviceId), d => d.DeviceId).Select(d => d.PublicKey).ToHashSet();
        string[] wrong = [];
        await Stack.EventuallyAsync("the restored rows are what the servers have, but for the later peers", TimeSpan.FromSeconds(10), async () =>
        {
            wrong = [.. await new Oracle(stack).FindAsync(before)];
            return wrong.All(w => w.StartsWith("I3 peer ", StringComparison.Ordinal) && mayBeUnknown.Contains(w.Split(' ')[2]));
        });
        Assert.Subset(wrong.Select(w => w.Split(' ')[2]).ToHashSet(), late.Select(d => d.PublicKey).ToHashSet());
    }

    private async Task ResyncAsync()
    {
        foreach (var server in Servers) (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/servers/{await server.IdAsync(stack)}/resync")).Is(HttpStatusCode.Accepted);
    }

    /// <summary>Renames a database, whoever is connected to it.</summary>
    private async Task SwapAsync(string from, string to)
    {
        stack.Database.Clear();
        await SqlAsync("postgres", $"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'");
        await SqlAsync("postgres", $"alter database {from} rename to {to}");
    }

    private static async Task<bool> ExistsAsync(string name) => (await SqlAsync("postgres", $"select 1 from pg_database where datname = '{name}'")).Text.Trim() == "1";

    /// <summary>As the cluster's superuser, whom the kernel vouches for.</summary>
    private static Task<Output> SqlAsync(string database, string sql) =>
        Stack.RunAsync("/usr/bin/env", ["psql", "-h", Socket, "-U", "postgres", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]);

    private static async Task<bool> HasProgramsAsync() =>
        (await Stack.RunAsync("/bin/sh", ["-c", "command -v pg_dump && command -v pg_restore && command -v psql"], mayFail: true)).ExitCode == 0;
}
