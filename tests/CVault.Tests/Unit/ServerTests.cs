using CVault.Servers;
using Wolverine.Http;

namespace CVault.Tests.Unit;

/// <summary>A server's life, and what operators change about it.</summary>
public sealed class ServerTests
{
    private static readonly Dictionary<Guid, (int Devices, bool Reachable)> Loads = new() { [Samples.Server.Id] = (10, true) };

    [Fact]
    public void a_server_is_what_its_events_say()
    {
        var s = Samples.Server;
        var server = Server.Create(Samples.Stored(s.Id, new ServerRegistered(
            s.Name, s.Region, s.EndpointHost, s.EndpointPort, s.PublicKey, s.Transport, s.Ssh, s.AddressPool, s.AddressPool6, s.Dns, s.Capacity, s.Status, s.CreatedAt)));
        Assert.Equal(s, server);

        server = server.Apply(new ServerRegionChanged("us-west")).Apply(new ServerCapacityChanged(7)).Apply(new ServerStatusChanged(ServerStatus.Maintenance)).Apply(new ServerSshMoved("203.0.113.9", 2222));
        Assert.Equal(s with { Region = "us-west", Capacity = 7, Status = ServerStatus.Maintenance, Ssh = s.Ssh! with { Host = "203.0.113.9", Port = 2222 } }, server);
    }

    [Fact]
    public void a_server_whose_sshd_moved_keeps_its_pinned_host_key() =>
        Assert.Equal(Samples.Server.Ssh!.HostKey, Samples.Server.Apply(new ServerSshMoved("203.0.113.9", 2222)).Ssh!.HostKey);

    [Fact]
    public void a_change_to_what_already_is_changes_nothing()
    {
        var (reply, events, messages) = UpdateServer.Patch(new ServerChanges("us-east", 100, "active", "203.0.113.7", 22), Samples.Server, Loads);
        Assert.Equal(200, reply.Status);
        Assert.Empty(events);
        Assert.Empty(messages);
    }

    [Fact]
    public void each_kind_of_change_is_an_event_of_its_own_and_the_answer_shows_them_all()
    {
        var (reply, events, messages) = UpdateServer.Patch(new ServerChanges("us-west", 50, "maintenance", null, 2222), Samples.Server, Loads);
        Assert.Equal([new ServerRegionChanged("us-west"), new ServerCapacityChanged(50), new ServerStatusChanged(ServerStatus.Maintenance), new ServerSshMoved("203.0.113.7", 2222)], events);
        var view = Assert.IsType<AdminServerView>(reply.Body);
        Assert.Equal(("us-west", 50, "maintenance", 2222, 10), (view.Region, view.Capacity, view.Status, view.SshPort, view.Devices));
        Assert.Equal([new ServerChanged(Samples.Server.Id)], messages);
    }

    [Theory]
    [InlineData(ServerStatus.Active, true, "active")]
    [InlineData(ServerStatus.Active, false, "offline")]
    [InlineData(ServerStatus.Maintenance, true, "maintenance")]
    [InlineData(ServerStatus.Maintenance, false, "maintenance")]
    public void an_active_server_that_does_not_answer_is_offline(ServerStatus status, bool reachable, string shown) =>
        Assert.Equal(shown, AdminServerView.Of(Samples.Server with { Status = status }, 0, reachable).Status);

    [Theory]
    [InlineData("", null, null, "region")]
    [InlineData("us east", null, null, "region")]
    [InlineData(null, -1, null, "capacity")]
    [InlineData(null, 65_534, null, "capacity")]
    [InlineData(null, null, "offline", "status")]
    public void each_bad_member_is_named(string? region, int? capacity, string? status, string field) =>
        Assert.Equal([field], Assert.IsType<Dictionary<string, string[]>>(UpdateServer.Validate(new ServerChanges(region, capacity, status, null, null)).Extensions["errors"]).Keys);

    [Theory]
    [InlineData("10.8.0.0/15", "address_pool")]
    [InlineData("10.8.0.0/31", "address_pool")]
    [InlineData("fd00::/64", "address_pool")]
    [InlineData("ten", "address_pool")]
    public void a_pool_is_an_IPv4_network_from_16_to_30(string pool, string field) =>
        Assert.Equal([field], Assert.IsType<Dictionary<string, string[]>>(RegisterServerEndpoint.Validate(Registration with { AddressPool = pool }).Extensions["errors"]).Keys);

    [Theory]
    [InlineData("2001:db8::/64")]
    [InlineData("fd00::/48")]
    [InlineData("10.8.0.0/16")]
    public void its_IPv6_network_is_a_unique_local_64(string pool) =>
        Assert.Equal(["address_pool6"], Assert.IsType<Dictionary<string, string[]>>(RegisterServerEndpoint.Validate(Registration with { AddressPool6 = pool }).Extensions["errors"]).Keys);

    [Fact]
    public void a_sensible_server_has_no_errors() => Assert.Same(WolverineContinue.NoProblems, RegisterServerEndpoint.Validate(Registration));

    private static RegisterServer Registration => new() { Name = "vpn9", Region = "us-east", EndpointHost = "203.0.113.9", SshHost = "203.0.113.9", AddressPool6 = "fd12:3456:789a::/64" };
}
