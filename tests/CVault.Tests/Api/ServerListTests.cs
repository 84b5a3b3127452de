using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>GET /api/v1/servers</c>: where a device could go.</summary>
public sealed class ServerListTests(Stack stack)
{
    [Fact]
    public async Task each_server_shows_its_region_load_and_whether_it_takes_devices()
    {
        var tenant = await stack.NewTenantAsync();
        var answer = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers?limit=200")).Is(HttpStatusCode.OK);
        var servers = answer.Json["servers"]!.AsArray();
        Assert.All(servers, s =>
        {
            Assert.Equal(["available", "id", "load", "region", "simulated"], s!.AsObject().Select(m => m.Key).Order());
            Assert.True(Guid.TryParse(s["id"]!.ToString(), out _));
            Assert.InRange(s["load"]!.GetValue<int>(), 0, 100);
        });
        foreach (var region in new[] { "us-east", "eu-west" })
        {
            Assert.Contains(servers, s => s!["region"]!.ToString() == region && s["available"]!.GetValue<bool>() && s["simulated"]!.GetValue<bool>() == !Stack.HasLab);
        }
    }

    [Fact]
    public async Task what_only_operators_need_to_know_is_not_shown()
    {
        var tenant = await stack.NewTenantAsync();
        var body = (await tenant.SendAsync(HttpMethod.Get, "/api/v1/servers")).Is(HttpStatusCode.OK).Body;
        Assert.All(new[] { "ssh", "capacity", "address_pool", "public_key", "endpoint" }, word => Assert.DoesNotContain(word, body, StringComparison.OrdinalIgnoreCase));
    }
}
