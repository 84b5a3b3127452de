using System.Net;

namespace CVault.Sdk.Tunnel.Tests;

/// <summary>When the tunnel asks its server for a new session. Time is told in seconds, as the watch looks.</summary>
public sealed class ReconnectRuleTests
{
    private readonly ReconnectRule rule = new(new Random(1));
    private readonly List<int> renewed = [];
    private long rx = 1000, tx = 1000;
    private int second;

    [Fact]
    public void a_server_that_answers_is_left_alone()
    {
        Pass(120, sent: 1000, received: 1000);
        Assert.Empty(renewed);
    }

    [Fact]
    public void an_idle_tunnel_is_left_alone_and_its_keepalives_need_no_answer()
    {
        for (var i = 0; i < 10; i++)
        {
            Pass(24, 0, 0);
            Pass(1, sent: 32, received: 0);
        }

        Assert.Empty(renewed);
    }

    [Fact]
    public void a_server_that_is_away_is_asked_within_five_seconds_and_every_few_from_then()
    {
        Pass(10, 500, 500);
        Pass(60, sent: 500, received: 0);
        Assert.InRange(renewed[0], 12, 14);
        Assert.All(renewed.Zip(renewed.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 3, 5));
    }

    [Fact]
    public void one_packet_is_enough_to_find_out()
    {
        Pass(10, 500, 500);
        Pass(1, sent: 96, received: 0);
        Pass(5, 0, 0);
        Assert.Single(renewed);
    }

    [Fact]
    public void a_stream_that_nobody_answers_is_left_alone_after_some_tries()
    {
        // A server that is there answers each try with a handshake and, by WireGuard's rule, data with a keepalive after 10 s.
        var silence = 0;
        for (var i = 0; i < 300; i++)
        {
            var before = renewed.Count;
            silence++;
            var answer = silence >= 10 ? 32 : 0;
            if (answer > 0) silence = 0;
            Pass(1, sent: 500, received: answer);
            if (renewed.Count > before) Pass(1, sent: 148, received: 92);
        }

        Assert.InRange(renewed.Count, 1, 3);
        Assert.DoesNotContain(renewed, at => at > 60);
    }

    [Fact]
    public void patience_is_short_again_once_programs_are_answered()
    {
        a_stream_that_nobody_answers_is_left_alone_after_some_tries();
        renewed.Clear();
        Pass(5, 500, 5000);
        var lost = second;
        Pass(10, sent: 500, received: 0);
        Assert.InRange(renewed[0] - lost, 3, 4);
    }

    [Fact]
    public void up_is_a_handshake_within_180_seconds()
    {
        var now = DateTimeOffset.UnixEpoch.AddDays(1);
        Assert.Equal(TunnelState.Down, WireGuardTunnel.StateOf(null, now));
        Assert.Equal(TunnelState.Connecting, WireGuardTunnel.StateOf(new Reading(null, 0, 0, null), now));
        Assert.Equal(TunnelState.Up, WireGuardTunnel.StateOf(new Reading(now.AddSeconds(-180), 0, 0, null), now));
        Assert.Equal(TunnelState.Connecting, WireGuardTunnel.StateOf(new Reading(now.AddSeconds(-181), 0, 0, null), now));
    }

    private void Pass(int seconds, int sent, int received)
    {
        for (var i = 0; i < seconds; i++)
        {
            second++;
            rx += received;
            tx += sent;
            if (rule.MustRenew(new Reading(null, rx, tx, new IPEndPoint(1, 1)), DateTimeOffset.UnixEpoch.AddSeconds(second))) renewed.Add(second);
        }
    }
}
