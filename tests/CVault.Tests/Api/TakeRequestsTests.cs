namespace CVault.Tests.Api;

/// <summary>PostgreSQL's own count, <c>take_requests</c>: how many it grants, and when more.</summary>
public sealed class TakeRequestsTests(Stack stack, ITestOutputHelper output)
{
    /// <summary>With windows of two hundred seconds, half a second between calls: what a flood is granted over several.</summary>
    [Fact]
    public async Task a_flood_is_granted_its_limit_in_each_window_and_at_a_border_never_more_at_once_than_the_burst()
    {
        const int most = 100, burst = 20, window = 200;
        var subject = "test:" + Guid.NewGuid();
        var windows = new List<(long Sum, long First)>();
        for (var (passed, left) = (0.0, 0.0); passed < 4.5 * window; passed += 0.5)
        {
            var (given, _, endsIn, _) = await TakeAsync(subject, 1000, most, burst, window);
            if (endsIn > left) windows.Add((0, given));
            windows[^1] = windows[^1] with { Sum = windows[^1].Sum + given };
            left = endsIn;
            await LetPassAsync(subject, 0.5);
        }

        Assert.Equal(most, windows[0].First); // all of a fresh window at once
        output.WriteLine(string.Join("; ", windows.Select(w => $"{w.Sum} in a window, the first {w.First} at once")));
        Assert.True(windows.Count >= 4);
        Assert.All(windows[..^1], w => Assert.Equal(most, w.Sum));
        // One more for each two seconds that the first call of a window is late: half a second, and what this test took.
        Assert.All(windows[1..], w => Assert.InRange(w.First, burst, burst + 5));
    }

    [Fact]
    public async Task the_function_says_when_one_more_would_be_granted()
    {
        const int window = 600;
        var subject = "test:" + Guid.NewGuid();
        Assert.Equal((10L, 0L), (await TakeAsync(subject, 15, 10, 0, window)) is var first ? (first.Granted, first.Remaining) : default);
        for (var round = 0; round < 15; round++)
        {
            var (none, _, _, moreIn) = await TakeAsync(subject, 1, 10, 0, window);
            Assert.Equal(0, none);
            Assert.InRange(moreIn, 30, 1.1 * window);
            await LetPassAsync(subject, moreIn - 30);
            var (tooEarly, _, _, rest) = await TakeAsync(subject, 1, 10, 0, window);
            Assert.Equal(0, tooEarly);
            await LetPassAsync(subject, rest + 0.01);
            Assert.Equal(1, (await TakeAsync(subject, 1, 10, 0, window)).Granted);
        }
    }

    [Fact]
    public async Task a_thousand_that_take_at_once_over_many_connections_get_exactly_the_limit()
    {
        var subject = "test:" + Guid.NewGuid();
        var granted = 0L;
        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 40 }, async (_, _) => Interlocked.Add(ref granted, (await TakeAsync(subject, 1, 137, 20, 60)).Granted));
        Assert.Equal(137, granted);
    }

    private async Task<(long Granted, long Remaining, double EndsIn, double MoreIn)> TakeAsync(string subject, long wanted, long most, long burst, int window)
    {
        await using var command = stack.Database.CreateCommand("select granted, remaining, ends_in, more_in from cvault.take_requests($1, $2, $3, $4, $5)");
        foreach (var value in new object[] { subject, wanted, most, burst, window }) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetInt64(0), reader.GetInt64(1), reader.GetDouble(2), reader.GetDouble(3));
    }

    /// <summary>What the function would find that much later: the subject's times are moved back, so that a busy machine's own time is nothing beside it.</summary>
    private async Task LetPassAsync(string subject, double seconds)
    {
        await using var command = stack.Database.CreateCommand("""
            update cvault.request_limits set window_started = window_started - make_interval(secs => $2), window_ends = window_ends - make_interval(secs => $2),
              previous_ended = previous_ended - make_interval(secs => $2) where subject = $1
            """);
        command.Parameters.Add(new() { Value = subject });
        command.Parameters.Add(new() { Value = seconds });
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
    }
}
