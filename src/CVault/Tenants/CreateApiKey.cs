using CVault.Security;
using Marten;
using JasperFx.Events;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;
using Wolverine.Marten;

namespace CVault.Tenants;

/// <summary>Body of <c>POST /api/v1/tenant/api-keys</c>.</summary>
/// <param name="Kind"><c>secret</c> or <c>publishable</c>.</param>
/// <param name="Name">1 to 100 characters.</param>
/// <param name="ExpiresInDays">1 to 3650; absent: never.</param>
/// <param name="AllowedOrigins">For a publishable key: up to 50 web origins, such as <c>https://app.example.com</c>.</param>
public sealed record CreateApiKey(string? Kind, string? Name, int? ExpiresInDays, string[]? AllowedOrigins);

/// <summary><c>POST /api/v1/tenant/api-keys</c>: one more key; its secret is shown this once.</summary>
public static class CreateApiKeyEndpoint
{
    public static ProblemDetails Validate(CreateApiKey? command)
    {
        if (command is null) return Body.Missing();
        var errors = new List<(string, string)>();
        if (!Names.TryParse<ApiKeyKind>(command.Kind, out var kind)) errors.Add(("kind", "One of: secret, publishable."));
        if (!IsName(command.Name)) errors.Add(("name", "1 to 100 characters, no control characters."));
        if (command.ExpiresInDays is < 1 or > 3650) errors.Add(("expires_in_days", "1 to 3650, or absent for never."));
        errors.AddRange(Origins.Errors(command.AllowedOrigins));
        if (kind == ApiKeyKind.Secret && command.AllowedOrigins is { Length: > 0 }) errors.Add(("allowed_origins", "A secret key never belongs in a page."));
        return errors.Count > 0 ? Problems.Validation(errors) : WolverineContinue.NoProblems;
    }

    public static async Task<(IEventStream<Tenant>, ProblemDetails)> LoadAsync(HttpContext http, IDocumentSession session, TimeProvider time, CancellationToken cancellation)
    {
        var stream = await session.OwnTenantAsync(cancellation);
        return (stream, ApiKeys.WhyNot(stream, http) ?? TooMany(stream.Aggregate!, time.GetUtcNow()));
    }

    [WolverinePost("/api/v1/tenant/api-keys", OperationId = "createApiKey"), Authorize(Roles.May + nameof(Permission.ManageKeys))]
    [ProducesResponseType<NewApiKeyView>(201)]
    public static (Reply, IMartenOp) Post(CreateApiKey command, IEventStream<Tenant> stream, LookupKey lookup, SecurityLog log, HttpContext http, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var name = command.Name!.Trim();
        var (key, secret) = Names.Parse<ApiKeyKind>(command.Kind) == ApiKeyKind.Secret
            ? ApiKey.NewSecret(stream.Id, lookup, now, name)
            : (ApiKey.NewPublishable(stream.Id, now, name, command.AllowedOrigins ?? []), null);
        if (command.ExpiresInDays is { } days) key = key with { ExpiresAt = now.AddDays(days) };
        stream.AppendOne(key.Issued());
        log.Write(SecurityEvent.KeyIssued, http, ("key", key.Id), ("kind", Names.Of(key.Kind)));
        return (Reply.Created("/api/v1/tenant/api-keys", NewApiKeyView.Of(key, secret, now)) with { ChangesCredentials = true }, MartenOps.Insert(key));
    }

    internal static bool IsName(string? name) => !string.IsNullOrWhiteSpace(name) && name.Length <= 100 && !name.Any(char.IsControl);

    internal static ProblemDetails TooMany(Tenant tenant, DateTimeOffset now) =>
        tenant.LiveKeys(now) >= ApiKey.Most ? Problems.Conflict($"A tenant has at most {ApiKey.Most} API keys that work. Revoke one first.") : WolverineContinue.NoProblems;
}
