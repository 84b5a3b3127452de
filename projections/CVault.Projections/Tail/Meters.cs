using System.Diagnostics.Metrics;

namespace CVault.Projections;

/// <summary>What the node that leads measures of the read models, each by the tag <c>model</c>. Other nodes say nothing of them.</summary>
public static class Meters
{
    /// <summary>The meter that they are of.</summary>
    public const string MeterName = "CVault.Projections";

    private static readonly Meter Meter = new(MeterName);
    private static readonly Counter<long> Events = Meter.CreateCounter<long>("cvault_read_model_events_applied", description: "Events that were applied to read models.");

    private static volatile IReadOnlyList<ReadModelRow.Standing> standings = [];

    static Meters()
    {
        Meter.CreateObservableGauge("cvault_read_model_lag_events", () => Of(s => s.LagEvents), description: "Events, at most, that a read model is behind.");
        Meter.CreateObservableGauge("cvault_read_model_dead_letters", () => Of(s => s.DeadLetters), description: "Events that a read model has set aside.");
        Meter.CreateObservableGauge("cvault_read_model_stopped", () => Of(s => s.Row.State == ReadModelRow.Stopped ? 1 : 0), description: "1: it has stopped at an event that it cannot apply, and waits for an operator.");
    }

    internal static void Applied(string model, int events) => Events.Add(events, new KeyValuePair<string, object?>("model", model));

    /// <summary>How all of them stand; nothing, when this node does not lead any more.</summary>
    internal static void Stand(IReadOnlyList<ReadModelRow.Standing> now) => standings = now;

    private static IEnumerable<Measurement<long>> Of(Func<ReadModelRow.Standing, long> of) =>
        standings.Select(s => new Measurement<long>(of(s), new KeyValuePair<string, object?>("model", s.Name)));
}
