using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace CVault.Projections;

/// <summary>What the node that leads measures of the read models, each by the tag <c>model</c>.</summary>
internal static class Meters
{
    private static readonly ConcurrentDictionary<string, long> Lags = new(StringComparer.Ordinal);
    private static readonly Meter Meter = new("CVault.Projections");
    private static readonly Counter<long> Events = Meter.CreateCounter<long>("cvault_read_model_events_applied"), Letters = Meter.CreateCounter<long>("cvault_read_model_dead_letters");

    static Meters() => Meter.CreateObservableGauge("cvault_read_model_lag_events", () => Lags.Select(l => new Measurement<long>(l.Value, Of(l.Key))));

    public static void Applied(string model, int events) => Events.Add(events, Of(model));

    public static void SetAside(string model) => Letters.Add(1, Of(model));

    public static void Lag(string model, long events) => Lags[model] = events;

    private static KeyValuePair<string, object?> Of(string model) => new("model", model);
}
