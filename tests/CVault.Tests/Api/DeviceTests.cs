using System.Net;
using CVault.Devices;

namespace CVault.Tests.Api;

/// <summary><c>/api/v1/devices</c>: a user's devices.</summary>
public sealed class DeviceTests(Stack stack)
{
    private const string Devices = "/api/v1/devices";

    [Fact]
    public async Task a_device_gets_an_address_a_config_and_a_live_peer()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var answer = (await user.RegisterDeviceAsync("MacBook Pro")).Is(HttpStatusCode.Created);
        Assert.True(Guid.TryParse(answer.Text("device_id"), out _));
        Assert.Equal($"{Devices}/{answer.Text("device_id")}", answer.Headers["Location"]);
        Assert.Equal("MacBook Pro", (await stack.LiveAsync(answer)).Text("device_name"));
        Assert.StartsWith("10.", answer.Text("assigned_ip"), StringComparison.Ordinal);

        var config = answer.Text("config");
        Assert.Contains($"\nAddress = {answer.Text("assigned_ip")}/32, {answer.Text("assigned_ipv6")}/128\n", config, StringComparison.Ordinal);
        Assert.Matches(@"\nPrivateKey = [A-Za-z0-9+/]{43}=\n", config);
        Assert.Matches(@"\nEndpoint = [^\n]+:51820\n", config);
        Assert.Matches(@"\nDNS = [0-9.]+\n", config);
    }

    [Fact]
    public async Task a_device_is_listed_and_read_without_its_secrets()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync("Zoë's 📱");
        var read = (await user.SendAsync(HttpMethod.Get, $"{Devices}/{device.Id}")).Is(HttpStatusCode.OK);
        Assert.Equal(
            [device.Id, "Zoë's 📱", device.PublicKey, device.AssignedIp, "managed", "active"],
            new[] { "device_id", "device_name", "public_key", "assigned_ip", "key_custody", "status" }.Select(read.Text));
        Assert.DoesNotContain("PrivateKey", read.Body, StringComparison.OrdinalIgnoreCase);

        var listed = (await user.SendAsync(HttpMethod.Get, Devices)).Is(HttpStatusCode.OK);
        Assert.Equal(read.Json.ToJsonString(), Assert.Single(listed.Json["devices"]!.AsArray())!.ToJsonString());
        Assert.Null(listed.Json["next_cursor"]);
    }

    [Fact]
    public async Task a_name_is_kept_without_surrounding_space() =>
        Assert.Equal("Laptop", (await (await (await stack.NewTenantAsync()).NewUserAsync()).RegisterDeviceAsync("  Laptop ")).Text("device_name"));

    [Fact]
    public async Task a_region_that_is_asked_for_is_where_the_device_goes()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        Assert.Equal("us-east", (await user.NewDeviceAsync(region: "us-east")).Region);
        Assert.Equal("eu-west", (await user.NewDeviceAsync(region: "eu-west")).Region);
    }

    [Fact]
    public async Task without_a_limit_a_user_has_as_many_devices_as_they_like_and_with_none_no_device()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1 });
        var user = await tenant.NewUserAsync();
        await user.NewDeviceAsync();
        (await user.RegisterDeviceAsync("One too many")).IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        var changed = (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { max_devices_per_user = (int?)null })).Is(HttpStatusCode.OK);
        Assert.Null(changed.Json["max_devices_per_user"]);
        for (var i = 0; i < 6; i++) await user.NewDeviceAsync();
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { max_devices_per_user = 0 })).Is(HttpStatusCode.OK);
        (await user.RegisterDeviceAsync("None at all")).IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
    }

    [Fact]
    public async Task a_region_without_a_server_is_unavailable_and_takes_no_slot()
    {
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 1 })).NewUserAsync();
        var refused = await user.RegisterDeviceAsync(region: "moon");
        refused.IsProblem(503, "SERVER_UNAVAILABLE");
        Assert.True(int.Parse(refused.Headers["Retry-After"]) > 0);
        await user.NewDeviceAsync();
    }

    [Theory]
    [InlineData("""{}""", "device_name")]
    [InlineData("""{"device_name":""}""", "device_name")]
    [InlineData("""{"device_name":"   "}""", "device_name")]
    [InlineData("""{"device_name":"a\u0000b"}""", "device_name")]
    [InlineData("""{"device_name":"a\nPostUp = rm -rf /"}""", "device_name")]
    [InlineData("""{"device_name":"x","public_key":""}""", "public_key")]
    [InlineData("""{"device_name":"x","public_key":"AQID"}""", "public_key")]
    [InlineData("""{"device_name":"x","public_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}""", "public_key")]
    [InlineData("""{"device_name":"x","public_key":"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB="}""", "public_key")]
    [InlineData("""{"device_name":"x","server_region":""}""", "server_region")]
    [InlineData("""{"public_key":"x","server_region":""}""", "device_name,public_key,server_region")]
    public async Task bad_members_are_named(string body, string fields)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var refused = await user.SendAsync(HttpMethod.Post, Devices, body);
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(fields.Split(','), refused.BadFields);
    }

    [Fact]
    public async Task a_name_has_at_most_255_characters()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.RegisterDeviceAsync(new string('n', 255))).Is(HttpStatusCode.Created);
        Assert.Equal(["device_name"], (await user.RegisterDeviceAsync(new string('n', 256))).BadFields);
    }

    [Fact]
    public async Task of_fifty_at_once_exactly_five_become_devices_with_different_addresses()
    {
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 5 })).NewUserAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(n => user.RegisterDeviceAsync("Device " + n, region: "us-east")));
        var created = answers.Where(a => a.Status == HttpStatusCode.Created).ToArray();
        Assert.Equal(5, created.Length);
        foreach (var refused in answers.Except(created)) refused.IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        Assert.Equal(5, created.Select(a => a.Text("assigned_ip")).Distinct().Count());
        Assert.Equal(5, (await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray().Count);
    }

    [Fact]
    public async Task the_limit_is_each_users_own_and_a_revoked_device_gives_its_place_back()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 1 });
        var (user, other) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var device = await user.NewDeviceAsync();
        (await user.RegisterDeviceAsync()).IsProblem(403, "DEVICE_LIMIT_EXCEEDED");
        await other.NewDeviceAsync();
        (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{device.Id}")).Is(HttpStatusCode.OK);
        var next = await user.NewDeviceAsync();
        Assert.NotEqual(device.AssignedIp + device.Region, next.AssignedIp + next.Region);
    }

    [Fact]
    public async Task a_revoked_device_is_gone_for_every_call_as_if_it_had_never_been()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        var revoked = (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{device.Id}")).Is(HttpStatusCode.OK);
        Assert.Equal((device.Id, "revoked"), (revoked.Text("device_id"), revoked.Text("status")));
        await stack.LiveAsync(revoked);
        Assert.Empty((await user.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
        await IsLikeUnknownAsync(user, device.Id);
    }

    [Fact]
    public async Task a_foreign_device_is_like_an_unknown_one()
    {
        var tenant = await stack.NewTenantAsync();
        var (owner, neighbour, stranger) = (await tenant.NewUserAsync(), await tenant.NewUserAsync(), await (await stack.NewTenantAsync()).NewUserAsync());
        var device = await owner.NewDeviceAsync();
        await IsLikeUnknownAsync(neighbour, device.Id);
        await IsLikeUnknownAsync(stranger, device.Id);
        Assert.Empty((await neighbour.SendAsync(HttpMethod.Get, Devices)).Json["devices"]!.AsArray());
        (await owner.SendAsync(HttpMethod.Get, $"{Devices}/{device.Id}")).Is(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("not-an-id")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("%27%3B%20drop%20table--")]
    public async Task what_is_no_device_id_is_not_found(string id)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, $"{Devices}/{id}")).IsProblem(404, "NOT_FOUND");
        (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{id}")).IsProblem(404, "NOT_FOUND");
    }

    [Fact]
    public async Task a_key_that_a_device_brought_is_its_own_until_it_is_revoked()
    {
        var (user, stranger) = (await (await stack.NewTenantAsync()).NewUserAsync(), await (await stack.NewTenantAsync()).NewUserAsync());
        var key = WireGuardKeys.NewPair().PublicKey;
        var device = (await user.RegisterDeviceAsync(publicKey: key)).Is(HttpStatusCode.Created);
        Assert.Equal(key, (await stack.LiveAsync(device)).Text("public_key"));
        Assert.DoesNotContain("\nPrivateKey", device.Text("config"), StringComparison.Ordinal);
        Assert.Contains(WireGuardConfig.PrivateKeyLine, device.Text("config"), StringComparison.Ordinal);

        (await user.RegisterDeviceAsync(publicKey: key)).IsProblem(409, "CONFLICT");
        (await stranger.RegisterDeviceAsync(publicKey: key)).IsProblem(409, "CONFLICT");
        (await user.SendAsync(HttpMethod.Delete, $"{Devices}/{device.Text("device_id")}")).Is(HttpStatusCode.OK);
        await stack.LiveAsync((await stranger.RegisterDeviceAsync(publicKey: key)).Is(HttpStatusCode.Created));
    }

    [Fact]
    public async Task of_many_who_bring_the_same_key_at_once_one_gets_it_and_the_others_lose_no_slot()
    {
        var tenant = await stack.NewTenantAsync(new { max_devices_per_user = 2 });
        var users = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => tenant.NewUserAsync()));
        var key = WireGuardKeys.NewPair().PublicKey;
        var answers = await Task.WhenAll(users.Select(u => u.RegisterDeviceAsync(publicKey: key)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.Created);
        foreach (var refused in answers.Where(a => a.Status != HttpStatusCode.Created)) refused.IsProblem(409, "CONFLICT");
        foreach (var (user, answer) in users.Zip(answers).Where(p => p.Second.Status != HttpStatusCode.Created))
        {
            (await user.RegisterDeviceAsync()).Is(HttpStatusCode.Created);
            (await user.RegisterDeviceAsync()).Is(HttpStatusCode.Created);
        }
    }

    [Fact]
    public async Task a_tenant_may_demand_that_devices_bring_their_keys()
    {
        var user = await (await stack.NewTenantAsync(new { key_custody = "client", max_devices_per_user = 1 })).NewUserAsync();
        var refused = await user.RegisterDeviceAsync();
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["public_key"], refused.BadFields);
        (await user.RegisterDeviceAsync(publicKey: WireGuardKeys.NewPair().PublicKey)).Is(HttpStatusCode.Created);
    }

    /// <summary>Every call that names a device answers for this one as it does for one that never was.</summary>
    private static async Task IsLikeUnknownAsync(TestUser user, string deviceId)
    {
        foreach (var call in new Func<string, Task<Answer>>[]
        {
            id => user.SendAsync(HttpMethod.Get, $"{Devices}/{id}"),
            id => user.SendAsync(HttpMethod.Delete, $"{Devices}/{id}"),
            id => user.SendAsync(HttpMethod.Get, $"{Devices}/{id}/config"),
            id => user.SendAsync(HttpMethod.Get, "/api/v1/vpn/status?device_id=" + id),
            id => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = id }),
            id => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = id, server_region = "eu-west" }),
            id => user.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", new { device_id = id }),
        })
        {
            var (it, unknown) = (await call(deviceId), await call(Guid.CreateVersion7().ToString()));
            it.IsProblem(404, "NOT_FOUND");
            Assert.Equal(unknown.ButRequestId, it.ButRequestId);
        }
    }
}
