using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Logging;

namespace CVault.Client.Ui;

/// <summary>The desktop interface: Kestrel on 127.0.0.1, on no other address, and the pages of <c>wwwroot</c>.</summary>
public sealed class UiHost : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly UiAccess access;
    private readonly CancellationTokenSource ending = new();
    private readonly Task living;

    private UiHost(WebApplication app, UiAccess access, Live live)
    {
        (this.app, this.access) = (app, access);
        Address = new Uri(app.Urls.Single());
        living = live.RunAsync(ending.Token);
    }

    /// <summary>Where it is, without what opens it.</summary>
    public Uri Address { get; }

    /// <param name="port">0: whichever is free.</param>
    public static async Task<UiHost> StartAsync(DemoClient client, FileLog log, TimeProvider time, int port, CancellationToken cancellation)
    {
        // No arguments, configuration files or environment of ASP.NET's: nothing may have it listen elsewhere.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        builder.Services.AddRoutingCore();
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = Json.Options.PropertyNamingPolicy;
        });
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddProvider(log);

        var app = builder.Build();
        var access = new UiAccess(time);
        var live = new Live(client, log, time);
        var pages = new PhysicalFileProvider(Path.Combine(AppContext.BaseDirectory, "wwwroot"));
        app.UseRouting(); // first, so that the guard knows what would answer
        app.Use((http, next) => PageGuard.InvokeAsync(http, access, next));
        app.UseDefaultFiles(new DefaultFilesOptions { FileProvider = pages });
        app.UseStaticFiles(new StaticFileOptions { FileProvider = pages });
        UiRoutes.Map(app, client, live, log, access, time);
        try
        {
            await app.StartAsync(cancellation);
        }
        catch (IOException)
        {
            await app.DisposeAsync();
            throw new ClientException("PORT_TAKEN", $"Port {port.ToString(CultureInfo.InvariantCulture)} is in use.", "Choose another with --port, or leave it out.");
        }

        return new UiHost(app, access, live);
    }

    /// <summary>A new link that opens the interface, once. In the fragment, which browsers send to nobody and write in no Referer.</summary>
    public string NewLink() => $"{Address.GetLeftPart(UriPartial.Authority)}/#token={access.NewToken()}";

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await living.ContinueWith(_ => { }, TaskScheduler.Default);
        await app.DisposeAsync();
        ending.Dispose();
    }
}
