using CVault.Projections.Activity;
using CVault.Projections.Billing;
using CVault.Projections.Load;
using CVault.Projections.Usage;
using Marten;
using Microsoft.Extensions.DependencyInjection;

namespace CVault.Projections;

/// <summary>The read models and what keeps them up with the events.</summary>
public static class ProjectionServices
{
    /// <summary>After the write side's services: hosted services start in this order, and the read models need the events' table.</summary>
    public static void AddProjections(this IServiceCollection services)
    {
        services.AddSingleton<ReadModel, UsageModel>();
        services.AddSingleton<ReadModel, ActivityModel>();
        services.AddSingleton<ReadModel, LoadModel>();
        services.AddSingleton<CommitSignal>();
        services.ConfigureMarten((s, store) => store.Listeners.Add(s.GetRequiredService<CommitSignal>()));
        services.AddHostedService<ReadModelTables>();
        services.AddHostedService<Projector>();
        services.AddSingleton<CloseMonths>();
        services.AddHostedService(s => s.GetRequiredService<CloseMonths>());
        services.AddHostedService<FeedStripe>();
    }
}
