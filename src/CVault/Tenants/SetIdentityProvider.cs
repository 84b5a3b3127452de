using CVault.Security;
using JasperFx.Events;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>Body of <c>PUT …/identity-provider</c>.</summary>
/// <param name="Issuer">Where the provider's discovery document stands: an https URL without query or fragment.</param>
/// <param name="ClientId">The client that its ID tokens are for.</param>
public sealed record SetIdentityProvider(string? Issuer, string? ClientId)
{
    public IEnumerable<(string Field, string Message)> Errors(OutboundHttp outbound)
    {
        if (Issuer is null || Issuer.Length > 512 || !Uri.TryCreate(Issuer, UriKind.Absolute, out var url) || !outbound.MayCall(url)
            || url.Query.Length > 0 || url.Fragment.Length > 0 || url.UserInfo.Length > 0 || Issuer.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
        {
            yield return ("issuer", "An https URL without query or fragment, at most 512 characters.");
        }

        if (string.IsNullOrWhiteSpace(ClientId) || ClientId.Length > 255 || ClientId.Any(char.IsControl)) yield return ("client_id", "1 to 255 characters, no control characters.");
    }
}

/// <summary>The provider whose ID tokens sign a tenant's users in; both null where there is none.</summary>
public sealed record IdentityProviderView(string? Issuer, string? ClientId)
{
    public static IdentityProviderView Of(IdentityProvider? provider) => new(provider?.Issuer, provider?.ClientId);
}

/// <summary><c>PUT</c>, <c>GET</c> and <c>DELETE /admin/tenants/{id}/identity-provider</c>: the operator's way.</summary>
public static class IdentityProviderOfTenant
{
    [WolverineGet("/admin/tenants/{id:guid}/identity-provider", OperationId = "getIdentityProviderOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static async Task<IResult> Get(Guid id, IQuerySession session, CancellationToken cancellation) =>
        await session.LoadAsync<Tenant>(id, cancellation) is { } tenant
            ? Reply.Ok(IdentityProviderView.Of(tenant.IdentityProvider))
            : new ProblemResult(Problems.NotFound());

    /// <summary>What setting a provider changes: nothing where it is the same.</summary>
    public static IEnumerable<object> Set(SetIdentityProvider command, Tenant tenant)
    {
        var provider = new IdentityProvider(command.Issuer!, command.ClientId!);
        if (provider != tenant.IdentityProvider) yield return new IdentityProviderRegistered(provider);
    }

    /// <summary>What removing the provider changes: nothing where there is none.</summary>
    public static IEnumerable<object> Remove(Tenant tenant)
    {
        if (tenant.IdentityProvider is not null) yield return new IdentityProviderRemoved();
    }
}

/// <summary><c>GET /api/v1/tenant/identity-provider</c>: the members' way.</summary>
public static class GetIdentityProvider
{
    [WolverineGet("/api/v1/tenant/identity-provider", OperationId = "getIdentityProvider"), Authorize(Roles.May + nameof(Permission.ReadTenant))]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static Reply Get(HttpContext http) => Reply.Ok(IdentityProviderView.Of(TenantAuthentication.TenantOf(http).IdentityProvider));
}

/// <param name="Stream">The tenant's, by whose members as they are now it was decided that the member may.</param>
public sealed record IdentityFacts(IEventStream<Tenant> Stream)
{
    public static async Task<(IdentityFacts?, ProblemDetails)> LoadAsync(HttpContext http, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await session.Events.FetchForWriting<Tenant>(http.User.TenantId(), cancellation);
        return stream.Aggregate!.Members.TryGetValue(http.User.MemberId(), out var member) && member.Role.Has(Permission.ManageIdentity)
            ? (new IdentityFacts(stream), WolverineContinue.NoProblems)
            : (null, Problems.Forbidden());
    }

    public (Reply, Changes) Decide(IdentityProviderView after, IEnumerable<object> events)
    {
        var changes = new Changes();
        if (events.ToArray() is { Length: > 0 } some) changes.Append(Stream, some);
        return (Reply.Ok(after) with { ChangesCredentials = true, Noted = new(SecurityEvent.IssuerChanged) }, changes);
    }
}

/// <summary><c>PUT /api/v1/tenant/identity-provider</c>.</summary>
public static class PutIdentityProvider
{
    public static ProblemDetails Validate(SetIdentityProvider? command, OutboundHttp outbound) => SetIdentityProviderOfTenant.Validate(command, outbound);

    public static Task<(IdentityFacts?, ProblemDetails)> LoadAsync(HttpContext http, IDocumentSession session, CancellationToken cancellation) => IdentityFacts.LoadAsync(http, session, cancellation);

    [WolverinePut("/api/v1/tenant/identity-provider", OperationId = "setIdentityProvider"), Authorize(Roles.May + nameof(Permission.ManageIdentity))]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static (Reply, Changes) Put(SetIdentityProvider command, [NotBody] IdentityFacts facts) =>
        facts.Decide(new IdentityProviderView(command.Issuer, command.ClientId), IdentityProviderOfTenant.Set(command, facts.Stream.Aggregate!));
}

/// <summary><c>DELETE /api/v1/tenant/identity-provider</c>.</summary>
public static class RemoveIdentityProvider
{
    public static Task<(IdentityFacts?, ProblemDetails)> LoadAsync(HttpContext http, IDocumentSession session, CancellationToken cancellation) => IdentityFacts.LoadAsync(http, session, cancellation);

    [WolverineDelete("/api/v1/tenant/identity-provider", OperationId = "removeIdentityProvider"), Authorize(Roles.May + nameof(Permission.ManageIdentity))]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static (Reply, Changes) Delete([NotBody] IdentityFacts facts) =>
        facts.Decide(new IdentityProviderView(null, null), IdentityProviderOfTenant.Remove(facts.Stream.Aggregate!));
}

/// <summary><c>PUT /admin/tenants/{id}/identity-provider</c>.</summary>
public static class SetIdentityProviderOfTenant
{
    public static ProblemDetails Validate(SetIdentityProvider? command, OutboundHttp outbound) =>
        command is null ? Body.Missing() : command.Errors(outbound).ToArray() is { Length: > 0 } errors ? Problems.Validation(errors) : WolverineContinue.NoProblems;

    [WolverinePut("/admin/tenants/{id:guid}/identity-provider", OperationId = "setIdentityProviderOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static (Reply, Events) Put(SetIdentityProvider command, [WriteAggregate("id")] Tenant tenant) => (
        Reply.Ok(new IdentityProviderView(command.Issuer, command.ClientId)) with { ChangesCredentials = true, Noted = new(SecurityEvent.IssuerChanged) },
        [.. IdentityProviderOfTenant.Set(command, tenant)]);
}

/// <summary><c>DELETE /admin/tenants/{id}/identity-provider</c>.</summary>
public static class RemoveIdentityProviderOfTenant
{
    [WolverineDelete("/admin/tenants/{id:guid}/identity-provider", OperationId = "removeIdentityProviderOfTenant"), Authorize(Policies.Operator)]
    [ProducesResponseType<IdentityProviderView>(200)]
    public static (Reply, Events) Delete([WriteAggregate("id")] Tenant tenant) => (
        Reply.Ok(new IdentityProviderView(null, null)) with { ChangesCredentials = true, Noted = new(SecurityEvent.IssuerChanged) },
        [.. IdentityProviderOfTenant.Remove(tenant)]);
}
