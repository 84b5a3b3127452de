using System.Text.Json;
using CVault.Security;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine;
using Wolverine.Http;

namespace CVault.Tenants;

/// <summary>A tenant's settings, as its own staff sees them.</summary>
public sealed record SettingsView
{
    public required Guid TenantId { get; init; }
    public required string Name { get; init; }

    /// <summary>Whom CVault writes to about the account; null for nobody.</summary>
    public required string? ContactEmail { get; init; }

    /// <summary><c>active</c>, <c>trial</c> or <c>suspended</c>. The operator's to change, as are the limits.</summary>
    public required string Status { get; init; }

    /// <summary>Decimal gigabytes a month; null is unlimited.</summary>
    public required int? BandwidthLimitGb { get; init; }
    /// <summary>Whether all of that was moved this month (UTC): then there are no tunnels until the next, or a higher limit.</summary>
    public required bool OverBandwidth { get; init; }
    public required int? UserLimit { get; init; }
    public required int? MaxDevicesPerUser { get; init; }
    public required int? RequestsPerMinute { get; init; }

    /// <summary><c>sticky</c> or <c>ephemeral</c>.</summary>
    public required string LeasePolicy { get; init; }

    /// <summary>Days without a handshake after which a device loses its address; null is never.</summary>
    public required int? LeaseIdleDays { get; init; }

    /// <summary><c>managed</c> or <c>client</c>.</summary>
    public required string KeyCustody { get; init; }

    /// <summary><c>off</c> or <c>required</c>.</summary>
    public required string EmailVerification { get; init; }
    public required object WhitelabelConfig { get; init; }

    /// <summary>False until the owner has followed the mail of the sign-up; until then the API keys open nothing.</summary>
    public required bool EmailVerified { get; init; }

    /// <param name="key">The tenant's own data key; null where it has none.</param>
    public static SettingsView Of(Tenant tenant, DataKey? key)
    {
        var view = TenantView.Of(tenant);
        return new SettingsView
        {
            TenantId = view.Id, Name = view.Name, ContactEmail = tenant.ContactEmail is { } email ? key?.Open(Emails.Purpose, email) : null, Status = view.Status,
            BandwidthLimitGb = view.BandwidthLimitGb, OverBandwidth = view.OverBandwidth, UserLimit = view.UserLimit, MaxDevicesPerUser = view.MaxDevicesPerUser, RequestsPerMinute = view.RequestsPerMinute,
            LeasePolicy = view.LeasePolicy, LeaseIdleDays = view.LeaseIdleDays, KeyCustody = view.KeyCustody, EmailVerification = view.EmailVerification, WhitelabelConfig = view.WhitelabelConfig, EmailVerified = tenant.Verified,
        };
    }
}

/// <summary>Body of <c>PATCH tenant/settings</c>: what members may change themselves. An absent member stays; null sets to none where that is possible.</summary>
public sealed class SettingsChanges
{
    public string? Name { get; init; }
    public JsonElement ContactEmail { get; init; }
    public string? LeasePolicy { get; init; }
    public JsonElement LeaseIdleDays { get; init; }
    public string? KeyCustody { get; init; }
    public string? EmailVerification { get; init; }
    public JsonElement WhitelabelConfig { get; init; }

    public IEnumerable<(string Field, string Message)> Errors()
    {
        if (ContactEmail.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null) && !(ContactEmail.ValueKind == JsonValueKind.String && Texts.IsStorable(ContactEmail) && Emails.IsWellFormed(ContactEmail.GetString()!)))
        {
            yield return ("contact_email", "An email address, or null for none.");
        }

        foreach (var error in ToTenantChanges().Errors(nameRequired: false)) yield return error;
    }

    /// <summary>The part that operators may change as well, as they would.</summary>
    public TenantChanges ToTenantChanges() => new() { Name = Name, LeasePolicy = LeasePolicy, LeaseIdleDays = LeaseIdleDays, KeyCustody = KeyCustody, EmailVerification = EmailVerification, WhitelabelConfig = WhitelabelConfig };
}

/// <summary><c>GET /api/v1/tenant/settings</c>.</summary>
public static class GetSettings
{
    [WolverineGet("/api/v1/tenant/settings", OperationId = "getSettings"), Authorize(Roles.May + nameof(Permission.ReadTenant))]
    [ProducesResponseType<SettingsView>(200)]
    public static async Task<Reply> Get(HttpContext http, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        var tenant = TenantAuthentication.TenantOf(http);
        return Reply.Ok(SettingsView.Of(tenant, tenant.ContactEmail is null ? null : await DataKeys.LoadAsync(session, master, tenant.Id, cancellation)));
    }
}

/// <param name="Key">What the tenant's own contact is sealed under.</param>
/// <param name="IsNew">Whether it is only being made now.</param>
public sealed record SettingsFacts(IEventStream<Tenant> Stream, DataKey Key, bool IsNew);

/// <summary><c>PATCH /api/v1/tenant/settings</c>.</summary>
public static class UpdateSettings
{
    public static ProblemDetails Validate(SettingsChanges? command) =>
        command is null ? Body.Missing() : command.Errors().ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    public static async Task<(SettingsFacts?, ProblemDetails)> LoadAsync(SettingsChanges command, HttpContext http, IDocumentSession session, MasterKey master, CancellationToken cancellation)
    {
        var id = http.User.TenantId();
        var stream = await session.Events.FetchForWriting<Tenant>(id, cancellation);
        if (!stream.Aggregate!.Members.TryGetValue(http.User.MemberId(), out var member) || !member.Role.Has(Permission.ManageSettings)) return (null, Problems.Forbidden());
        var key = await DataKeys.LoadAsync(session, master, id, cancellation);
        return (new SettingsFacts(stream, key ?? DataKey.Create(id), key is null), WolverineContinue.NoProblems);
    }

    [WolverinePatch("/api/v1/tenant/settings", OperationId = "updateSettings"), Authorize(Roles.May + nameof(Permission.ManageSettings))]
    [ProducesResponseType<SettingsView>(200)]
    public static (Reply, Changes, OutgoingMessages) Patch(SettingsChanges command, SettingsFacts facts, MasterKey master)
    {
        var tenant = facts.Stream.Aggregate!;
        List<object> events = [.. UpdateTenant.Decide(command.ToTenantChanges(), tenant)];
        var contact = command.ContactEmail.ValueKind == JsonValueKind.String ? Emails.Normalize(command.ContactEmail.GetString()!) : null;
        var old = tenant.ContactEmail is { } email && !facts.IsNew ? facts.Key.Open(Emails.Purpose, email) : null;
        if (command.ContactEmail.ValueKind != JsonValueKind.Undefined && contact != old)
        {
            events.Add(new TenantContactChanged(contact is null ? null : facts.Key.Seal(Emails.Purpose, contact)));
        }

        var changes = new Changes();
        if (events.Count > 0) changes.Append(facts.Stream, [.. events]);
        if (facts.IsNew && contact is not null) changes.Add(DataKeys.Store(facts.Key, tenant.Id.ToString(), master));
        var after = events.Aggregate(tenant, (t, e) => e switch
        {
            TenantRenamed r => t.Apply(r),
            TenantSettingsChanged s => t.Apply(s),
            TenantContactChanged c => t.Apply(c),
            _ => t,
        });
        OutgoingMessages messages = after.Settings.LeaseIdleDays is { } days && days != tenant.Settings.LeaseIdleDays ? [new LeaseTimeChanged(after.Id)] : [];
        return (Reply.Ok(SettingsView.Of(after, facts.Key)) with { ChangesCredentials = true }, changes, messages);
    }
}
