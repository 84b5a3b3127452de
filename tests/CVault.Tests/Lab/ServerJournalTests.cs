using System.Globalization;

namespace CVault.Tests.Lab;

/// <summary>What a server keeps: a snapshot, a journal that continues it, and the last counters of whom it removed.</summary>
[Collection(Alone.Name)]
public sealed class ServerJournalTests(ProgramLab lab) : IClassFixture<ProgramLab>
{
    [Fact]
    public async Task a_change_is_written_down_at_the_size_of_the_change()
    {
        await lab.EmptyAsync();
        await using var session = await lab.DialAsync();
        var many = lab.NewPeers(1500);
        await session.OkAsync([$"apply {many.Length}", .. many.Select(p => p.Add)]);
        var (before, one) = (new FileInfo(lab.Journal).Length, lab.NewPeer());

        await session.ApplyAsync(one.Add);

        Assert.InRange(new FileInfo(lab.Journal).Length - before, one.Add.Length, one.Add.Length + 20);
        Assert.False(File.Exists(lab.Snapshot));
        before = new FileInfo(lab.Journal).Length;
        await session.ApplyAsync(one.Add);
        Assert.Equal(before, new FileInfo(lab.Journal).Length); // nothing new, nothing written
    }

    [Fact]
    public async Task two_connections_see_what_the_other_one_did()
    {
        await lab.EmptyAsync();
        await using var one = await lab.DialAsync();
        await using var two = await lab.DialAsync();
        var (first, second) = (lab.NewPeer(), lab.NewPeer());
        var rival = second with { Addresses = first.Addresses };
        await one.OkAsync("apply 1", first.Add);
        await two.OkAsync("apply 1", lab.NewPeer().Add);

        Assert.StartsWith("error address-taken", (await two.ApplyAsync(rival.Add))[0], StringComparison.Ordinal);
        await one.OkAsync("apply 1", first.Remove);
        Assert.Equal(["ok 1"], await two.ApplyAsync(rival.Add));

        Assert.StartsWith("error address-taken", (await one.ApplyAsync(first.Add))[0], StringComparison.Ordinal);
        Assert.Equal(lab.Files(), await lab.InterfaceAsync());
    }

    [Fact]
    public async Task a_long_journal_becomes_a_snapshot_when_nobody_waits_and_the_other_connection_follows()
    {
        await lab.EmptyAsync();
        await using var one = await lab.DialAsync();
        await using var two = await lab.DialAsync();
        // Only the last of the six exchanges makes the journal longer than 2,000 lines: no snapshot comes between two, however far apart they are.
        var (first, churned) = (lab.NewPeer(), lab.NewPeers(390));
        await one.OkAsync("apply 1", first.Add);
        await two.OkAsync("apply 1", lab.NewPeer().Add);
        using var journal = File.OpenHandle(lab.Journal, share: FileShare.ReadWrite | FileShare.Delete);
        for (var i = 0; i < 3; i++)
        {
            await one.OkAsync(["apply 390", .. churned.Select(p => p.Add)]);
            await one.OkAsync(["apply 390", .. churned.Select(p => p.Remove)]);
        }

        await Stack.EventuallyAsync("a snapshot is written", TimeSpan.FromSeconds(10), () => Task.FromResult(File.Exists(lab.Snapshot) && new FileInfo(lab.Journal).Length < 100));
        var waited = File.GetLastWriteTimeUtc(lab.Snapshot) - File.GetLastWriteTimeUtc(journal);
        Assert.True(waited > TimeSpan.FromMilliseconds(180), $"The snapshot was written {waited.TotalMilliseconds} ms after the change: an exchange waited for it.");

        Assert.Equal(lab.Files(), await lab.InterfaceAsync());
        Assert.Equal(2, lab.Files().Count);
        Assert.Equal(390, File.ReadAllLines(lab.Snapshot).Count(l => l[0] == '='));
        // The other connection has read none of it yet.
        Assert.StartsWith("error address-taken", (await two.ApplyAsync((lab.NewPeer() with { Addresses = first.Addresses }).Add))[0], StringComparison.Ordinal);
        await two.OkAsync("apply 1", first.Remove);
        Assert.Equal(["ok 1"], await one.ApplyAsync((lab.NewPeer() with { Addresses = first.Addresses }).Add));
        Assert.Equal(lab.Files(), await lab.InterfaceAsync());
    }

    [Fact]
    public async Task a_crash_between_the_snapshot_and_the_new_journal_is_harmless()
    {
        await lab.EmptyAsync();
        // So many that their removal makes the journal longer than 2,000 lines, and nothing before it does.
        var (kept, gone) = (lab.NewPeers(5), lab.NewPeers(1200));
        const string Before = "cvault-wg-peers/2 00112233445566778899aabbccddeeff";
        await File.WriteAllTextAsync(lab.Snapshot, Before + "\n");
        await lab.OnAsync("chown", "cvault:cvault", "/var/lib/cvault-wg/wg0.peers");
        await using (var session = await lab.DialAsync())
        {
            await session.OkAsync(["apply 1205", .. kept.Concat(gone).Select(p => p.Add)]);
            var old = await File.ReadAllBytesAsync(lab.Journal);
            await session.OkAsync(["apply 1200", .. gone.Select(p => p.Remove)]);
            await Stack.EventuallyAsync("a snapshot is written", TimeSpan.FromSeconds(10), () => Task.FromResult(File.ReadLines(lab.Snapshot).First() != Before));
            await lab.SettledAsync();
            // As if it had been killed just after the rename: the journal is still that of the time before.
            await File.WriteAllBytesAsync(lab.Journal, old);
        }

        await lab.RebootAsync();

        Assert.Equal(kept.Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
        await using var again = await lab.DialAsync();
        var one = lab.NewPeer();
        await again.OkAsync("apply 1", one.Add);
        await lab.RebootAsync();
        Assert.Equal(kept.Append(one).Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
    }

    [Fact]
    public async Task a_change_that_was_cut_short_is_completed_before_anyone_is_answered()
    {
        await lab.EmptyAsync();
        await using var session = await lab.DialAsync();
        var (one, two) = (lab.NewPeer(), lab.NewPeer());
        await session.OkAsync("apply 2", one.Add, two.Add);
        // The mark that stands there from before the journal is written until the interface is done.
        const string Cut = "wg set wg0 peer \"$0\" remove; wg set wg0 peer \"$1\" allowed-ips 10.8.9.9/32; printf x >/run/cvault-wg/lock";

        await lab.OnAsync("sh", "-c", Cut, one.Key, two.Key);
        Assert.Equal(lab.Files(), await session.PeersAsync());
        await lab.OnAsync("sh", "-c", Cut, one.Key, two.Key);
        await session.OkAsync("apply 1", lab.NewPeer().Add);
        Assert.Equal(lab.Files(), await lab.InterfaceAsync());

        Assert.Equal("", await lab.OnAsync("cat", "/run/cvault-wg/lock"));
    }

    [Fact]
    public async Task the_file_of_the_program_before_is_read()
    {
        await lab.EmptyAsync();
        var (peers, bad) = (lab.NewPeers(3), lab.NewPeer());
        await File.WriteAllTextAsync(lab.Snapshot, "cvault-wg-peers/1 00112233445566778899aabbccddeeff\n"
            + string.Concat(peers.Select(p => p.Text + "\n")) + $"{bad.Key} - 10.9.0.1/32\n[Interface]\nPostUp=touch /tmp/owned\n");

        await lab.RebootAsync();

        Assert.Equal(peers.Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
        await using var session = await lab.DialAsync();
        await session.OkAsync("apply 1", peers[0].Remove);
        await lab.RebootAsync();
        Assert.Equal(peers[1..].Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
    }

    [Fact]
    public async Task a_frame_that_fits_no_disk_changes_nothing_and_the_next_one_that_does_is_taken()
    {
        await lab.EmptyAsync();
        // Over the state folder, for whoever comes to the server from now on.
        await lab.OnAsync("sh", "-c", "mount -t tmpfs -o size=64k,mode=0700 tmpfs /var/lib/cvault-wg && chown cvault:cvault /var/lib/cvault-wg");
        try
        {
            await using var session = await lab.DialAsync();
            var (few, many) = (lab.NewPeers(50), lab.NewPeers(1000));
            await session.OkAsync(["apply 50", .. few.Select(p => p.Add)]);

            var answer = await session.ApplyAsync([few[0].Remove, .. many.Select(p => p.Add)]);

            Assert.StartsWith("error storage ", Assert.Single(answer), StringComparison.Ordinal);
            Assert.Equal(few.Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
            Assert.Equal(["ok 1"], await session.ApplyAsync(many[0].Add));
            await lab.LoadAsync();
            Assert.Equal(few.Append(many[0]).Select(p => p.Text).ToHashSet(), await lab.InterfaceAsync());
        }
        finally
        {
            await lab.OnAsync("umount", "-l", "/var/lib/cvault-wg");
        }
    }

    [Fact]
    public async Task a_removal_whose_answer_was_lost_is_answered_again_until_the_peer_is_added_again()
    {
        await lab.EmptyAsync();
        var (peer, other) = (lab.NewPeer(), lab.NewPeer());
        string counters;
        await using (var session = await lab.DialAsync())
        {
            await session.OkAsync("apply 2", peer.Add, other.Add);
            // Someone to call, so that something is counted.
            await lab.OnAsync("wg", "set", "wg0", "peer", peer.Key, "endpoint", "198.51.100.2:9", "persistent-keepalive", "1");
            await Stack.EventuallyAsync("bytes are counted", TimeSpan.FromSeconds(20), async () => (await session.OkAsync("dump")).Any(l => l.StartsWith("peer " + peer.Key, StringComparison.Ordinal) && !l.EndsWith(" 0 0 0", StringComparison.Ordinal)));
            var first = await session.ApplyAsync(peer.Remove);
            counters = first[0];
            Assert.Matches($@"^= {System.Text.RegularExpressions.Regex.Escape(peer.Key)} 0 [1-9]\d* 0$", counters);
        }

        await using (var again = await lab.DialAsync())
        {
            Assert.Equal([counters, "ok 1"], await again.ApplyAsync(peer.Remove));
            Assert.Equal(["ok 1"], await again.ApplyAsync("- " + lab.NewPeer().Key));
            var churned = lab.NewPeers(1200);
            await again.OkAsync(["apply 1200", .. churned.Select(p => p.Add)]);
            await again.OkAsync(["apply 1200", .. churned.Select(p => p.Remove)]);
            await Stack.EventuallyAsync("a snapshot is written", TimeSpan.FromSeconds(10), () => Task.FromResult(File.Exists(lab.Snapshot)));
        }

        await using (var later = await lab.DialAsync()) Assert.Equal([counters, "ok 1"], await later.ApplyAsync(peer.Remove));
        var incarnation = (await lab.OnAsync("cat", "/run/cvault-wg/wg0.incarnation")).Trim();
        await lab.RebootAsync();

        await using var last = await lab.DialAsync();
        Assert.Equal([$"{counters} {incarnation}", "ok 1"], await last.ApplyAsync(peer.Remove)); // counted in the interface before
        await last.OkAsync("apply 1", peer.Add);
        await last.OkAsync("apply 1", other.Remove);
        Assert.Equal([$"= {peer.Key} 0 0 0", "ok 1"], await last.ApplyAsync(peer.Remove));
        await last.OkAsync("apply 1", peer.Add);
        await lab.OnAsync("wg", "set", "wg0", "peer", peer.Key, "remove"); // a hand's: nobody knows its counters
        Assert.Equal(["ok 1"], await last.ApplyAsync(peer.Remove));
    }

    [Fact]
    public async Task what_was_removed_more_than_a_day_ago_is_forgotten_with_the_next_snapshot()
    {
        await lab.EmptyAsync();
        var (old, recent) = (lab.NewPeer(), lab.NewPeer());
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        await File.WriteAllTextAsync(lab.Snapshot, "cvault-wg-peers/2 00112233445566778899aabbccddeeff\n"
            + string.Create(CultureInfo.InvariantCulture, $"= {old.Key} 1 2 3 abc {now - 90_000}\n= {recent.Key} 4 5 6 abc {now - 80_000}\n"));
        await lab.OnAsync("chown", "cvault:cvault", "/var/lib/cvault-wg/wg0.peers");
        await using var session = await lab.DialAsync();
        Assert.Equal([$"= {recent.Key} 4 5 6 abc", "ok 1"], await session.ApplyAsync(recent.Remove));
        var churned = lab.NewPeers(1200);
        await session.OkAsync(["apply 1200", .. churned.Select(p => p.Add)]);
        await session.OkAsync(["apply 1200", .. churned.Select(p => p.Remove)]);
        await Stack.EventuallyAsync("a snapshot is written", TimeSpan.FromSeconds(10), () => Task.FromResult(File.ReadAllLines(lab.Snapshot).Length > 1000));
        await lab.SettledAsync();

        Assert.Equal([$"= {recent.Key} 4 5 6 abc", "ok 1"], await session.ApplyAsync(recent.Remove));
        Assert.Equal(["ok 1"], await session.ApplyAsync(old.Remove));
    }
}
