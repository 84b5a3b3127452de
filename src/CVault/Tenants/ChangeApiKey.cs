using CVault.Security;
using Marten;
using JasperFx.Events;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>Body of <c>PATCH /api/v1/tenant/api-keys/{keyId}</c>; what is absent stays.</summary>
/// <param name="Name">1 to 100 characters.</param>
/// <param name="AllowedOrigins">All of the web origins that a publishable key is good for from now on.</param>
public sealed record ChangeApiKey(string? Name, string[]? AllowedOrigins);

/// <summary><c>PATCH /api/v1/tenant/api-keys/{keyId}</c>: another name, other origins.</summary>
public static class ChangeApiKeyEndpoint
{
    public static ProblemDetails Validate(ChangeApiKey? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (command.Name is not null && !CreateApiKeyEndpoint.IsName(command.Name)) errors.Add(("name", "1 to 100 characters, no control characters."));
        errors.AddRange(Origins.Errors(command.AllowedOrigins));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(ApiKey?, IEventStream<Tenant>?, ProblemDetails)> LoadAsync(ChangeApiKey command, string keyId, HttpContext http, IDocumentSession session, CancellationToken cancellation)
    {
        var stream = await session.OwnTenantAsync(cancellation);
        if (ApiKeys.WhyNot(stream, http) is { } problem) return (null, null, problem);
        if (await session.LoadApiKeyAsync(keyId, cancellation) is not { } key) return (null, null, Problems.NotFound());
        if (key.Kind == ApiKeyKind.Secret && command.AllowedOrigins is { Length: > 0 }) return (null, null, Problems.Validation(("allowed_origins", "A secret key never belongs in a page.")));
        return (key, stream, WolverineContinue.NoProblems);
    }

    [WolverinePatch("/api/v1/tenant/api-keys/{keyId}", OperationId = "changeApiKey"), Authorize(Roles.May + nameof(Permission.ManageKeys))]
    [ProducesResponseType<ApiKeyView>(200)]
    public static (Reply, IMartenOp) Patch(ChangeApiKey command, ApiKey key, IEventStream<Tenant> stream, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var changed = key with { Name = command.Name?.Trim() ?? key.Name, AllowedOrigins = command.AllowedOrigins ?? key.AllowedOrigins };
        stream.AppendOne(new ApiKeyChanged(key.Id, changed.Name, changed.AllowedOrigins));
        log.Write(SecurityEvent.KeyChanged, http, ("key", key.Id));
        return (Reply.Ok(ApiKeyView.Of(changed, time.GetUtcNow())) with { ChangesCredentials = true }, MartenOps.Store(changed));
    }
}
