using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;

namespace CVault.Tests.Api;

/// <summary>
/// An operation of the OpenAPI document, so that tests which try something on every operation find the new ones by
/// themselves.
/// </summary>
internal sealed record Operation(HttpMethod Method, string Path, string Name, JsonNode Node, JsonNode Document)
{
    /// <summary>The schema of its JSON body; null where it takes none.</summary>
    public JsonNode? BodySchema => Node["requestBody"]?["content"]?["application/json"]?["schema"] is { } schema ? Resolved(schema) : null;

    public static async Task<Operation[]> AllAsync(Stack stack)
    {
        var document = (await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json")).Is(HttpStatusCode.OK).Json;
        var operations = document["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject().Select(o => new Operation(new HttpMethod(o.Key.ToUpperInvariant()), path.Key, o.Value!["operationId"]!.ToString(), o.Value!, document)))
            .ToArray();
        Assert.True(operations.Length > 15, "The document names hardly any operation.");
        return operations;
    }

    /// <summary>Its path with each id replaced.</summary>
    public string PathWith(string id) => System.Text.RegularExpressions.Regex.Replace(Path, @"\{[^}]+\}", _ => id);

    /// <summary>The fullest set of credentials that it names. A kind of credential that is not known here fails the test: add it.</summary>
    public (string Name, string Value)[] Credentials(TestUser user, TestMember member)
    {
        var sets = (Node["security"] as JsonArray ?? []).Select(s => s!.AsObject().Select(m => m.Key).ToArray()).ToArray();
        return [.. (sets.FirstOrDefault(s => s.Contains("user_token")) ?? sets.FirstOrDefault() ?? []).Select(kind => kind switch
        {
            "api_key" => ("X-API-Key", user.Tenant.ApiKey),
            "api_secret" => ("X-API-Secret", user.Tenant.ApiSecret),
            "user_token" => ("Authorization", "Bearer " + user.AccessToken),
            "member_token" => ("Authorization", "Bearer " + member.AccessToken),
            "operator_token" => ("Authorization", "Bearer " + Stack.OperatorToken),
            _ => throw new Xunit.Sdk.XunitException($"{Name} takes a credential that tests do not have: {kind}. Add it here."),
        })];
    }

    /// <summary>The schema of a successful answer's body.</summary>
    public JsonNode? AnswerSchema(HttpStatusCode status) =>
        Node["responses"]?[((int)status).ToString(CultureInfo.InvariantCulture)]?["content"]?["application/json"]?["schema"] is { } schema ? Resolved(schema) : null;

    /// <summary>A body of the right shape, though of no sense.</summary>
    public JsonObject SampleBody() => (JsonObject)Sample(BodySchema!)!;

    public JsonNode Resolved(JsonNode schema)
    {
        while (true)
        {
            if (schema["$ref"] is { } reference) schema = Document["components"]!["schemas"]![reference.ToString().Split('/')[^1]]!;
            else if ((schema["oneOf"] ?? schema["anyOf"]) is JsonArray choices && choices.FirstOrDefault(c => c!["type"]?.ToString() != "null") is { } choice) schema = choice;
            else return schema;
        }
    }

    private JsonNode? Sample(JsonNode schema)
    {
        schema = Resolved(schema);
        var types = schema["type"] switch { JsonArray several => several.Select(t => t!.ToString()).ToArray(), { } one => [one.ToString()], null => [] };
        if (schema["enum"] is JsonArray values) return values[0]!.DeepClone();
        if (types.Contains("object") || schema["properties"] is not null) return new JsonObject((schema["properties"]?.AsObject() ?? []).Select(p => KeyValuePair.Create(p.Key, Sample(p.Value!))));
        if (types.Contains("array")) return new JsonArray();
        if (types.Contains("integer") || types.Contains("number")) return 1;
        if (types.Contains("boolean")) return true;
        return schema["format"]?.ToString() switch { "uuid" => Guid.NewGuid().ToString(), "date" => "2026-03-01", _ => "text" };
    }
}
