using System.Diagnostics;
using System.Net;

namespace CVault.Tests.Lab;

/// <summary>The same process several times on one PostgreSQL, and what becomes of the links when one of them ends or stops.</summary>
[Collection(Alone.Name)]
public sealed class NodesTests(Stack stack, ITestOutputHelper output)
{
    private static readonly TimeSpan Moved = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task each_link_has_one_node_and_a_request_that_any_of_them_takes_answers_live()
    {
        LabClient.Required();
        await using var two = await Node.StartAsync(stack);
        await using var three = await Node.StartAsync(stack);
        await SpreadAsync(2);

        var user = await NewUserAsync();
        var acknowledged = new List<Acknowledged>();
        foreach (var (url, name) in new[] { (Stack.Url, "first"), (two.Url, "second"), (three.Url, "third") })
        {
            var took = new List<double>();
            for (var i = 0; i < 10; i++)
            {
                var start = Stopwatch.GetTimestamp();
                var answer = (await Node.RegisterDeviceAsync(user, url, name, i % 2 == 0 ? "us-east" : "eu-west")).Is(HttpStatusCode.Created);
                took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
                await stack.LiveAsync(answer);
                acknowledged.Add(Acknowledged.Of(answer));
            }

            output.WriteLine($"{name} node: live after {took.Order().ElementAt(5):0} ms at the median, {took.Max():0} at most");
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(5), acknowledged);
    }

    /// <summary>Also row 3 of the reliability plan, when the node that is killed leads.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task a_node_killed_under_load_loses_nothing_and_its_links_move_within_15_seconds(bool leader)
    {
        LabClient.Required();
        for (var round = 0; round < Size.Of(1, 20); round++) await KillOneAsync(leader);
    }

    private async Task KillOneAsync(bool leader)
    {
        epochs = null;
        await using var two = await Node.StartAsync(stack);
        await using var three = await Node.StartAsync(stack);
        await SpreadAsync(2);
        await using var owners = await Owners.WatchAsync(stack);

        // The first one leads (it is the oldest), unless it is the one to go: then ops/up brings another.
        var victims = await LinksOfAsync(leader ? await Node.IdOfMainAsync() : await two.IdAsync());
        if (victims.Count == 0) victims = await LinksOfAsync(await three.IdAsync());
        var users = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => NewUserAsync()));
        var load = new Load(users, 300, leader ? [two.Url, three.Url] : [Stack.Url, three.Url]);
        try
        {
            var running = load.RunAsync();
            await Stack.EventuallyAsync("a third is done", TimeSpan.FromSeconds(30), () => Task.FromResult(load.Progress > 100));
            var start = Stopwatch.GetTimestamp();
            if (leader) StackProcess.Kill(StackProcess.Api);
            else if ((await LinksOfAsync(await two.IdAsync())).Count > 0) two.Kill();
            else three.Kill();
            await Stack.EventuallyAsync("every link is up at a living node", Moved, async () => await LinksUpElsewhereAsync(victims));
            output.WriteLine($"links moved {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the kill");
            await running;
        }
        finally
        {
            await StackProcess.UpAsync();
        }

        load.IsConsistent();
        var took = await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(30), load.Acknowledged);
        output.WriteLine($"{load}; all agreed {took.TotalSeconds:0.0} s after the load");
        await owners.NeverTwoAsync();
    }

    /// <summary>Row 4: a node that is stopped for longer than its lease and comes back still thinking that it owns its links.</summary>
    [Fact]
    public async Task a_node_that_was_paused_says_nothing_more_to_the_servers_that_others_took_over()
    {
        LabClient.Required();
        await using var two = await Node.StartAsync(stack);
        await using var three = await Node.StartAsync(stack);
        await SpreadAsync(2);
        await using var owners = await Owners.WatchAsync(stack);
        var zombie = (await LinksOfAsync(await two.IdAsync())).Count > 0 ? two : three;
        var id = await zombie.IdAsync();
        var links = await LinksOfAsync(id);
        var user = await NewUserAsync();
        var acknowledged = new List<Acknowledged>();

        var start = Stopwatch.GetTimestamp();
        await zombie.PauseAsync();
        await Stack.EventuallyAsync("its links are up elsewhere", Moved, async () => await LinksUpElsewhereAsync(links));
        output.WriteLine($"links moved {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s after the node stopped");
        for (var i = 0; i < 10; i++) acknowledged.Add(Acknowledged.Of((await user.RegisterDeviceAsync("While it sleeps", i % 2 == 0 ? "us-east" : "eu-west")).Is(HttpStatusCode.Created)));
        // Its clock has stood still: it must find out by more than its own.
        await Task.Delay(Size.Seconds(1, 30));

        await zombie.ContinueAsync();
        for (var i = 0; i < 20; i++)
        {
            acknowledged.Add(Acknowledged.Of((await user.RegisterDeviceAsync("After", i % 2 == 0 ? "us-east" : "eu-west")).Is(HttpStatusCode.Created)));
            await Task.Delay(100);
        }

        await new Oracle(stack).AgreesAsync(TimeSpan.FromSeconds(15), acknowledged);
        await owners.NeverTwoAsync();
        Assert.Equal(0L, await ScalarAsync("select count(*) from cvault.peers where server_id in (select server_id from cvault.server_links) and confirmed > revision"));
    }

    /// <summary>
    /// A connect holds a connection to PostgreSQL; none may wait for a second one that the others hold, as for the first block of
    /// session numbers. A wait ends with a 503 after 30 s here, and not after 5, so that nothing but a deadlock ends so.
    /// </summary>
    [Fact]
    public async Task more_connects_at_once_than_a_node_has_connections_wait_for_each_other_and_not_for_ever()
    {
        LabClient.Required();
        var user = await NewUserAsync();
        var devices = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => user.NewDeviceAsync($"D{i}", i % 2 == 0 ? "us-east" : "eu-west")));
        await using var node = await Node.StartAsync(stack, ("CVAULT_DATABASE_URL", Node.DatabaseWith("Maximum%20Pool%20Size=20&Timeout=30")));
        Assert.All(await Task.WhenAll(devices.Select(d => node.ConnectAsync(user, d.Id))), a => a.Is(HttpStatusCode.OK));
    }

    private async Task<TestUser> NewUserAsync() => await (await stack.NewTenantAsync(new { max_devices_per_user = 1000 })).NewUserAsync();

    /// <summary>Waits until the lab's links are kept by that many nodes.</summary>
    private Task SpreadAsync(int nodes) => Stack.EventuallyAsync($"the links are kept by {nodes} nodes", TimeSpan.FromSeconds(20), async () =>
        await ScalarAsync("select count(distinct node_id) from cvault.server_links l join cvault.mt_doc_server d on d.id = l.server_id where d.data->>'name' in ('vpn1','vpn2') and state = 'up' and expires_at > clock_timestamp()") is long n && n >= nodes);

    private async Task<List<Guid>> LinksOfAsync(Guid node)
    {
        await using var command = stack.Database.CreateCommand("select l.server_id from cvault.server_links l join cvault.mt_doc_server d on d.id = l.server_id where l.node_id = $1 and d.data->>'name' in ('vpn1','vpn2')");
        command.Parameters.Add(new() { Value = node });
        await using var reader = await command.ExecuteReaderAsync();
        var links = new List<Guid>();
        while (await reader.ReadAsync()) links.Add(reader.GetGuid(0));
        return links;
    }

    private Dictionary<Guid, long>? epochs;

    /// <summary>Whether each of these links has another owner than when first asked, and is up.</summary>
    private async Task<bool> LinksUpElsewhereAsync(IReadOnlyCollection<Guid> links)
    {
        var now = new Dictionary<Guid, (long Epoch, bool Up)>();
        await using (var command = stack.Database.CreateCommand("select server_id, epoch, state = 'up' and expires_at > clock_timestamp() from cvault.server_links"))
        {
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) now[reader.GetGuid(0)] = (reader.GetInt64(1), reader.GetBoolean(2));
        }

        epochs ??= now.ToDictionary(l => l.Key, l => l.Value.Epoch);
        return links.All(l => now[l].Epoch > epochs[l] && now[l].Up);
    }

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>Every change of a link's row, written down by PostgreSQL itself.</summary>
    private sealed class Owners(Stack stack) : IAsyncDisposable
    {
        public static async Task<Owners> WatchAsync(Stack stack)
        {
            await RunAsync(stack, """
                create schema if not exists cvault_test;
                create table if not exists cvault_test.owners (at timestamptz, server_id uuid, was uuid, became uuid, was_epoch bigint, epoch bigint, was_until timestamptz);
                create or replace function cvault_test.note_owner() returns trigger language plpgsql as $$ begin
                  if new.node_id <> old.node_id or new.epoch <> old.epoch then
                    insert into cvault_test.owners values (clock_timestamp(), new.server_id, old.node_id, new.node_id, old.epoch, new.epoch, old.expires_at);
                  end if; return new; end $$;
                create or replace trigger note_owner after update on cvault.server_links for each row execute function cvault_test.note_owner();
                """);
            return new Owners(stack);
        }

        /// <summary>No node ever took a link before its last owner's lease had run out or been given back, and every owner had a greater epoch.</summary>
        public async Task NeverTwoAsync()
        {
            await using var command = stack.Database.CreateCommand("select count(*), count(*) filter (where was_until > at or epoch <= was_epoch) from cvault_test.owners");
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            Assert.True(reader.GetInt64(0) > 0, "No link changed hands, so nothing was shown.");
            Assert.Equal(0, reader.GetInt64(1));
        }

        public ValueTask DisposeAsync() => new(RunAsync(stack, "drop trigger if exists note_owner on cvault.server_links; drop schema if exists cvault_test cascade"));

        private static async Task RunAsync(Stack stack, string sql)
        {
            await using var command = stack.Database.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }
}
