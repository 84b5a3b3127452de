using System.Collections.Immutable;
using JasperFx.Events;

namespace CVault.Billing;

/// <summary>A plan that tenants can be subscribed to.</summary>
public sealed record PlanCreated(string Name, PlanTerms Terms, DateTimeOffset At);

/// <summary>From here on it costs this: whoever subscribed before keeps the terms of then.</summary>
/// <param name="Version">From 1, the first terms', on.</param>
public sealed record PlanPriced(int Version, PlanTerms Terms);

public sealed record PlanRenamed(string Name);

/// <summary>Nobody is subscribed to it any more; who is stays.</summary>
public sealed record PlanRetired;

/// <summary>What operators sell. Each change of its terms is another version, and a subscription is to one of them.</summary>
public sealed record Plan(Guid Id, string Name, ImmutableList<PlanTerms> Versions, bool Retired, DateTimeOffset CreatedAt)
{
    /// <summary>The last one's number.</summary>
    public int Version => Versions.Count;

    /// <summary>Null where there is no such version.</summary>
    public PlanTerms? TermsOf(int version) => version >= 1 && version <= Versions.Count ? Versions[version - 1] : null;

    public static Plan Create(IEvent<PlanCreated> e) => new(e.StreamId, e.Data.Name, [e.Data.Terms], false, e.Data.At);

    public Plan Apply(PlanPriced e) => this with { Versions = Versions.Add(e.Terms) };

    public Plan Apply(PlanRenamed e) => this with { Name = e.Name };

    public Plan Apply(PlanRetired _) => this with { Retired = true };
}
