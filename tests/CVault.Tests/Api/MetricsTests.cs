using System.Net;
using System.Text.RegularExpressions;

namespace CVault.Tests.Api;

/// <summary><c>/metrics</c>, for whoever runs the platform.</summary>
public sealed class MetricsTests(Stack stack)
{
    private static readonly Uri Url = new(Stack.Environment("CVAULT_METRICS_URL"));

    [Fact]
    public async Task metrics_tell_of_readings_and_read_models_and_name_no_tenant()
    {
        var tenant = await stack.NewTenantAsync();
        var user = await tenant.NewUserAsync();
        var device = await user.NewDeviceAsync();
        await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id });
        string text = "";
        await Stack.EventuallyAsync("the node that serves it leads the read models and reads servers", TimeSpan.FromSeconds(60), async () =>
        {
            text = await stack.Http.GetStringAsync(Url);
            return text.Contains("cvault_read_model_lag_events", StringComparison.Ordinal) && text.Contains("cvault_readings_total", StringComparison.Ordinal);
        });

        foreach (var model in new[] { "usage", "activity", "load" })
        {
            Assert.Matches($"(?m)^cvault_read_model_stopped\\{{[^}}]*model=\"{model}\"[^}}]*\\}} 0$", text);
            Assert.Matches($"(?m)^cvault_read_model_dead_letters\\{{[^}}]*model=\"{model}\"[^}}]*\\}} 0$", text);
        }

        Assert.Matches("(?m)^cvault_readings_total\\{[^}]*result=\"counted\"[^}]*\\} [1-9]", text);
        // Prometheus' text format: a comment, or a name, labels, a number and perhaps a time.
        Assert.All(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => Assert.Matches(@"^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? ([-+0-9.eE]+|\+Inf|NaN)( \d+)?)$", l));
        foreach (var secret in new[] { tenant.Id, user.Id, device.Id, user.Email }) Assert.DoesNotContain(secret, text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotMatch(new Regex("tenant[._]id"), text);
        // Nor how the database is reached; Npgsql names a pool by its connection string.
        Assert.Matches("(?m)^db_client_connection_max\\{[^}]*db_client_connection_pool_name=\"cvault\"[^}]*\\} ", text);
        Assert.DoesNotMatch(new Regex("(?i)username=|host=|password="), text);
    }

    [Fact]
    public async Task they_are_on_a_port_of_their_own_and_nothing_else_is_there()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await stack.SendAsync(HttpMethod.Get, "/metrics")).Status);
        using var other = await stack.Http.GetAsync(new Uri(Url, "/health"));
        Assert.Equal(HttpStatusCode.NotFound, other.StatusCode);
    }
}
