using System.Diagnostics;

namespace CVault.Tests.Lab;

/// <summary>Row 17 and row 18 of the reliability plan: a server cut off, killed or unplugged in the middle of a change.</summary>
[Collection(Alone.Name)]
public sealed class ServerCrashTests(ProgramLab lab, ITestOutputHelper output) : IClassFixture<ProgramLab>
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("CVAULT_TEST_FULL") == "1";
    private static readonly int Rounds = Full ? 100 : 5;
    private readonly int seed = Environment.GetEnvironmentVariable("CVAULT_TEST_SEED") is { Length: > 0 } s ? int.Parse(s) : System.Random.Shared.Next();

    [Fact]
    public async Task a_connection_killed_in_the_middle_of_a_frame_leaves_all_of_it_or_nothing()
    {
        await lab.EmptyAsync();
        var random = Seeded();
        var (one, other, longest) = await TwoStatesAsync(2000);
        var seen = (Old: 0, New: 0);
        for (var round = 0; round < Rounds; round++)
        {
            var before = await lab.InterfaceAsync();
            var wanted = before.SetEquals(Texts(one)) ? other : one;
            await using var session = await lab.DialAsync();
            var frame = round % 2 == 0 ? session.SyncAsync(wanted) : session.ApplyAsync([.. (wanted == one ? other : one).Except(wanted).Select(p => p.Remove), .. wanted.Select(p => p.Add)]);
            await Task.Delay(random.Next(longest));
            foreach (var pid in lab.Sessions()) StackProcess.Kill(pid);
            await frame;
            await GoneAsync(session);

            // Its program was not killed: what it had begun, it has ended.
            var after = await lab.InterfaceAsync();
            Assert.True(after.SetEquals(before) || after.SetEquals(Texts(wanted)), $"Round {round}, seed {seed}: the interface has {Split(after, before, wanted)}.");
            Assert.True(lab.Files().SetEquals(after), $"Round {round}, seed {seed}: the files have {Split(lab.Files(), before, wanted)}, the interface is whole.");
            if (after.SetEquals(before)) seen.Old++; else seen.New++;
        }

        output.WriteLine($"{Rounds} connections killed within {longest} ms: {seen.Old} frames not taken, {seen.New} taken");
    }

    [Fact]
    public async Task the_program_killed_in_the_middle_of_a_frame_leaves_all_of_it_or_nothing()
    {
        await lab.EmptyAsync();
        var random = Seeded();
        var (one, other, longest) = await TwoStatesAsync(2000);
        var seen = (Old: 0, New: 0, Between: 0);
        for (var round = 0; round < Rounds; round++)
        {
            var before = lab.Files();
            var wanted = before.SetEquals(Texts(one)) ? other : one;
            await using (var session = await lab.DialAsync())
            {
                var frame = session.SyncAsync(wanted);
                await Task.Delay(random.Next(longest));
                StackProcess.Kill(session.Program);
                foreach (var pid in lab.Sessions()) StackProcess.Kill(pid);
                await frame;
            }

            await lab.SettledAsync();
            var files = lab.Files();
            Assert.True(files.SetEquals(before) || files.SetEquals(Texts(wanted)), $"Round {round}, seed {seed}: the files have {Split(files, before, wanted)}.");
            if (!files.SetEquals(await lab.InterfaceAsync())) seen.Between++;
            // Nobody who speaks to the server, and no boot, ever sees it between the two.
            await using (var next = await lab.DialAsync())
            {
                if (round % 2 == 0) Assert.Equal(files, await next.PeersAsync());
                else await lab.LoadAsync();
            }

            Assert.True(files.SetEquals(await lab.InterfaceAsync()), $"Round {round}, seed {seed}: the interface is not what the files say.");
            if (files.SetEquals(before)) seen.Old++; else seen.New++;
        }

        output.WriteLine($"{Rounds} programs killed within {longest} ms: {seen.Old} frames not taken, {seen.New} taken, {seen.Between} between files and interface");
    }

    [Fact]
    public async Task new_peers_are_all_there_or_none_of_them_whenever_the_program_is_killed()
    {
        await lab.EmptyAsync();
        var random = Seeded();
        var start = Stopwatch.GetTimestamp();
        await using (var session = await lab.DialAsync()) await session.OkAsync(["apply 1000", .. lab.NewPeers(1000).Select(p => p.Add)]);
        var longest = (int)Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        for (var round = 0; round < Rounds; round++)
        {
            await lab.EmptyAsync();
            var peers = lab.NewPeers(1000);
            await using (var session = await lab.DialAsync())
            {
                var frame = session.ApplyAsync([.. peers.Select(p => p.Add)]);
                await Task.Delay(random.Next(longest));
                StackProcess.Kill(session.Program);
                await frame;
            }

            await lab.SettledAsync();
            // Not even before anyone mends it: wg has its input whole, or does not run.
            Assert.Contains((await lab.InterfaceAsync()).Count, new[] { 0, 1000 });
            Assert.Contains(lab.Files().Count, new[] { 0, 1000 });
        }
    }

    [Fact]
    public async Task a_journal_torn_by_a_power_cut_loses_its_last_frame_whole_and_takes_the_next()
    {
        await lab.EmptyAsync();
        var random = Seeded();
        for (var round = 0; round < Rounds; round++)
        {
            var before = lab.Files();
            var (frame, next) = (lab.NewPeers(40), lab.NewPeer());
            var written = File.Exists(lab.Journal) ? new FileInfo(lab.Journal).Length : 0;
            await using (var session = await lab.DialAsync())
            {
                await session.OkAsync(["apply 40", .. frame.Select(p => p.Add)]);
                StackProcess.Kill(session.Program);
            }

            var header = "cvault-wg-journal/1 none\n".Length;
            var length = new FileInfo(lab.Journal).Length;
            await using (var journal = new FileStream(lab.Journal, FileMode.Open))
            {
                // The disk has a part of the last frame: its beginning, or its end behind zeros.
                var from = Math.Max(written, header);
                if (round % 2 == 0) journal.SetLength(random.NextInt64(from, length - 1));
                else
                {
                    journal.Position = random.NextInt64(from, length - 100);
                    journal.Write(new byte[60]);
                }
            }

            await lab.RebootAsync();

            Assert.True(before.SetEquals(await lab.InterfaceAsync()), $"Round {round}, seed {seed}: not what was there before the frame.");
            await using (var session = await lab.DialAsync()) await session.OkAsync("apply 1", next.Add);
            await lab.RebootAsync();
            before.Add(next.Text);
            Assert.True(before.SetEquals(await lab.InterfaceAsync()), $"Round {round}, seed {seed}: the frame after the torn one is not there.");
            Assert.Equal(before, lab.Files());
        }
    }

    [Fact]
    public async Task a_rebooted_server_has_all_its_peers_before_anyone_asks()
    {
        await lab.EmptyAsync();
        var (count, seconds) = Full ? (10_000, 15) : (1_000, 5);
        var peers = lab.NewPeers(count);
        await using (var session = await lab.DialAsync())
        {
            Assert.Equal([$"ok {count / 2}"], await session.SyncAsync(peers[..(count / 2)]));
            await session.OkAsync([$"apply {count - count / 2}", .. peers[(count / 2)..].Select(p => p.Add)]);
        }

        var start = Stopwatch.GetTimestamp();
        await lab.RebootAsync();
        var reachable = Stopwatch.GetElapsedTime(start);
        var expected = Texts(peers);
        await Stack.EventuallyAsync($"all {count} peers are back", TimeSpan.FromSeconds(seconds), async () => expected.SetEquals(await lab.InterfaceAsync()));
        output.WriteLine($"{count} peers: SSH {reachable.TotalSeconds:0.0} s after the plug was pulled, all back {(Stopwatch.GetElapsedTime(start) - reachable).TotalSeconds:0.0} s later");
    }

    private Random Seeded()
    {
        output.WriteLine($"seed {seed}; CVAULT_TEST_SEED repeats it");
        return new Random(seed);
    }

    /// <summary>The server is in the first; of the second half is new, a quarter has other addresses. How long a change takes, in ms.</summary>
    private async Task<(ProgramPeer[] One, ProgramPeer[] Other, int Longest)> TwoStatesAsync(int count)
    {
        var one = lab.NewPeers(count);
        var fresh = lab.NewPeers(count * 3 / 4);
        ProgramPeer[] other = [.. one[..(count / 4)], .. one[(count / 4)..(count / 2)].Zip(fresh, (o, f) => o with { Addresses = f.Addresses }), .. fresh[(count / 4)..]];
        await using var session = await lab.DialAsync();
        await session.SyncAsync(other);
        var start = Stopwatch.GetTimestamp();
        Assert.Equal($"ok {count}", (await session.SyncAsync(one))[^1]);
        return (one, other, (int)Stopwatch.GetElapsedTime(start).TotalMilliseconds * 5 / 4);
    }

    private async Task GoneAsync(ProgramSession session)
    {
        await Stack.EventuallyAsync("the program has ended with its connection", TimeSpan.FromSeconds(60), () => Task.FromResult(!lab.Programs().Contains(session.Program)));
        await lab.SettledAsync();
    }

    private static HashSet<string> Texts(IEnumerable<ProgramPeer> peers) => [.. peers.Select(p => p.Text)];

    private static string Split(HashSet<string> actual, HashSet<string> before, ProgramPeer[] wanted) =>
        $"{actual.Count} peers, {actual.Intersect(before).Count()} of the {before.Count} before, {actual.Intersect(Texts(wanted)).Count()} of the {wanted.Length} wanted";
}
