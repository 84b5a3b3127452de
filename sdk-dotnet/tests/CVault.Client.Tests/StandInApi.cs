using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CVault.Client.Tests;

/// <summary>
/// An API that knows one user, for what needs no real one: how the client deals with answers, and what it keeps. The real
/// API and a real tunnel are in <c>tests/CVault.Tests/Lab/ClientTests.cs</c>.
/// </summary>
public sealed class StandInApi : IAsyncDisposable
{
    public const string Key = "cvp_0123456789abcdef";
    public const string Email = "ada@example.test";
    public const string Password = "canary password 7f3a";
    public const string AccessToken = "canary-access-token";
    public const string RefreshToken = "canary-refresh-token";

    private readonly WebApplication app;

    private StandInApi(WebApplication app) => this.app = app;

    public string Url => app.Urls.Single();

    public static async Task<StandInApi> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        app.UseRouting();
        app.MapGet("/api/v1/servers", (HttpContext http) => http.Request.Headers["X-API-Key"] == Key
            ? Results.Json(new { servers = new[] { new { id = Guid.NewGuid(), region = "us-east", load = 3, available = true, simulated = false } }, next_cursor = (string?)null })
            : Problem(401, "INVALID_API_KEY"));
        app.MapPost("/api/v1/auth/login", async (HttpContext http) =>
        {
            var sent = (await http.Request.ReadFromJsonAsync<Dictionary<string, string>>())!;
            return sent["email"] == Email && sent["password"] == Password
                ? Results.Json(new { user_id = Guid.NewGuid(), access_token = AccessToken, refresh_token = RefreshToken, expires_in = 900, token_type = "Bearer" })
                : Problem(401, "INVALID_CREDENTIALS");
        });
        app.MapGet("/api/v1/devices", (HttpContext http) => http.Request.Headers.Authorization == "Bearer " + AccessToken
            ? Results.Json(new { devices = Array.Empty<object>(), next_cursor = (string?)null })
            : Problem(401, "UNAUTHENTICATED"));
        app.MapDelete("/api/v1/devices/{id}", () => Problem(404, "NOT_FOUND"));
        app.MapPost("/api/v1/auth/logout", () => Results.Json(new { status = "logged_out" }));
        await app.StartAsync();
        return new StandInApi(app);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static IResult Problem(int status, string code) => Results.Json(
        new { type = "about:blank", title = "In words.", status, code, request_id = "request-1" }, contentType: "application/problem+json", statusCode: status);
}
