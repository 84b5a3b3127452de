namespace CVault.Metering;

/// <summary>How a peer's meter stands between two readings.</summary>
public enum MeterState
{
    /// <summary>The peer was there when its server was last read.</summary>
    Open,

    /// <summary>It was removed, and the counters were read in that same step: nothing is left to count of it.</summary>
    Removed,

    /// <summary>It was not there any more and nobody had read its last counters.</summary>
    Lost,
}

/// <summary>
/// How far a peer's counters are counted. A peer's counters begin at nothing with each making of the interface (its
/// incarnation) and with each adding of the peer (its generation); they are only ever compared within one of both.
/// </summary>
/// <param name="Incarnation">Of the interface that counted.</param>
/// <param name="Generation">How often the counters have begun anew, from 1.</param>
/// <param name="RxBytes">Received from the device, counted already.</param>
/// <param name="TxBytes">Sent to it, counted already.</param>
/// <param name="Handshake">The newest handshake read, Unix seconds by the server's clock; 0 for none.</param>
public readonly record struct MeterPosition(string Incarnation, int Generation, MeterState State, long RxBytes, long TxBytes, long Handshake);

/// <summary>What a server said of one peer.</summary>
public readonly record struct Counters(string Incarnation, long RxBytes, long TxBytes, long Handshake);

/// <summary>What is new in a reading, and where the meter stands after it.</summary>
public readonly record struct Metered(MeterPosition Position, long RxBytes, long TxBytes);

/// <summary>
/// From a position and what the server says now to the bytes in between. Every byte that the server reports is counted
/// once: within one generation the difference, and after a reset all that the new counters say.
/// </summary>
public static class Meter
{
    /// <summary>The peer is there, with these counters.</summary>
    public static Metered Read(MeterPosition? before, in Counters now)
    {
        var continues = before is { State: MeterState.Open } at && at.Incarnation == now.Incarnation && now.RxBytes >= at.RxBytes && now.TxBytes >= at.TxBytes;
        return Move(before, now, continues, MeterState.Open);
    }

    /// <summary>
    /// The peer was removed, and these were its last counters. A removal that is ordered again answers the same ones
    /// again, for a day or longer, and counts for nothing then.
    /// </summary>
    public static Metered Remove(MeterPosition? before, in Counters last)
    {
        var continues = before is { } at && at.Incarnation == last.Incarnation && (at.State == MeterState.Removed
            ? (last.RxBytes, last.TxBytes, last.Handshake) == (at.RxBytes, at.TxBytes, at.Handshake)
            : last.RxBytes >= at.RxBytes && last.TxBytes >= at.TxBytes);
        return Move(before, last, continues, MeterState.Removed);
    }

    /// <summary>The peer is not there. Should it come back, its counters begin anew.</summary>
    /// <param name="settled">
    /// Nothing is on its way to the server: it was somebody's hand that took it, or a removal whose answer is counted. No
    /// removal before now will answer for it any more, and whatever is next read of it began after this.
    /// </param>
    public static MeterPosition Miss(in MeterPosition before, bool settled) =>
        before.State != MeterState.Open ? before : settled ? before with { State = MeterState.Removed, Incarnation = "" } : before with { State = MeterState.Lost };

    private static Metered Move(MeterPosition? before, in Counters now, bool continues, MeterState state)
    {
        var generation = before is { } at ? at.Generation + (continues ? 0 : 1) : 1;
        var (rx, tx) = continues ? (before!.Value.RxBytes, before.Value.TxBytes) : (0, 0);
        return new Metered(new MeterPosition(now.Incarnation, generation, state, now.RxBytes, now.TxBytes, now.Handshake), now.RxBytes - rx, now.TxBytes - tx);
    }
}
