using CVault.Security;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>A new tenant and, this once, its keys.</summary>
[NeverLogged]
public sealed record TenantCreatedView : TenantView
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(TenantCreatedView);

    /// <summary>The secret key's id, for <c>X-API-Key</c>.</summary>
    public required string ApiKey { get; init; }

    /// <summary>The secret, for <c>X-API-Secret</c>. It is not stored and cannot be shown again.</summary>
    public required string ApiSecret { get; init; }

    /// <summary>The key for apps, sent alone in <c>X-API-Key</c>.</summary>
    public required string PublishableKey { get; init; }
}

/// <summary><c>POST /admin/tenants</c>: a new business customer with its first keys.</summary>
public static class CreateTenant
{
    public static ProblemDetails Validate(TenantChanges? command) =>
        command is null ? Body.Missing() : command.Errors(nameRequired: true).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    [WolverinePost("/admin/tenants", OperationId = "createTenant"), NotTenanted, Authorize(Policies.Operator)]
    [ProducesResponseType<TenantCreatedView>(201)]
    public static (Reply, IMartenOp, IMartenOp, IMartenOp) Post(TenantChanges command, LookupKey lookup, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var id = Guid.CreateVersion7(now);
        var (secretKey, secret) = ApiKey.NewSecret(id, lookup, now);
        var publishable = ApiKey.NewPublishable(id, now);
        var created = new TenantCreated(
            command.Name!.Trim(),
            Names.TryParse<TenantStatus>(command.Status, out var status) ? status : TenantStatus.Active,
            command.ApplyTo(new TenantSettings()),
            now);
        var tenant = new Tenant(id, created.Name, created.Status, created.Settings, now);
        // Only a limit of nothing is used up by nothing.
        object[] standing = [.. new BandwidthUse(Bandwidth.MonthOf(now), 0).Settle(tenant, tenant.Settings.BandwidthLimitBytes)];
        var view = TenantView.Of(tenant with { OverBandwidth = standing.Length > 0 });

        return (
            Reply.Created($"/admin/tenants/{id}", new TenantCreatedView
            {
                Id = view.Id, Name = view.Name, Status = view.Status, BandwidthLimitGb = view.BandwidthLimitGb, OverBandwidth = view.OverBandwidth, UserLimit = view.UserLimit,
                MaxDevicesPerUser = view.MaxDevicesPerUser, RequestsPerMinute = view.RequestsPerMinute, RequestsBurst = view.RequestsBurst, LeasePolicy = view.LeasePolicy, LeaseIdleDays = view.LeaseIdleDays,
                KeyCustody = view.KeyCustody, EmailVerification = view.EmailVerification, WhitelabelConfig = view.WhitelabelConfig, CreatedAt = view.CreatedAt,
                ApiKey = secretKey.Id, ApiSecret = secret, PublishableKey = publishable.Id,
            }),
            MartenOps.StartStream<Tenant>(id, id.ToString(), [created,
                secretKey.Issued(), publishable.Issued(), .. standing]),
            MartenOps.Insert(secretKey),
            MartenOps.Insert(publishable));
    }
}
