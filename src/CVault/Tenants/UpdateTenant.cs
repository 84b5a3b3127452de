using System.Text.Json;
using CVault.Security;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;

namespace CVault.Tenants;

/// <param name="Stream">The tenant's.</param>
/// <param name="Use">What it has moved this month, held; null where the command changes no limit of that.</param>
public sealed record TenantFacts(IEventStream<Tenant> Stream, BandwidthUse? Use);

/// <summary><c>PATCH /admin/tenants/{id}</c>: name, status, limits and settings; what is absent stays.</summary>
public static class UpdateTenant
{
    public static ProblemDetails Validate(TenantChanges? command) =>
        command is null ? Body.Missing() : command.Errors(nameRequired: false).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    /// <summary>
    /// Where the bandwidth limit is to change, holds what has been moved under it before the tenant is read, so that the
    /// change waits for readings that are being added and decides on all of that.
    /// </summary>
    public static async Task<(TenantFacts?, ProblemDetails)> LoadAsync(Guid id, TenantChanges command, IDocumentSession session, TimeProvider time, CancellationToken cancellation)
    {
        var use = command.BandwidthLimitGb.ValueKind == JsonValueKind.Undefined ? null : await Bandwidth.LockAsync(session, time.GetUtcNow(), cancellation);
        var stream = await session.Events.FetchForWriting<Tenant>(id, cancellation);
        return stream.Aggregate is null ? (null, Problems.NotFound()) : (new TenantFacts(stream, use), WolverineContinue.NoProblems);
    }

    [WolverinePatch("/admin/tenants/{id:guid}", OperationId = "updateTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<TenantView>(200)]
    public static (Reply, Changes, OutgoingMessages) Patch(Guid id, TenantChanges command, [NotBody] TenantFacts facts)
    {
        var (reply, events, messages) = Answer(command, facts.Stream.Aggregate!, facts.Use);
        var changes = new Changes();
        if (events.Length > 0) changes.Append(facts.Stream, events);
        changes.Add(Bandwidth.Remember(id, events));
        return (reply, changes, messages);
    }

    /// <summary>The command's answer, events and messages.</summary>
    /// <param name="command">The command.</param>
    /// <param name="tenant">The tenant.</param>
    /// <param name="use">What it has moved this month; null where the command changes no limit of that.</param>
    public static (Reply Reply, object[] Events, OutgoingMessages Messages) Answer(TenantChanges command, Tenant tenant, BandwidthUse? use)
    {
        var events = Decide(command, tenant, use).ToArray();
        var after = events.Aggregate(tenant, (t, e) => e switch
        {
            TenantRenamed r => t.Apply(r),
            TenantSettingsChanged s => t.Apply(s),
            BandwidthExhausted b => t.Apply(b),
            BandwidthRestored b => t.Apply(b),
            TenantSuspended s => t.Apply(s),
            TenantReinstated r => t.Apply(r),
            _ => t,
        });
        var messages = SuspendTenant.Announce(tenant, after);
        if (after.Settings.LeaseIdleDays is { } days && days != tenant.Settings.LeaseIdleDays) messages.Add(new LeaseTimeChanged(after.Id));
        return (Reply.Ok(TenantView.Of(after)) with { ChangesCredentials = true }, events, messages);
    }

    /// <summary>What the command changes; nothing where it says what already is.</summary>
    /// <param name="command">The command.</param>
    /// <param name="tenant">The tenant.</param>
    /// <param name="use">What it has moved this month; null where the command changes no limit of that.</param>
    public static IEnumerable<object> Decide(TenantChanges command, Tenant tenant, BandwidthUse? use = null)
    {
        if (command.Name is { } name && name.Trim() != tenant.Name) yield return new TenantRenamed(name.Trim());
        var settings = command.ApplyTo(tenant.Settings);
        if (!settings.SameAs(tenant.Settings)) yield return new TenantSettingsChanged(settings);
        foreach (var standing in use?.Settle(tenant, settings.BandwidthLimitBytes) ?? []) yield return standing;
        if (!Names.TryParse<TenantStatus>(command.Status, out var status) || (status == tenant.Status && !tenant.MaySettle)) yield break;
        if (status == TenantStatus.Suspended) yield return new TenantSuspended("operator");
        else yield return new TenantReinstated(status);
    }
}
