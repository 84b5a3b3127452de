using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace CVault.Client.Ui;

/// <summary>The calls that the pages make, under <see cref="PageGuard.Calls"/>. No token, key or config is in any answer.</summary>
public static class UiRoutes
{
    public sealed record LinkBody(string? Token);
    public sealed record ConfigureBody(string? ApiUrl, string? ApiKey, string? CheckUrl);
    public sealed record SettingsBody(bool? AutoConnect, bool? KillSwitch, string? CheckUrl);
    public sealed record DeviceBody(Guid DeviceId);
    public sealed record ConnectBody(string? Region);

    /// <summary>An email and a password; prints neither.</summary>
    public sealed record SignInBody(string? Email, string? Password)
    {
        public override string ToString() => nameof(SignInBody);
    }

    public static void Map(IEndpointRouteBuilder routes, DemoClient client, Live live, FileLog log, UiAccess access, TimeProvider time)
    {
        var ui = routes.MapGroup(PageGuard.Calls).AddEndpointFilter((context, next) => AnswerFailuresAsync(context, next, log));

        ui.MapPost("/session", (LinkBody body, HttpContext http) =>
        {
            if (access.Trade(body.Token) is not { } page) throw new ClientException("LINK_USED", "This link was used already, or is too old.", "Press Enter in the terminal for another one.");
            http.Response.Cookies.Append(PageGuard.CookieName(http), page.Cookie, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Path = PageGuard.Calls });
            return Ok(new { page.PageKey });
        });

        ui.MapGet("/state", async (CancellationToken cancellation) =>
        {
            var settings = client.Settings;
            var connection = await live.ConnectionAsync(cancellation);
            return Ok(new
            {
                At = time.GetUtcNow(),
                Version = typeof(UiRoutes).Assembly.GetName().Version!.ToString(3),
                client.Folder,
                Configured = settings is not null,
                SignedIn = settings is not null && await client.IsSignedInAsync(cancellation),
                settings?.ApiUrl,
                settings?.ApiKeyHint,
                settings?.CheckUrl,
                Settings = new { settings?.Region, AutoConnect = settings?.AutoConnect ?? false, KillSwitch = settings?.KillSwitch ?? false },
                Connection = connection,
                live.Address,
                live.Problem,
            });
        });

        ui.MapGet("/servers", async (CancellationToken cancellation) => Ok(new { Servers = await client.ServersAsync(cancellation) }));
        ui.MapGet("/devices", async (CancellationToken cancellation) => Ok(new { Devices = await client.DevicesAsync(cancellation) }));
        ui.MapGet("/logs", () => Ok(new { Lines = log.Read(100, LogLevel.Information) }));

        ui.MapPost("/configure", (ConfigureBody body, CancellationToken cancellation) => DoneAsync(client.ConfigureAsync(body.ApiUrl, body.ApiKey, body.CheckUrl, cancellation)));
        ui.MapPost("/register", async (SignInBody body, CancellationToken cancellation) => Ok(new { (await client.RegisterAsync(body.Email, body.Password, cancellation)).Status }));
        ui.MapPost("/verify", (LinkBody body, CancellationToken cancellation) => DoneAsync(client.VerifyAsync(body.Token, cancellation)));
        ui.MapPost("/login", (SignInBody body, CancellationToken cancellation) => DoneAsync(client.LoginAsync(body.Email, body.Password, cancellation)));
        ui.MapPost("/settings", (SettingsBody body, CancellationToken cancellation) => DoneAsync(client.ChangeAsync(body.AutoConnect, body.KillSwitch, body.CheckUrl, cancellation)));
        ui.MapPost("/devices/remove", (DeviceBody body, CancellationToken cancellation) => DoneAsync(client.RemoveDeviceAsync(body.DeviceId, cancellation)));

        // Not cancelled when the page is closed or reloaded: what was begun is brought to its end.
        ui.MapPost("/connect", async (ConnectBody body) => Ok(await live.ConnectAsync(body.Region, CancellationToken.None)));
        ui.MapPost("/disconnect", async () => Ok(await live.DisconnectAsync(CancellationToken.None)));
        ui.MapPost("/logout", () => DoneAsync(live.LogoutAsync(CancellationToken.None)));
    }

    private static IResult Ok<T>(T value) => Results.Json(value, Json.Options);

    private static async Task<IResult> DoneAsync(Task work)
    {
        await work;
        return Ok(new { Done = true });
    }

    private static async ValueTask<object?> AnswerFailuresAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next, FileLog log)
    {
        try
        {
            return await next(context);
        }
        catch (OperationCanceledException) when (context.HttpContext.RequestAborted.IsCancellationRequested)
        {
            return Results.StatusCode(499); // nobody is there to read it
        }
#pragma warning disable CA1031 // This is the edge: a page is answered, whatever happened.
        catch (Exception e)
#pragma warning restore CA1031
        {
            var failure = Failure.Of(e);
            if (failure.ExitCode != ExitCodes.Usage) log.LogWarning("{Path}: {Failure}", context.HttpContext.Request.Path.Value, failure.InShort);
            return Results.Json(failure, Json.Options, statusCode: failure.ExitCode == ExitCodes.Unexpected ? 500 : 409);
        }
    }
}
