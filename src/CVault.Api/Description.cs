using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CVault.Billing;
using CVault.Security;
using CVault.Tenants;
using Microsoft.AspNetCore.Authorization;
using Microsoft.OpenApi;

namespace CVault.Api;

/// <summary>
/// The OpenAPI document: what Wolverine knows of its endpoints, said in the API's own words. SDKs are generated from
/// it, so it tells which credentials each operation takes and that every failure is a problem with a code.
/// </summary>
public static partial class Description
{
    private const string Key = "api_key", Secret = "api_secret", User = "user_token", Member = "member_token", Operator = "operator_token";
    private static readonly string[] Tags = ["Authentication", "Users", "Devices", "Connection", "Servers", "Usage", "Tenant", "Operator", "Platform"];
    private static readonly string[] Inner = ["IResult", "Reply", "PeerChange", "ProblemDetails", "JsonElement"];
    private static readonly string[] Limits = ["bandwidth_limit_gb", "user_limit", "requests_per_minute", "lease_idle_days"];

    public static void AddDescription(this IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "CVault API",
                Version = "v1",
                Description = "VPN for your own product: users, devices, WireGuard configs and sessions. Errors are `application/problem+json` (RFC 9457) with a stable `code`.",
            };
            document.Servers = [];
            document.Tags = new HashSet<OpenApiTag>(Tags.Select(tag => new OpenApiTag { Name = tag }));
            document.Components ??= new OpenApiComponents();
            // Types of ours and the framework's that stand around a body, never in one.
            foreach (var inner in Inner) document.Components.Schemas?.Remove(inner);
            document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
            {
                [Key] = InHeader("X-API-Key", "A tenant's key: a secret one (with its secret) or a publishable one (alone)."),
                [Secret] = InHeader("X-API-Secret", "The secret of a secret key. For servers only, never for apps."),
                [User] = Bearer("A user's access token, of `auth/register`, `auth/login` or `auth/refresh`."),
                [Member] = Bearer("A member's access token, of `tenant/auth/login` and the like."),
                [Operator] = Bearer("The operator's token."),
            };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(async (operation, context, cancellation) =>
        {
            var endpoint = context.Description.ActionDescriptor;
            var path = "/" + context.Description.RelativePath;
            operation.Summary = Words().Replace(operation.OperationId ?? "", " $1").ToLowerInvariant() is { Length: > 0 } words ? char.ToUpperInvariant(words[0]) + words[1..] : null;
            operation.Description = null;
            operation.Tags = new HashSet<OpenApiTagReference> { new(TagOf(path), context.Document) };
            Responses(operation, context.Description.HttpMethod, path, endpoint.EndpointMetadata.OfType<IAuthorizeData>().Any());
            if (context.Description.HttpMethod == "POST")
            {
                operation.Parameters ??= [];
                operation.Parameters.Add(new OpenApiParameter
                {
                    Name = "Idempotency-Key", In = ParameterLocation.Header, Required = false,
                    Description = "Any text of up to 255 characters. The same key and body answers the first response again for 24 hours.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = 255 },
                });
            }

            if (RolesOf(endpoint.EndpointMetadata.OfType<IAuthorizeData>().FirstOrDefault()?.Policy) is { } roles)
            {
                operation.AddExtension("x-roles", new JsonNodeExtension(new JsonArray([.. roles.Select(r => JsonValue.Create(Names.Of(r)))])));
            }

            operation.Security = [.. SchemesOf(endpoint.EndpointMetadata.OfType<IAuthorizeData>().FirstOrDefault()?.Policy)
                .Select(names => Requirement(names, context.Document))];
            if (endpoint.EndpointMetadata.OfType<OptionalBodyAttribute>().FirstOrDefault() is { } body)
            {
                operation.RequestBody = new OpenApiRequestBody
                {
                    Required = false,
                    Content = new Dictionary<string, OpenApiMediaType> { ["application/json"] = new() { Schema = await context.GetOrCreateSchemaAsync(body.Type, null, cancellation) } },
                };
            }
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(Month)) (schema.Type, schema.Pattern) = (JsonSchemaType.String, "^[0-9]{4}-[0-9]{2}$");
            if (schema.Properties is null) return Task.CompletedTask;
            // A record's parameters all count as required; those that may be null may be absent.
            schema.Required?.ExceptWith([.. schema.Properties.Where(p => p.Value.Type?.HasFlag(JsonSchemaType.Null) == true).Select(p => p.Key)]);
            if (context.JsonTypeInfo.Type == typeof(BillingChanges))
            {
                schema.Properties["stripe_customer"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, Pattern = "^cus_[A-Za-z0-9]{1,100}$", Description = "Stripe's id of the customer. Null is none. Absent: it stays." };
                schema.Properties["bill_to"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, MaxLength = 1000, Description = "Up to ten lines. Null is none. Absent: it stays." };
                return Task.CompletedTask;
            }

            if (context.JsonTypeInfo.Type == typeof(SettingsChanges)) schema.Properties["contact_email"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, Description = "Null is none. Absent: it stays." };
            else if (context.JsonTypeInfo.Type != typeof(TenantChanges)) return Task.CompletedTask;
            foreach (var limit in Limits.Where(schema.Properties.ContainsKey))
            {
                schema.Properties[limit] = new OpenApiSchema { Type = JsonSchemaType.Integer | JsonSchemaType.Null, Minimum = "0", Description = "Null is unlimited. Absent in a PATCH: it stays." };
            }

            if (context.JsonTypeInfo.Type == typeof(TenantChanges))
            {
                schema.Properties["requests_per_minute"] = new OpenApiSchema { Type = JsonSchemaType.Integer | JsonSchemaType.Null, Minimum = "0", Description = "Null is the default of 100, 0 is none. Absent in a PATCH: it stays." };
                schema.Properties["max_devices_per_user"] = new OpenApiSchema { Type = JsonSchemaType.Integer | JsonSchemaType.Null, Minimum = "0", Maximum = "1000", Description = "Null is unlimited, 0 is none. Absent in a PATCH: it stays." };
                schema.Properties["requests_burst"] = new OpenApiSchema { Type = JsonSchemaType.Integer, Minimum = "0", Maximum = "10000", Description = "How many more may fall into a minute that lies across two windows; 20 by default." };
            }

            schema.Properties["lease_idle_days"] = new OpenApiSchema { Type = JsonSchemaType.Integer | JsonSchemaType.Null, Minimum = "1", Maximum = "3650", Description = "Null is never. Absent in a PATCH: it stays." };
            schema.Properties["whitelabel_config"] = new OpenApiSchema { Type = JsonSchemaType.Object | JsonSchemaType.Null };
            return Task.CompletedTask;
        });
    });

    /// <summary>The alternatives of credentials that a policy takes, each a set to be sent together.</summary>
    private static string[][] SchemesOf(string? policy) => policy switch
    {
        Policies.Operator => [[Operator]],
        Policies.ApiKey => [[Key, Secret], [Key]],
        Policies.SecretKey => [[Key, Secret]],
        Policies.User => [[Key, User]],
        Policies.UserToken => [[User]],
        Policies.Billing => [[Key, Secret], [Member]],
        Policies.Any => [[Key, Secret], [Key], [User]],
        _ when RolesOf(policy) is not null => [[Member]],
        _ => [],
    };

    /// <summary>The roles whose members a policy lets through; null for a policy that asks for no member.</summary>
    private static Role[]? RolesOf(string? policy) => policy switch
    {
        Policies.Member or Policies.VerifiedMember => Enum.GetValues<Role>(),
        _ when policy?.StartsWith(Roles.May, StringComparison.Ordinal) == true => Roles.With(Enum.Parse<Permission>(policy[Roles.May.Length..])),
        _ => null,
    };

    /// <summary>The failures that an operation can have, by what it is.</summary>
    private static IEnumerable<string> Failures(OpenApiOperation operation, string? method, string path, bool secured)
    {
        if (operation.RequestBody is not null || operation.Parameters is { Count: > 0 }) yield return "400";
        if (secured || path.Contains("/auth/", StringComparison.Ordinal)) yield return "401";
        if (secured) yield return "403";
        if (path.Contains('{', StringComparison.Ordinal) || path.Contains("/vpn/", StringComparison.Ordinal) || path.EndsWith("/leases", StringComparison.Ordinal)) yield return "404";
        if (path.EndsWith("/config", StringComparison.Ordinal)) yield return "406";
        if (method != "GET") yield return "409";
        if (operation.RequestBody is not null) yield return "413";
        if (operation.RequestBody is not null) yield return "415";
        if (method == "POST") yield return "422";
        if (secured) yield return "429";
        yield return "500";
        if (path == "/admin/servers" && method == "POST") yield return "502";
        if (secured) yield return "503";
    }

    private static void Responses(OpenApiOperation operation, string? method, string path, bool secured)
    {
        if (operation.Responses is not { } responses) return;
        // Wolverine lists the type of what an endpoint returns, which here is the reply around the body.
        if (responses.Keys.Any(status => status is "201" or "202")) responses.Remove("200");
        foreach (var known in responses.Keys.Where(k => k[0] is '4' or '5').ToArray()) responses.Remove(known);
        foreach (var status in Failures(operation, method, path, secured))
        {
            responses[status] = new OpenApiResponse
            {
                Description = "A problem; its `code` says which.",
                Content = new Dictionary<string, OpenApiMediaType> { ["application/problem+json"] = new() { Schema = Problem() } },
            };
        }
    }

    private static OpenApiSchema Problem() => new()
    {
        Type = JsonSchemaType.Object,
        Required = new HashSet<string> { "title", "status", "code", "request_id" },
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["type"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["title"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["status"] = new OpenApiSchema { Type = JsonSchemaType.Integer },
            ["code"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "Stable, in capitals." },
            ["request_id"] = new OpenApiSchema { Type = JsonSchemaType.String },
            ["errors"] = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Description = "What is wrong with each field, for VALIDATION_FAILED.",
                AdditionalProperties = new OpenApiSchema { Type = JsonSchemaType.Array, Items = new OpenApiSchema { Type = JsonSchemaType.String } },
            },
        },
    };

    private static string TagOf(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["admin", ..] => "Operator",
        ["api", "v1", "auth", ..] => "Authentication",
        ["api", "v1", var noun, ..] => noun == "vpn" ? "Connection" : char.ToUpperInvariant(noun[0]) + noun[1..],
        _ => "Platform",
    };

    private static OpenApiSecurityRequirement Requirement(string[] names, OpenApiDocument? document)
    {
        var requirement = new OpenApiSecurityRequirement();
        foreach (var name in names) requirement[new OpenApiSecuritySchemeReference(name, document)] = [];
        return requirement;
    }

    private static OpenApiSecurityScheme InHeader(string name, string what) => new() { Type = SecuritySchemeType.ApiKey, In = ParameterLocation.Header, Name = name, Description = what };

    private static OpenApiSecurityScheme Bearer(string what) => new() { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = what };

    [GeneratedRegex("([A-Z])")]
    private static partial Regex Words();
}
