using System.Net;

namespace CVault.Tests.Api;

/// <summary><c>?limit=</c> and <c>?cursor=</c> on every list.</summary>
public sealed class PaginationTests(Stack stack)
{
    [Fact]
    public async Task walking_seven_devices_by_three_meets_each_once()
    {
        var user = await (await stack.NewTenantAsync(new { max_devices_per_user = 7 })).NewUserAsync();
        var made = new List<string>();
        for (var i = 0; i < 7; i++) made.Add((await user.NewDeviceAsync("Device " + i)).Id);

        var (sizes, met, cursor) = (new List<int>(), new List<string>(), "");
        do
        {
            var page = (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices?limit=3&cursor={cursor}")).Is(HttpStatusCode.OK);
            var ids = page.Json["devices"]!.AsArray().Select(d => d!["device_id"]!.ToString()).ToArray();
            sizes.Add(ids.Length);
            met.AddRange(ids);
            cursor = page.Json["next_cursor"]?.ToString();
        }
        while (cursor is not null);

        Assert.Equal([3, 3, 1], sizes);
        Assert.Equal(made, met);
        Assert.Null((await user.SendAsync(HttpMethod.Get, "/api/v1/devices?limit=7")).Json["next_cursor"]);
        Assert.NotNull((await user.SendAsync(HttpMethod.Get, "/api/v1/devices?limit=6")).Json["next_cursor"]);
    }

    [Fact]
    public async Task another_users_cursor_shows_only_ones_own()
    {
        var tenant = await stack.NewTenantAsync();
        var (one, two) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        await one.NewDeviceAsync();
        await one.NewDeviceAsync();
        var own = await two.NewDeviceAsync();
        var cursor = (await one.SendAsync(HttpMethod.Get, "/api/v1/devices?limit=1")).Text("next_cursor");
        var page = (await two.SendAsync(HttpMethod.Get, "/api/v1/devices?cursor=" + cursor)).Is(HttpStatusCode.OK);
        Assert.Equal([own.Id], page.Json["devices"]!.AsArray().Select(d => d!["device_id"]!.ToString()));
    }

    [Fact]
    public async Task servers_are_walked_the_same_way()
    {
        var first = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=1")).Is(HttpStatusCode.OK);
        var second = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?limit=1&cursor=" + first.Text("next_cursor"))).Is(HttpStatusCode.OK);
        Assert.NotEqual(first.Json["servers"]![0]!["id"]!.ToString(), second.Json["servers"]![0]!["id"]!.ToString());
    }

    [Theory]
    [InlineData("limit=0")]
    [InlineData("limit=-1")]
    [InlineData("limit=201")]
    [InlineData("limit=many")]
    [InlineData("limit=1.5")]
    [InlineData("limit=99999999999")]
    [InlineData("cursor=x")]
    [InlineData("cursor=AAAA")]
    [InlineData("cursor=%27%3B--")]
    [InlineData("cursor=%C3%84")]
    [InlineData("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task a_limit_or_cursor_that_is_none_is_refused_on_every_list(string query)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        (await user.SendAsync(HttpMethod.Get, "/api/v1/devices?" + query)).IsProblem(400, "VALIDATION_FAILED");
        (await user.SendAsync(HttpMethod.Get, "/api/v1/servers?" + query)).IsProblem(400, "VALIDATION_FAILED");
        (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers?" + query)).IsProblem(400, "VALIDATION_FAILED");
    }
}
