using CVault.Security;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace CVault.Tenants;

/// <summary>
/// Web origins (RFC 6454): which pages may call the API from a browser. A preflight names no key, so it is answered for
/// the origins of all publishable keys; with the call itself the key must be one of that origin
/// (<see cref="TenantAuthentication"/>).
/// </summary>
public sealed class Origins : ICorsPolicyProvider
{
    /// <summary>How many a key may have.</summary>
    private const int Most = 50;

    private static readonly string[] Methods = ["GET", "POST", "PATCH", "PUT", "DELETE"];

    /// <summary>No <c>X-API-Secret</c>: a secret never belongs in a page.</summary>
    private static readonly string[] Taken = ["Authorization", "Content-Type", "X-API-Key", "Idempotency-Key", "X-Request-Id"];
    private static readonly string[] Shown =
    [
        "X-Request-Id", "Location", "Retry-After", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
    ];

    private readonly NpgsqlDataSource database;
    private readonly SecurityFeed feed;
    private volatile Lazy<Task<HashSet<string>>> known;

    public Origins(NpgsqlDataSource database, SecurityFeed feed)
    {
        this.database = database;
        this.feed = feed;
        known = new(ReadAsync);
        feed.TenantChanged += _ => known = new(ReadAsync);
    }

    /// <summary>For the API alone: <c>/admin</c>, the members' part and the documents are not for other sites' pages.</summary>
    public async Task<CorsPolicy?> GetPolicyAsync(HttpContext context, string? policyName)
    {
        if (!context.Request.Path.StartsWithSegments("/api/v1") || context.Request.Path.StartsWithSegments("/api/v1/tenant")) return null;
        await feed.EnsureFreshAsync(context.RequestAborted);
        var reading = known;
        HashSet<string> origins;
        try
        {
            origins = await reading.Value.WaitAsync(context.RequestAborted);
        }
        catch when (reading.Value.IsFaulted)
        {
            Interlocked.CompareExchange(ref known, new(ReadAsync), reading);
            throw;
        }

        var origin = context.Request.Headers.Origin.ToString();
        var policy = new CorsPolicyBuilder().WithMethods(Methods).WithHeaders(Taken).WithExposedHeaders(Shown).SetPreflightMaxAge(TimeSpan.FromMinutes(10));
        return (origins.Contains(origin) ? policy.WithOrigins(origin) : policy).Build();
    }

    /// <summary>What is wrong with a key's list; empty when nothing is.</summary>
    public static IEnumerable<(string Field, string Message)> Errors(string[]? origins)
    {
        if (origins is null) yield break;
        if (origins.Length > Most) yield return ("allowed_origins", $"At most {Most}.");
        else if (!origins.All(IsOrigin)) yield return ("allowed_origins", "Origins as browsers send them: https://host or https://host:port in lower case, without a path; http only for localhost.");
    }

    /// <summary>As a browser would send it: an internationalized host in its form for the wire (<c>xn--…</c>). Apps' own schemes (<c>capacitor://localhost</c>) are origins too; a wildcard or <c>null</c> is none.</summary>
    public static bool IsOrigin(string? text) =>
        text is { Length: > 0 and <= 255 } && text.All(char.IsAscii) && Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Host.Length > 0 && !uri.Host.Contains('*', StringComparison.Ordinal)
        && text == $"{uri.Scheme}://{(uri.IsDefaultPort || uri.Port < 0 ? uri.Host : $"{uri.Host}:{uri.Port}")}" && (uri.Scheme != "http" || uri.IsLoopback) && uri.Scheme != "file";

    private async Task<HashSet<string>> ReadAsync()
    {
        await using var command = database.CreateCommand($"""
            select distinct o from {Database.Schema}.mt_doc_apikey k, jsonb_array_elements_text(case jsonb_typeof(k.data -> 'allowedOrigins') when 'array' then k.data -> 'allowedOrigins' else '[]' end) o
            where k.data ->> 'kind' = 'Publishable' and k.data ->> 'revokedAt' is null
            """);
        await using var reader = await command.ExecuteReaderAsync();
        var found = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync()) found.Add(reader.GetString(0));
        return found;
    }
}
