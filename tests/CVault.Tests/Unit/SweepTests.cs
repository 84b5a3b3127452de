using CVault.Metering;
using CVault.Peers;
using CVault.Servers;
using CVault.Sessions;

namespace CVault.Tests.Unit;

/// <summary>From one reading of a server to what is written: which sessions begin, and of which the bytes are.</summary>
public sealed class SweepTests
{
    private const string Tenant = "t1";
    private static readonly DateTimeOffset From = Samples.Now, At = From.AddSeconds(15);
    private static readonly Guid ServerId = Guid.NewGuid(), User = Guid.NewGuid(), Device = Guid.NewGuid(), Other = Guid.NewGuid(), SessionId = Guid.NewGuid();
    private static readonly PeerKey Key = new(1, 2, 3, 4);

    [Fact]
    public async Task a_handshake_opens_a_session_and_all_that_was_counted_is_its()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From.AddSeconds(5)))), [], [], Owned(Nobody));
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal((Tenant, SessionStarted.ByHandshake, Device, 1L, From.AddSeconds(5)), (begun.TenantId, begun.Started.By, begun.Started.DeviceId, begun.Started.Number, begun.Started.At));
        Assert.Null(begun.Ended);
        Assert.Equal([new Sample(1, 100, 200)], Samples_(sweep));
        var change = Assert.Single(sweep.Changes);
        Assert.Equal((true, begun.SessionId, From.AddSeconds(5)), (change.Owner.SessionLive, change.Owner.SessionId, change.BegunAt));
    }

    [Fact]
    public async Task the_next_reading_adds_to_it_and_begins_none()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(9)))), Known(100, 200, live: true), [], Owned(Live));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 0)], Samples_(sweep));
        Assert.Equal(From.AddSeconds(9), Assert.Single(sweep.Changes).HeardAt);
    }

    [Fact]
    public async Task nothing_moved_is_nothing_written()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From))), Known(100, 200, live: true), [], Owned(Live));
        Assert.Empty(sweep.Keys);
        Assert.Empty(sweep.SamplesByTenant());
    }

    [Fact]
    public async Task a_connected_device_is_not_connected_again_on_another_server()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(100, 200, From.AddSeconds(5)))), Known(0, 0, live: false), [], Owned(Over with { LiveElsewhere = true }));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 100, 200)], Samples_(sweep)); // Late, and its last session's here.
    }

    [Fact]
    public async Task after_a_disconnect_the_handshake_that_is_read_next_is_older_than_the_word()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(5)))), Known(100, 200, live: false, absorbs: true), [], Owned(Over));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 0)], Samples_(sweep));
        Assert.True(Assert.Single(sweep.Changes).Absorbs);

        var next = await SweepAsync(Reading((Key, Seen(180, 200, From.AddSeconds(9)))), Known(150, 200, live: false), [], Owned(Over));
        Assert.Single(next.Begun);
        Assert.Equal([new Sample(1, 30, 0)], Samples_(next));
    }

    [Fact]
    public async Task a_disconnect_is_absorbed_by_a_reading_in_which_nothing_moved_too() =>
        Assert.True(Assert.Single((await SweepAsync(Reading((Key, Seen(100, 200, From))), Known(100, 200, live: false, absorbs: true), [], Owned(Over))).Changes).Absorbs);

    [Fact]
    public async Task late_bytes_without_a_new_handshake_are_the_last_session_s()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(101, 200, From))), Known(100, 200, live: false), [], Owned(Over));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 1, 0)], Samples_(sweep));
    }

    [Fact]
    public async Task a_handshake_that_is_older_than_180_seconds_begins_no_session()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(-200)))), [], [], Owned(Nobody));
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal(SessionEnded.PeerRemoved, begun.Ended?.Reason); // Its bytes are somebody's all the same.
        Assert.Equal([new Sample(1, 150, 200)], Samples_(sweep));
    }

    [Fact]
    public async Task first_packets_of_a_handshake_that_has_not_come_about_are_held_until_it_has()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(148, 92, null))), [], [], Owned(Nobody));
        Assert.Empty(sweep.Changes);
        Assert.Empty(sweep.Begun);
        Assert.Empty(sweep.SamplesByTenant());

        sweep = await SweepAsync(Reading((Key, Seen(300, 92, From.AddSeconds(1)))), [], [], Owned(Nobody));
        Assert.Equal([new Sample(1, 300, 92)], Samples_(sweep));
    }

    [Fact]
    public async Task a_removed_peer_s_last_bytes_are_its_session_s()
    {
        var sweep = await SweepAsync(Reading(), Known(100, 200, live: true), [Final(150, 260)], Owned(Live with { Wanted = false }));
        Assert.Empty(sweep.Begun);
        Assert.Equal([new Sample(7, 50, 60)], Samples_(sweep));
        Assert.Equal(MeterState.Removed, Assert.Single(sweep.Changes).Position.State);
    }

    [Fact]
    public async Task a_peer_that_came_and_went_between_two_readings_is_counted_to_whom_it_was()
    {
        // Neither a meter nor a row tells of it any more: only what its removal left.
        var sweep = await SweepAsync(Reading(), [], [Final(150, 260)], []);
        var begun = Assert.Single(sweep.Begun);
        Assert.Equal((Tenant, Device, SessionEnded.PeerRemoved), (begun.TenantId, begun.Started.DeviceId, begun.Ended!.Reason));
        Assert.Equal([new Sample(1, 150, 260)], Samples_(sweep));
        // What the server answers again, should the key come back, is known.
        Assert.Equal(new MeterPosition("i1", 1, MeterState.Removed, 150, 260, Unix(From)), Assert.Single(sweep.Changes).Position);
    }

    [Fact]
    public async Task one_that_was_never_used_leaves_nothing_to_count_and_begins_no_session()
    {
        var sweep = await SweepAsync(Reading(), [], [Final(0, 0)], []);
        Assert.Empty(sweep.Begun);
        Assert.Empty(sweep.SamplesByTenant());
    }

    [Fact]
    public async Task removed_and_added_again_between_two_readings_counts_both_lives()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From.AddSeconds(9)))), Known(100, 200, live: true), [Final(150, 260)], Owned(Live));
        Assert.Equal([new Sample(7, 90, 110)], Samples_(sweep));
        Assert.Equal((MeterState.Open, 2, 40L), Assert.Single(sweep.Changes).Position is var p ? (p.State, p.Generation, p.RxBytes) : default);
    }

    [Fact]
    public async Task what_a_removal_left_is_counted_though_the_peer_is_back_and_has_not_been_heard_yet()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(0, 0, null))), [], [Final(150, 260)], Owned(Nobody));
        Assert.Equal([new Sample(1, 150, 260)], Samples_(sweep));
        Assert.Equal(MeterState.Open, Assert.Single(sweep.Changes).Position.State);
    }

    [Fact]
    public async Task a_removal_that_is_answered_twice_counts_once()
    {
        var sweep = await SweepAsync(Reading(), Known(100, 200, live: true), [Final(150, 260), Final(150, 260)], Owned(Live));
        Assert.Equal([new Sample(7, 50, 60)], Samples_(sweep));
        Assert.Equal(2, sweep.Finals.Count);
    }

    [Fact]
    public async Task what_a_key_moved_before_another_device_took_it_is_the_former_s()
    {
        var owner = new MeterOwner("t2", User, Other, "10.8.0.9", Wanted: true, Settled: true, null, 0, SessionLive: false, LiveElsewhere: false);
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From.AddSeconds(9)))), Known(100, 200, live: true), [Final(150, 260)], Owned(owner));
        Assert.Equal([(Tenant, Device), ("t2", Other)], sweep.Begun.Select(b => (b.TenantId, b.Started.DeviceId)));
        Assert.Equal([(Tenant, 50L, 60L), ("t2", 40L, 50L)], sweep.SamplesByTenant().Select(t => (t.TenantId, t.Samples.RxBytes, t.Samples.TxBytes)));
    }

    [Fact]
    public async Task an_unknown_peer_is_nobody_s()
    {
        var sweep = await SweepAsync(Reading((Key, Seen(40, 50, From))), [], [], []);
        Assert.Empty(sweep.Changes);
        Assert.Empty(sweep.Begun);
    }

    [Fact]
    public async Task a_peer_that_is_gone_begins_anew_when_it_comes_back_and_one_that_could_not_be_read_goes_on()
    {
        // Its removal may still have something to say; a hand has not.
        var gone = await SweepAsync(Reading(), Known(100, 200, live: true), [], Owned(Live with { Wanted = false, Settled = false }));
        Assert.Equal(MeterState.Lost, Assert.Single(gone.Changes).Position.State);
        var byHand = await SweepAsync(Reading(), Known(100, 200, live: true), [], Owned(Live));
        Assert.Equal(MeterState.Removed, Assert.Single(byHand.Changes).Position.State);

        Assert.Empty((await SweepAsync(Reading() with { Unread = new HashSet<PeerKey> { Key } }, Known(100, 200, live: true), [], Owned(Live))).Keys);
        Assert.Empty((await SweepAsync(Reading() with { NamesAll = false }, Known(100, 200, live: true), [], Owned(Live))).Keys);
    }

    /// <summary>Row 24: the server's clock is five minutes off, either way.</summary>
    [Theory]
    [InlineData(300)]
    [InlineData(-300)]
    public async Task whatever_a_server_s_clock_says_a_new_handshake_was_between_the_two_readings(int off)
    {
        var sweep = await SweepAsync(Reading((Key, Seen(150, 200, From.AddSeconds(5 + off)))), Known(100, 200, live: false), [], Owned(Over));
        Assert.InRange(Assert.Single(sweep.Changes).HeardAt!.Value, From, At);
        var begun = Assert.Single(sweep.Begun);
        Assert.InRange(begun.Started.At!.Value, From, At);
    }

    /// <summary>Row 24: our own clock was put back, so that the reading before lies ahead; the collector makes it an interval of nothing.</summary>
    [Fact]
    public async Task an_interval_of_nothing_counts_all_the_same_and_no_time_in_it_is_negative()
    {
        var sweep = new Sweep(Reading((Key, Seen(150, 200, From.AddSeconds(-300)))), From, From, Known(100, 200, live: false), []);
        await sweep.SettleAsync(Owned(Over), Numbers(), TestContext.Current.CancellationToken);
        Assert.Equal([new Sample(1, 50, 0)], Samples_(sweep));
        Assert.Equal((From, From), (sweep.From, Assert.Single(sweep.Begun).Started.At));
    }

    /// <summary>Row 24: what is read in the last second of a month is that month's, by UTC, and of no stream of the next one's.</summary>
    [Fact]
    public void the_end_of_a_month_is_the_end_of_a_stream_by_UTC()
    {
        var end = new DateTimeOffset(2026, 3, 31, 23, 59, 59, 999, TimeSpan.Zero);
        var stream = UsageMetered.StreamOf(Tenant, ServerId, end);
        Assert.Equal(stream, UsageMetered.StreamOf(Tenant, ServerId, end.ToOffset(TimeSpan.FromHours(14))));
        Assert.Equal(stream, UsageMetered.StreamOf(Tenant, ServerId, end.AddMinutes(-59)));
        Assert.NotEqual(stream, UsageMetered.StreamOf(Tenant, ServerId, end.AddMilliseconds(1)));
        Assert.NotEqual(stream, UsageMetered.StreamOf("t2", ServerId, end));
    }

    private static readonly MeterOwner Live = new(Tenant, User, Device, "10.8.0.2", Wanted: true, Settled: true, SessionId, 7, SessionLive: true, LiveElsewhere: true);
    private static readonly MeterOwner Over = Live with { SessionLive = false, LiveElsewhere = false };
    private static readonly MeterOwner Nobody = Over with { SessionId = null, SessionNumber = 0 };

    private static long Unix(DateTimeOffset at) => at.ToUnixTimeSeconds();
    private static SeenPeer Seen(long rx, long tx, DateTimeOffset? handshake) => new(1, handshake is { } at ? Unix(at) : 0, rx, tx);
    private static ServerReading Reading(params (PeerKey Key, SeenPeer Seen)[] peers) => new(ServerId, 1, new ServerIdentity("K", 1, "b1", "i1"), peers.ToDictionary(p => p.Key, p => p.Seen));
    private static FinalCounters Final(long rx, long tx) => new(Key, At, new Counters("i1", rx, tx, rx > 0 ? Unix(From) : 0), Tenant, User, Device);
    private static Dictionary<PeerKey, MeterOwner> Owned(MeterOwner owner) => new() { [Key] = owner };
    private static Dictionary<PeerKey, MeterRow> Known(long rx, long tx, bool live, bool absorbs = false) =>
        new() { [Key] = new MeterRow(new MeterPosition("i1", 1, MeterState.Open, rx, tx, Unix(From)), From, live, absorbs) };

    private static Sample[] Samples_(Sweep sweep) => [.. sweep.SamplesByTenant().SelectMany(t => t.Samples.All)];

    private static Func<CancellationToken, ValueTask<long>> Numbers()
    {
        var next = 0L;
        return _ => new(++next);
    }

    private static async Task<Sweep> SweepAsync(ServerReading reading, Dictionary<PeerKey, MeterRow> meters, FinalCounters[] finals, Dictionary<PeerKey, MeterOwner> owners)
    {
        var sweep = new Sweep(reading, From, At, meters, finals);
        await sweep.SettleAsync(owners, Numbers(), TestContext.Current.CancellationToken);
        return sweep;
    }
}
