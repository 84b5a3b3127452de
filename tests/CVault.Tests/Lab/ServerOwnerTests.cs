namespace CVault.Tests.Lab;

/// <summary>A server never has two owners: whoever owned it with a greater epoch shuts out all before, for ever.</summary>
[Collection(Alone.Name)]
public sealed class ServerOwnerTests(ProgramLab lab) : IClassFixture<ProgramLab>
{
    private const string Superseded = "error superseded epoch 6 owns this server";

    [Fact]
    public async Task a_later_owner_shuts_out_the_earlier_one_and_nothing_of_its_changes_is_made()
    {
        await lab.EmptyAsync();
        await using var earlier = await lab.DialAsync();
        await using var later = await lab.DialAsync();
        var (first, second) = (lab.NewPeer(), lab.NewPeer());
        await earlier.OkAsync("own 5");
        Assert.Equal(["ok 1"], await earlier.ApplyAsync(first.Add));

        Assert.Equal(["ok"], await later.AskAsync("own 6"));

        var files = (File.ReadAllBytes(lab.Journal), await lab.InterfaceAsync());
        Assert.Equal([Superseded], await earlier.ApplyAsync(second.Add));
        Assert.Equal([Superseded], await earlier.ApplyAsync(first.Remove));
        Assert.Equal([Superseded], await earlier.SyncAsync([second]));
        Assert.Equal([Superseded], await earlier.AskAsync("own 5"));
        Assert.Equal(files.Item1, File.ReadAllBytes(lab.Journal));
        Assert.Equal(files.Item2, await lab.InterfaceAsync());
        Assert.Equal([first.Text], await earlier.PeersAsync()); // to look is everyone's

        Assert.Equal(["ok 1"], await later.ApplyAsync(second.Add));
        Assert.Equal(["ok"], await earlier.AskAsync("own 7"));
        Assert.Equal("ok 2", (await earlier.ApplyAsync(first.Remove, second.Remove))[^1]);
        Assert.StartsWith("error superseded epoch 7", (await later.ApplyAsync(second.Add))[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task whoever_never_owned_is_shut_out_once_anybody_has_and_a_reboot_changes_nothing_of_it()
    {
        await lab.EmptyAsync();
        var (first, second) = (lab.NewPeer(), lab.NewPeer());
        await using (var nobody = await lab.DialAsync())
        {
            Assert.Equal(["ok 1"], await nobody.ApplyAsync(first.Add));
            await using var owner = await lab.DialAsync();
            await owner.OkAsync("own 6");
            Assert.Equal([Superseded], await nobody.ApplyAsync(second.Add));
        }

        await lab.RebootAsync();

        await using var again = await lab.DialAsync();
        Assert.Equal([Superseded], await again.ApplyAsync(second.Add));
        Assert.Equal([Superseded], await again.AskAsync("own 5"));
        await again.OkAsync("own 6"); // the same owner, dialling again
        Assert.Equal(["ok 1"], await again.ApplyAsync(second.Add));
        Assert.Equivalent(new[] { first.Text, second.Text }, await lab.InterfaceAsync(), strict: true);
    }

    [Fact]
    public async Task an_owner_that_was_paused_with_its_change_on_the_way_comes_back_to_a_refusal()
    {
        await lab.EmptyAsync();
        await using var zombie = await lab.DialAsync();
        await using var heir = await lab.DialAsync();
        var (late, present) = (lab.NewPeer(), lab.NewPeer());
        await zombie.OkAsync("own 5");
        Task<string[]> answer;
        try
        {
            await StackProcess.SignalAsync(zombie.Program, "STOP");
            answer = zombie.ApplyAsync(late.Add); // it lies on the server, whole
            await heir.OkAsync("own 6");
            Assert.Equal(["ok 1"], await heir.ApplyAsync(present.Add));
        }
        finally
        {
            await StackProcess.SignalAsync(zombie.Program, "CONT");
        }

        Assert.Equal([Superseded], await answer);
        Assert.Equal([present.Text], await lab.InterfaceAsync());
        Assert.Equal([present.Text], lab.Files());
    }

    [Fact]
    public async Task owning_waits_for_the_change_under_way_and_a_ping_does_not()
    {
        await lab.EmptyAsync();
        await using var earlier = await lab.DialAsync();
        await using var later = await lab.DialAsync();
        await earlier.OkAsync("own 5");
        var peers = lab.NewPeers(3_000);
        Task<string[]> change;
        try
        {
            await StackProcess.SignalAsync(earlier.Program, "STOP");
            change = earlier.SyncAsync(peers); // it lies on the server, or will
            // The mark in the lock says that it is in the middle of it, for some tenths of a second: who looks for it is there before it begins.
            await lab.OnAsync("timeout", "60", "sh", "-c", "kill -CONT $0; until [ -s /run/cvault-wg/lock ]; do :; done; kill -STOP $0", earlier.Program.ToString());
            Assert.StartsWith("ok ", (await later.AskAsync("ping"))[0], StringComparison.Ordinal);
            var owning = later.AskAsync("own 6");
            await Task.Delay(1000);
            Assert.False(owning.IsCompleted, "It was owned in the middle of another owner's change.");
            await StackProcess.SignalAsync(earlier.Program, "CONT");
            Assert.Equal(["ok"], await owning);
        }
        finally
        {
            await StackProcess.SignalAsync(earlier.Program, "CONT");
        }

        Assert.Equal(["ok 3000"], await change);
        Assert.Equal(3000, (await lab.InterfaceAsync()).Count);
    }

    [Theory, InlineData("own"), InlineData("own 0"), InlineData("own -1"), InlineData("own 4611686018427387905"), InlineData("own 99999999999999999999"), InlineData("own 6 6"), InlineData("own 06")]
    public async Task what_is_no_epoch_owns_nothing(string request)
    {
        await lab.EmptyAsync();
        await using var session = await lab.DialAsync();
        Assert.StartsWith("error ", (await session.AskAsync(request))[0], StringComparison.Ordinal);
        Assert.Equal(["ok 1"], await session.ApplyAsync(lab.NewPeer().Add));
        await session.OkAsync("own 4611686018427387904");
    }

    [Fact]
    public async Task a_server_that_cannot_tell_its_owner_has_none()
    {
        await lab.EmptyAsync();
        await lab.OnAsync("sh", "-c", ": >/var/lib/cvault-wg/wg0.owner");
        await using var session = await lab.DialAsync();
        Assert.StartsWith("error storage", (await session.AskAsync("own 9"))[0], StringComparison.Ordinal);
        Assert.StartsWith("error storage", (await session.ApplyAsync(lab.NewPeer().Add))[0], StringComparison.Ordinal);
    }
}
