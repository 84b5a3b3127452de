using System.Net;
using CVault.Tests.Lab;

namespace CVault.Tests.Api;

/// <summary>A node on a host that lives by another time than UTC.</summary>
[Collection(Alone.Name)]
public sealed class TimeZoneTests(Stack stack)
{
    [Fact]
    public async Task a_day_is_the_same_whichever_node_is_asked()
    {
        var tenant = await stack.NewTenantAsync();
        await using var node = await Node.StartAsync(stack, ("TZ", "America/New_York"));
        var usage = new Uri(node.Url, "/api/v1/usage?from=2026-03-01&to=2026-03-02&granularity=hour");
        using var request = new HttpRequestMessage(HttpMethod.Get, usage) { Headers = { { "X-API-Key", tenant.ApiKey }, { "X-API-Secret", tenant.ApiSecret } } };
        using var answer = await stack.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var events = new EventStore(stack);
        await using var _ = events;
        var session = await events.StartAsync(tenant.Id, Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid(), new DateTimeOffset(2026, 3, 2, 1, 0, 0, TimeSpan.Zero));
        await events.MeterAsync(tenant.Id, Guid.NewGuid(), new DateTimeOffset(2026, 3, 2, 1, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 3, 2, 1, 0, 15, TimeSpan.Zero), new CVault.Metering.Sample(session.Number, 5, 5));
        await Stack.EventuallyAsync("it is usage of the second", TimeSpan.FromSeconds(20), async () =>
            (await tenant.SendAsync(HttpMethod.Get, "/api/v1/usage?from=2026-03-02&to=2026-03-03")).Json["series"]!.AsArray().Count == 1);

        // By New York's midnights it would be of the first.
        using var again = new HttpRequestMessage(HttpMethod.Get, usage) { Headers = { { "X-API-Key", tenant.ApiKey }, { "X-API-Secret", tenant.ApiSecret } } };
        using var first = await stack.Http.SendAsync(again);
        Assert.Empty(System.Text.Json.Nodes.JsonNode.Parse(await first.Content.ReadAsStringAsync())!["series"]!.AsArray());
    }
}
