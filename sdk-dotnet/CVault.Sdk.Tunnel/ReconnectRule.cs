namespace CVault.Sdk.Tunnel;

/// <summary>
/// When to ask the server for a new session, so that one that was rebooted is found again within seconds. By itself
/// WireGuard does so 15 s after nothing came back (KEEPALIVE_TIMEOUT + REKEY_TIMEOUT), then every 5 s, and after 90 s not at
/// all until something is sent. A server that has the session answers data with a keepalive after 10 s at the latest; what
/// the programs talk to mostly answers at once.
/// </summary>
internal sealed class ReconnectRule(Random random)
{
    /// <summary>How long what is sent may stay unanswered: to be seen at the third look after it. Short, since most programs give up after some seconds.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromSeconds(2.5);

    /// <summary>Where nobody but the server answers, as with a stream in one direction: longer than its keepalive takes.</summary>
    public static readonly TimeSpan Late = TimeSpan.FromSeconds(12);

    // What WireGuard sends and receives of its own accord, in bytes of its UDP payload.
    private const int Keepalive = 32, HandshakeResponse = 92;

    private TimeSpan patience = Soon;
    private DateTimeOffset? unansweredSince; // the first data that nothing came back after
    private DateTimeOffset renewAfter = DateTimeOffset.MinValue;
    private bool renewed; // and nothing but WireGuard's own came back since
    private Reading? before;

    /// <summary>Told each second what the interface has counted.</summary>
    public bool MustRenew(Reading reading, DateTimeOffset now)
    {
        var (rx, tx) = (reading.RxBytes - (before?.RxBytes ?? reading.RxBytes), reading.TxBytes - (before?.TxBytes ?? reading.TxBytes));
        before = reading;
        if (rx > 0)
        {
            unansweredSince = null;
            if (rx > HandshakeResponse + Keepalive) (renewed, patience) = (false, Soon);
            else if (renewed) (renewed, patience) = (false, Longer());
        }
        else if (tx > Keepalive) unansweredSince ??= now;

        if (unansweredSince is not { } since || now - since < patience || now < renewAfter) return false;
        // Not all of a server's clients in the same moment; still often enough to come back within 10 s of the server.
        renewAfter = now + TimeSpan.FromSeconds(3 + random.NextDouble());
        renewed = true;
        return true;
    }

    private TimeSpan Longer() => patience + patience > Late ? Late : patience + patience;
}
