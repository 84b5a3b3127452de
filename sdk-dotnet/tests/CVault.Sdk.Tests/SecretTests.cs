using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CVault.Sdk.Tests;

/// <summary>Planted secrets come out nowhere but in the headers and bodies that are meant for them.</summary>
public class SecretTests
{
    private const string Canary = "canary7f3a";

    public static TheoryData<Type> Types() => [.. typeof(CVaultClient).Assembly.GetTypes().Where(t => t is { IsClass: true, IsAbstract: false, ContainsGenericParameters: false } && t.Namespace == "CVault.Sdk" && !t.Name.Contains('<', StringComparison.Ordinal) && t.GetConstructor([]) is not null && !t.IsSubclassOf(typeof(Attribute)))];

    [Theory, MemberData(nameof(Types))]
    public void No_type_prints_what_it_holds(Type type)
    {
        var instance = Activator.CreateInstance(type)!;
        // Ids and addresses of keys and users may be seen; what is secret in these types is a text.
        foreach (var property in type.GetProperties().Where(p => p.CanWrite && p.PropertyType == typeof(string) && p.Name != "Key")) property.SetValue(instance, Canary);
        Assert.DoesNotContain(Canary, instance.ToString(), StringComparison.Ordinal);
    }

    [Theory, InlineData("good"), InlineData("refused"), InlineData("dropped"), InlineData("echo")]
    public async Task No_log_url_error_or_text_of_a_client_has_a_secret(string how)
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            if (how == "dropped") http.Abort();
            if (how is "refused" or "echo")
            {
                http.Response.StatusCode = how == "refused" ? 403 : 502;
                http.Response.ContentType = how == "refused" ? "application/problem+json" : "text/html";
                // A bad proxy that sends back what it was sent.
                await http.Response.WriteAsync(how == "refused" ? """{"code":"FORBIDDEN","title":"No."}""" : string.Join(' ', http.Request.Headers.Select(h => h.Value.ToString())));
            }

            return how != "good";
        };

        var seen = new ConcurrentQueue<string>();
        var logs = new Sink(seen);
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(logs));
        services.AddSingleton<ITokenStore, MemoryTokenStore>();
        services.AddCVaultServer(o => (o.BaseUrl, o.ApiKey, o.ApiSecret, o.MaxRetries) = (server.Url, "cvk_" + Canary, "cvs_" + Canary, 0));
        await using var provider = services.BuildServiceProvider();
        var cvault = provider.GetRequiredService<CVaultServerClient>();
        var store = provider.GetRequiredService<ITokenStore>();
        cvault.Error += (_, error) => seen.Enqueue(error.ToString());
        seen.Enqueue(cvault.ToString());
        var session = new CVaultSession { AccessToken = Canary + "a", RefreshToken = Canary + "r", ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(15) };
        await store.SetAsync(session);
        await TryAsync(() => cvault.Auth.LoginAsync("ada@example.com", Canary + "p"));
        await store.SetAsync(session);
        await TryAsync(() => cvault.Auth.ChangePasswordAsync(Canary + "p", Canary + "q"));
        await TryAsync(() => cvault.Auth.OidcAsync(Canary + "i"));
        await store.SetAsync(session);
        await TryAsync(() => cvault.Devices.RegisterAsync("Laptop"));
        await store.SetAsync(new CVaultSession { AccessToken = Canary + "a", RefreshToken = Canary + "r", ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(-15) });
        await TryAsync(() => cvault.Devices.ListAsync());
        await TryAsync(() => cvault.Auth.LogoutAsync());

        Assert.NotEmpty(server.Requests);
        Assert.All(server.Requests, url => Assert.DoesNotContain(Canary, url, StringComparison.Ordinal));
        Assert.Contains(seen, text => text.Contains("/api/v1/devices", StringComparison.Ordinal));
        // Older versions of the factory's own loggers write query values and headers.
        Assert.DoesNotContain(logs.Categories, category => category.StartsWith("System.Net.Http", StringComparison.Ordinal));
        Assert.All(seen, text => Assert.DoesNotContain(Canary, text, StringComparison.Ordinal));

        async Task TryAsync(Func<Task> call)
        {
            try
            {
                await call();
            }
            catch (CVaultException e)
            {
                seen.Enqueue(e + e.Message + e.InnerException);
            }
        }
    }

    private sealed class Sink(ConcurrentQueue<string> seen) : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Categories { get; } = [];

        public ILogger CreateLogger(string categoryName)
        {
            Categories.Enqueue(categoryName);
            return this;
        }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull
        {
            seen.Enqueue(state.ToString() ?? "");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => seen.Enqueue(formatter(state, exception) + exception);

        public void Dispose()
        {
        }
    }
}
