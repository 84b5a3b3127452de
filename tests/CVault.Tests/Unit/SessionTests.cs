using System.Security.Claims;
using CVault.Devices;
using CVault.IpLeases;
using CVault.Security;
using CVault.Sessions;

namespace CVault.Tests.Unit;

/// <summary>A session's life, and what connecting decides.</summary>
public sealed class SessionTests
{
    private static readonly Guid SessionId = Guid.Parse("01890a5d-ac96-774b-bcce-b302099a805c");
    private static readonly Session Open = new(SessionId, Samples.Device.UserId, Samples.Device.Id, Samples.Device.Id, Samples.Server.Id, "10.8.0.2", SessionStatus.Active, Samples.Now, null, null);
    private static readonly DeviceHome Away = new(Samples.OtherServer.Id, "10.9.0.7", "fd01::7");
    private static readonly IpLease Lease = new(Samples.OtherServer.Id, 7, "10.9.0.7", "fd01::7");
    private static readonly ClaimsPrincipal User = new(new ClaimsIdentity([new Claim(Actor.TenantClaim, Samples.Tenant.Id.ToString()), new Claim(Actor.UserClaim, Samples.Device.UserId.ToString())]));

    [Fact]
    public void a_session_is_what_its_events_say()
    {
        var session = Session.Create(Samples.Stored(SessionId, new SessionStarted(Samples.Device.UserId, Samples.Device.Id, Samples.Server.Id, "10.8.0.2")));
        Assert.Equal(Open, session);

        session = session.Apply(Samples.Stored(SessionId, new SessionEnded("disconnected"), Samples.Now.AddHours(1)));
        Assert.Equal((SessionStatus.Disconnected, null, Samples.Now.AddHours(1), "disconnected"), (session.Status, session.LiveDevice, session.DisconnectedAt, session.EndReason));
        Assert.Equal(Samples.Device.Id, session.DeviceId);
    }

    /// <summary>Row 24: the clock is put back by five minutes while a session lasts, or the server's is behind.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(-60)]
    public void a_clock_that_was_put_back_makes_a_session_of_nothing_never_one_of_less(int? saidAt)
    {
        var session = Open.Apply(Samples.Stored(SessionId, new SessionEnded(SessionEnded.TimedOut, saidAt is { } s ? Samples.Now.AddSeconds(s) : null), Samples.Now.AddMinutes(-5)));
        Assert.Equal(session.ConnectedAt, session.DisconnectedAt);
    }

    [Fact]
    public void connecting_begins_a_session_where_the_device_is()
    {
        var (view, peer, recorded, messages) = Connect(new Connection(Samples.Device, null, Samples.Server, null, null, 7));
        Assert.Equal(("203.0.113.7", 51820, "us-east", "10.8.0.2", "connected"), (view.ServerIp, view.ServerPort, view.ServerRegion, view.AssignedIp, view.Status));
        Assert.Null(view.Config);
        Assert.Equal(new PeerChange(Samples.Server.Id, "DEVICE-KEY", Wanted: true), peer);
        Assert.Equal([new SessionStarted(Samples.Device.UserId, Samples.Device.Id, Samples.Server.Id, "10.8.0.2", 7)], recorded.Events);
        Assert.NotEmpty(recorded.EventsOf(view.SessionId));
        Assert.Empty(messages);
    }

    [Fact]
    public void connecting_again_is_the_same_session()
    {
        var (view, _, recorded, _) = Connect(new Connection(Samples.Device, Open, Samples.Server, null, null, 7));
        Assert.Equal(SessionId, view.SessionId);
        Assert.Empty(recorded.Events);
    }

    [Fact]
    public void connecting_elsewhere_moves_the_device_and_its_session()
    {
        var (view, peer, recorded, messages) = Connect(new Connection(Samples.Device, Open, Samples.OtherServer, new Move(Samples.OtherServer, Away, Lease, null), "NEW CONFIG", 7));
        Assert.Equal(("203.0.113.8", "eu-west", "10.9.0.7", "NEW CONFIG"), (view.ServerIp, view.ServerRegion, view.AssignedIp, view.Config));
        Assert.Equal(new PeerChange(Samples.OtherServer.Id, "DEVICE-KEY", Wanted: true), peer);

        Assert.Equal([new DeviceMoved(Samples.Device.Home!, new DeviceHome(Samples.OtherServer.Id, "10.9.0.7", "fd01::7"))], recorded.EventsOf(Samples.Device.Id));
        Assert.Equal([new SessionEnded("superseded")], recorded.EventsOf(SessionId));
        Assert.Equal([new SessionStarted(Samples.Device.UserId, Samples.Device.Id, Samples.OtherServer.Id, "10.9.0.7", 7)], recorded.EventsOf(view.SessionId));
        Assert.Equal([new IpLeased(Samples.OtherServer.Id, "10.9.0.7", "fd01::7", Samples.Tenant.Id, Samples.Device.Id)], recorded.EventsOf(IpLease.StreamId(Samples.OtherServer.Id, 7)));
        Assert.Empty(recorded.EventsOf(IpLease.StreamId(Samples.Server.Id, 2)));
        Assert.Equal([new ReconcileServer(Samples.OtherServer.Id), new MoveBegun(Samples.Device.Id)], messages);
    }

    [Fact]
    public void connecting_where_the_device_is_just_leaving_takes_no_other_address()
    {
        var device = Samples.Device with { Home = Away, Leaving = Samples.Device.Home };
        var (view, _, recorded, _) = Connect(new Connection(device, null, Samples.Server, new Move(Samples.Server, Samples.Device.Home!, null, null), "CONFIG", 7));
        Assert.Equal(("10.8.0.2", "CONFIG"), (view.AssignedIp, view.Config));
        Assert.Equal([new DeviceMoved(Away, Samples.Device.Home!)], recorded.EventsOf(device.Id));
        Assert.Equal(2, recorded.Events.Length); // that, and the session's begin
    }

    [Fact]
    public void connecting_to_a_third_server_gives_up_the_first_at_once()
    {
        var device = Samples.Device with { Home = Away, Leaving = Samples.Device.Home };
        var third = Samples.OtherServer with { Id = Guid.NewGuid(), Region = "moon" };
        var there = new DeviceHome(third.Id, "10.9.0.9", "fd01::9");
        var (_, peer, recorded, messages) = Connect(new Connection(device, null, third, new Move(third, there, new IpLease(third.Id, 9, there.Address, there.Address6), Samples.Server), "CONFIG", 7));
        Assert.Equal(third.Id, peer!.Value.ServerId);
        Assert.Equal([new DeviceLeft(Samples.Device.Home!, "moved_on"), new DeviceMoved(Away, there)], recorded.EventsOf(device.Id));
        Assert.Equal([new IpReleased(device.Id, "moved", Samples.Now.AddMinutes(5))], recorded.EventsOf(IpLease.StreamId(Samples.Server.Id, 2)));
        Assert.Empty(recorded.EventsOf(IpLease.StreamId(Samples.OtherServer.Id, 7)));
        Assert.Equal([new ReconcileServer(third.Id), new ReconcileServer(Samples.Server.Id), new MoveBegun(device.Id)], messages);
    }

    [Fact]
    public void connecting_a_parked_device_gives_it_a_home_and_a_config()
    {
        var device = Samples.Device with { Home = null };
        var (view, peer, recorded, messages) = Connect(new Connection(device, null, Samples.OtherServer, new Move(Samples.OtherServer, Away, Lease, null), "CONFIG", 7));
        Assert.Equal(("10.9.0.7", "CONFIG"), (view.AssignedIp, view.Config));
        Assert.Equal(new PeerChange(Samples.OtherServer.Id, "DEVICE-KEY", Wanted: true), peer);
        Assert.Equal([new DevicePlaced(device.UserId, "DEVICE-KEY", device.PresharedKey, Away)], recorded.EventsOf(device.Id));
        Assert.Equal(new ReconcileServer(Samples.OtherServer.Id), messages.First());
    }

    [Fact]
    public void a_session_on_another_server_ends_when_its_device_connects_at_home()
    {
        var (view, _, recorded, _) = Connect(new Connection(Samples.Device, Open with { ServerId = Samples.OtherServer.Id }, Samples.Server, null, null, 7));
        Assert.NotEqual(SessionId, view.SessionId);
        Assert.Equal([new SessionEnded("superseded")], recorded.EventsOf(SessionId));
    }

    [Fact]
    public void disconnecting_ends_every_open_session_and_says_which()
    {
        var other = Open with { Id = Guid.NewGuid() };
        var (reply, changes, messages) = DisconnectEndpoint.Post(new Ending([Open, other], Ephemeral: true));
        Assert.Equal([new SessionOver(Open.DeviceId), new SessionOver(Open.DeviceId)], messages);
        Assert.Empty(DisconnectEndpoint.Post(new Ending([Open], Ephemeral: false)).Item3);
        Assert.Equal(new DisconnectedView(SessionId, "disconnected", 2), reply.Body);
        Assert.Equal([new SessionEnded("disconnected"), new SessionEnded("disconnected")], Recorder.Of(changes).Events);
    }

    [Fact]
    public void disconnecting_what_is_not_connected_is_no_error()
    {
        var (reply, changes, _) = DisconnectEndpoint.Post(new Ending([], true));
        Assert.Equal((200, new DisconnectedView(null, "disconnected", 0)), (reply.Status, reply.Body));
        Assert.Empty(Recorder.Of(changes).Events);
    }

    [Fact]
    public void connecting_needs_a_device() =>
        Assert.Equal(["device_id"], Assert.IsType<Dictionary<string, string[]>>(ConnectEndpoint.Validate(new Connect(null, null)).Extensions["errors"]).Keys);

    private static (ConnectedView View, PeerChange? Peer, Recording Recorded, IEnumerable<object> Messages) Connect(Connection connection)
    {
        var (reply, changes, messages) = ConnectEndpoint.Post(new Connect(connection.Device.Id, null), connection, User, LeaseRules.Default, new Clock(Samples.Now));
        return (Assert.IsType<ConnectedView>(reply.Body), reply.Peer, Recorder.Of(changes), messages);
    }
}
