using CsCheck;
using CVault.Metering;

namespace CVault.Tests.Unit;

/// <summary>From counters to bytes: every byte that a server reported once, and none twice.</summary>
public sealed class MeterTests
{
    private static readonly MeterPosition Known = new("i1", 1, MeterState.Open, 1000, 5000, 77);

    [Fact]
    public void the_first_reading_counts_all_that_it_says() =>
        Assert.Equal(new Metered(new("i1", 1, MeterState.Open, 10, 20, 7), 10, 20), Meter.Read(null, new("i1", 10, 20, 7)));

    [Fact]
    public void the_next_one_counts_the_difference() =>
        Assert.Equal(new Metered(new("i1", 1, MeterState.Open, 1500, 5001, 80), 500, 1), Meter.Read(Known, new("i1", 1500, 5001, 80)));

    [Fact]
    public void another_interface_began_at_nothing_even_where_it_is_past_the_old_one_already() =>
        Assert.Equal(new Metered(new("i2", 2, MeterState.Open, 9000, 9000, 90), 9000, 9000), Meter.Read(Known, new("i2", 9000, 9000, 90)));

    [Fact]
    public void a_smaller_counter_began_at_nothing_and_so_did_the_other() =>
        Assert.Equal(new Metered(new("i1", 2, MeterState.Open, 10, 6000, 90), 10, 6000), Meter.Read(Known, new("i1", 10, 6000, 90)));

    [Theory]
    [InlineData(MeterState.Removed)]
    [InlineData(MeterState.Lost)]
    public void a_peer_that_came_back_began_at_nothing(MeterState state) =>
        Assert.Equal((9000, 9000, 2), Meter.Read(Known with { State = state }, new("i1", 9000, 9000, 90)) is var m ? (m.RxBytes, m.TxBytes, m.Position.Generation) : default);

    [Fact]
    public void the_last_counters_of_a_removal_count_once_however_often_they_are_answered()
    {
        var removed = Meter.Remove(Known, new("i1", 1100, 5000, 77));
        Assert.Equal((100, 0, MeterState.Removed), (removed.RxBytes, removed.TxBytes, removed.Position.State));
        Assert.Equal(new Metered(removed.Position, 0, 0), Meter.Remove(removed.Position, new("i1", 1100, 5000, 77)));
    }

    [Fact]
    public void the_last_counters_of_a_peer_that_was_missing_when_it_was_looked_for_go_on_from_there() =>
        Assert.Equal((100, 0), Meter.Remove(Meter.Miss(Known, settled: false), new("i1", 1100, 5000, 77)) is var m ? (m.RxBytes, m.TxBytes) : default);

    [Fact]
    public void a_peer_that_was_removed_twice_counts_both() =>
        Assert.Equal((400, 300), Meter.Remove(Meter.Remove(Known, new("i1", 1100, 5000, 77)).Position, new("i1", 400, 300, 99)) is var m ? (m.RxBytes, m.TxBytes) : default);

    /// <summary>
    /// A server, a collector that may be killed before its commit or read anew, and removals that are answered again, in
    /// any order: what is counted is what the server reported in readings that were committed, to the byte.
    /// </summary>
    [Fact]
    public void whatever_happens_what_was_reported_is_counted_once()
    {
        var step = Gen.Frequency((6, Gen.Const(Do.Traffic)), (6, Gen.Const(Do.Read)), (1, Gen.Const(Do.Crash)), (1, Gen.Const(Do.Restart)), (1, Gen.Const(Do.Remove)), (1, Gen.Const(Do.RemoveUnheard)), (2, Gen.Const(Do.RemoveAgain)), (1, Gen.Const(Do.Add)), (1, Gen.Const(Do.RemoveByHand)));
        Gen.Select(step, Gen.Long[0, 100_000], Gen.Long[0, 100_000]).List[1, 80].Sample(steps =>
        {
            var world = new World();
            foreach (var (what, rx, tx) in steps) world.Do(what, rx, tx);
            Assert.Equal((world.ReportedRx, world.ReportedTx), (world.CountedRx, world.CountedTx));
            Assert.True(world.CountedRx <= world.MovedRx && world.CountedTx <= world.MovedTx);
        }, iter: Size.Of(10_000, 200_000));
    }

    private enum Do { Traffic, Read, Crash, Restart, Remove, RemoveUnheard, RemoveAgain, Add, RemoveByHand }

    /// <summary>What a server does, told without a position: bytes since the last committed report of the same counters.</summary>
    private sealed class World
    {
        private MeterPosition? position;
        private int incarnation = 1;
        private long rx, tx, handshake = 1;
        private long freshRx, freshTx, unheardRx, unheardTx;
        private bool there = true;
        private Counters? remembered;

        public long MovedRx { get; private set; }
        public long MovedTx { get; private set; }
        public long ReportedRx { get; private set; }
        public long ReportedTx { get; private set; }
        public long CountedRx { get; private set; }
        public long CountedTx { get; private set; }

        public void Do(Do what, long rxBytes, long txBytes)
        {
            switch (what)
            {
                case MeterTests.Do.Traffic when there:
                    (rx, tx, freshRx, freshTx, MovedRx, MovedTx) = (rx + rxBytes, tx + txBytes, freshRx + rxBytes, freshTx + txBytes, MovedRx + rxBytes, MovedTx + txBytes);
                    handshake++;
                    break;
                case MeterTests.Do.Read when there:
                    Report(Meter.Read(position, Now));
                    break;
                case MeterTests.Do.Crash when there:
                    Meter.Read(position, Now); // Never committed: nothing came of it.
                    break;
                case MeterTests.Do.Restart:
                    incarnation++;
                    Begin();
                    break;
                case MeterTests.Do.Remove when there:
                    remembered = Now;
                    there = false;
                    Report(Meter.Remove(position, Now));
                    Begin();
                    break;
                case MeterTests.Do.RemoveUnheard when there:
                    // Done, and its answer lost: the same removal is ordered again, or the peer added again.
                    (remembered, there, unheardRx, unheardTx) = (Now, false, freshRx, freshTx);
                    Begin();
                    break;
                case MeterTests.Do.RemoveAgain when !there && remembered is { } last:
                    var again = Meter.Remove(position, last);
                    (position, CountedRx, CountedTx) = (again.Position, CountedRx + again.RxBytes, CountedTx + again.TxBytes);
                    (ReportedRx, ReportedTx, unheardRx, unheardTx) = (ReportedRx + unheardRx, ReportedTx + unheardTx, 0, 0);
                    break;
                case MeterTests.Do.RemoveByHand when there:
                    // The pass finds it missing before it adds it anew, and that reading is committed.
                    if (position is { } before) position = Meter.Miss(before, settled: true);
                    there = false;
                    remembered = null;
                    Begin();
                    break;
                case MeterTests.Do.Add when !there:
                    // What a server remembers of a peer it says before it forgets it.
                    if (remembered is not null) Do(MeterTests.Do.RemoveAgain, 0, 0);
                    (there, remembered, unheardRx, unheardTx) = (true, null, 0, 0);
                    Begin();
                    break;
            }
        }

        private Counters Now => new("i" + incarnation, rx, tx, handshake);

        private void Begin() => (rx, tx, freshRx, freshTx) = (0, 0, 0, 0);

        private void Report(Metered metered)
        {
            (position, CountedRx, CountedTx) = (metered.Position, CountedRx + metered.RxBytes, CountedTx + metered.TxBytes);
            (ReportedRx, ReportedTx, freshRx, freshTx) = (ReportedRx + freshRx, ReportedTx + freshTx, 0, 0);
        }
    }
}
