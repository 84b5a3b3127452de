using CVault.Projections;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace CVault.Api;

/// <summary>
/// <c>GET /metrics</c>, as Prometheus reads it, on a port of its own: it is for whoever runs the platform, and no caller of
/// the API can reach it. No series names a tenant.
/// </summary>
public static class Metrics
{
    public static void AddMetrics(this IServiceCollection services, int? port)
    {
        if (port is null) return;
        services.AddOpenTelemetry().ConfigureResource(r => r.AddService("cvault")).WithMetrics(metrics => metrics
            .AddMeter(Instruments.MeterName, Meters.MeterName, "Wolverine:cvault", "Npgsql", "Microsoft.AspNetCore.Hosting", "System.Runtime")
            // Wolverine's have the tenant's id among their tags.
            .AddView(instrument => instrument.Meter.Name.StartsWith("Wolverine", StringComparison.Ordinal) ? new MetricStreamConfiguration { TagKeys = ["message.type", "exception.type"] } : null)
            .AddPrometheusHttpListener(listener => (listener.Host, listener.Port) = ("127.0.0.1", port.Value)));
    }
}
