using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace CVault;

/// <summary>Says in the API's description that an endpoint takes a body that may be absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class OptionalBodyAttribute(Type type) : Attribute
{
    public Type Type { get; } = type;
}

/// <summary>Bodies that may be absent.</summary>
public static class Body
{
    /// <summary>The body is JSON's <c>null</c> where an object is needed.</summary>
    public static ProblemDetails Missing() => Problems.Validation(("body", "A JSON object is required."));

    /// <summary>The body, or null where there is none.</summary>
    /// <exception cref="JsonException">There is one and it is not a <typeparamref name="T"/>.</exception>
    public static async Task<T?> BodyOrDefaultAsync<T>(this HttpRequest request, CancellationToken cancellation) where T : class
    {
        using var reader = new StreamReader(request.Body, leaveOpen: true);
        var text = await reader.ReadToEndAsync(cancellation);
        return string.IsNullOrWhiteSpace(text) ? null : JsonSerializer.Deserialize<T>(text, Reply.Json);
    }
}
