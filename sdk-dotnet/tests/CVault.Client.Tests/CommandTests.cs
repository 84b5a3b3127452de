using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;

namespace CVault.Client.Tests;

/// <summary>What commands answer, how they end, and what they leave behind.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly Home home = new();

    public void Dispose() => home.Dispose();

    [Theory]
    [InlineData("nonsense")]
    [InlineData("devices", "remove", "no-uuid")]
    [InlineData("login", "--password", "canary password 7f3a")]
    [InlineData("ui", "--port", "70000")]
    public async Task what_is_typed_wrong_ends_with_2_and_is_not_repeated(params string[] arguments)
    {
        var ended = await home.RunAsync("", arguments);

        Assert.Equal(ExitCodes.Usage, ended.ExitCode);
        Assert.Contains("--help", ended.Error);
        Assert.DoesNotContain("canary", ended.Output + ended.Error);
    }

    [Fact]
    public async Task help_says_that_it_is_a_demo_and_what_exit_codes_mean()
    {
        var ended = await home.RunAsync("", "--help");

        Assert.Equal(0, ended.ExitCode);
        Assert.Contains("demo", ended.Output);
        Assert.Contains("Exit codes", ended.Output);
        foreach (var command in new[] { "configure", "register", "login", "devices", "servers", "connect", "status", "disconnect", "logs", "logout", "ui" }) Assert.Contains(command, ended.Output);
    }

    [Theory]
    [InlineData("servers")]
    [InlineData("devices")]
    [InlineData("connect")]
    public async Task without_a_configuration_a_command_ends_with_3_and_says_what_to_do(string command)
    {
        var ended = await home.RunAsync("", command);

        Assert.Equal(ExitCodes.NotConfigured, ended.ExitCode);
        Assert.Contains("cvault-client configure", ended.Error);
    }

    [Fact]
    public async Task json_failures_are_json_on_standard_error()
    {
        var ended = await home.RunAsync("", "servers", "--json");

        Assert.Equal("", ended.Output);
        Assert.Equal("NOT_CONFIGURED", JsonDocument.Parse(ended.Error).RootElement.GetProperty("error").GetProperty("code").GetString());
    }

    [Theory]
    [InlineData("cvk_0123456789abcdef")]
    [InlineData("cvs_0123456789abcdef")]
    [InlineData("no key")]
    public async Task a_key_that_is_not_publishable_is_refused_and_kept_nowhere(string key)
    {
        var ended = await home.RunAsync(key + "\n", "configure", "--url", "https://api.example.test");

        Assert.Equal(ExitCodes.Usage, ended.ExitCode);
        Assert.DoesNotContain(key, ended.Output + ended.Error);
        Assert.Empty(home.FilesWith(key));
    }

    [Theory]
    [InlineData("http://api.example.test")]
    [InlineData("https://user:password@api.example.test")]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("example")]
    public async Task an_api_url_is_https_except_on_this_computer(string url) =>
        Assert.Equal(ExitCodes.Usage, (await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", url)).ExitCode);

    [Fact]
    public async Task an_api_that_is_not_there_ends_with_6()
    {
        var ended = await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", "http://127.0.0.1:9");

        Assert.Equal(ExitCodes.Unreachable, ended.ExitCode);
        Assert.Contains("try again", ended.Error);
    }

    [Fact]
    public async Task a_user_signs_in_and_only_the_session_file_has_the_tokens()
    {
        await using var api = await StandInApi.StartAsync();
        Assert.Equal(0, (await home.RunAsync($"{api.Url}\n{StandInApi.Key}\n", "configure")).ExitCode);

        var before = await home.RunAsync("", "devices");
        var wrong = await home.RunAsync("another password\n", "login", "--email", StandInApi.Email);
        var right = await home.RunAsync($"{StandInApi.Email}\n{StandInApi.Password}\n", "login", "--json");
        var devices = await home.RunAsync("", "devices", "--json");
        var refused = await home.RunAsync("", "devices", "remove", Guid.NewGuid().ToString());
        var logs = await home.RunAsync("", "logs");

        Assert.Equal(ExitCodes.NotSignedIn, before.ExitCode);
        Assert.Equal(ExitCodes.NotSignedIn, wrong.ExitCode);
        Assert.Contains("request-1", wrong.Error);
        Assert.Equal(0, right.ExitCode);
        Assert.Equal("signed_in", JsonDocument.Parse(right.Output).RootElement.GetProperty("status").GetString());
        Assert.Equal(0, JsonDocument.Parse(devices.Output).RootElement.GetProperty("devices").GetArrayLength());
        Assert.Equal(ExitCodes.Refused, refused.ExitCode);
        Assert.Contains("Signed in", logs.Output);
        Assert.Empty(home.FilesWith(StandInApi.Password));
        Assert.Empty(home.FilesWith("another password"));
        Assert.Equal(["session.json"], home.FilesWith(StandInApi.AccessToken));
        Assert.Equal(["session.json"], home.FilesWith(StandInApi.RefreshToken));
        var shown = string.Concat(new[] { before, wrong, right, devices, refused, logs }.Select(e => e.Output + e.Error));
        foreach (var secret in new[] { StandInApi.Password, StandInApi.AccessToken, StandInApi.RefreshToken }) Assert.DoesNotContain(secret, shown);
    }

    [Fact]
    public async Task no_proxy_hears_the_password_for_an_api_on_this_machine()
    {
        await using var api = await StandInApi.StartAsync();
        var before = HttpClient.DefaultProxy;
        var proxy = new Watching();
        HttpClient.DefaultProxy = proxy;
        try
        {
            await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", api.Url);
            Assert.Equal(0, (await home.RunAsync($"{StandInApi.Password}\n", "login", "--email", StandInApi.Email)).ExitCode);
        }
        finally
        {
            HttpClient.DefaultProxy = before;
        }

        Assert.DoesNotContain(new Uri(api.Url), proxy.Asked);
    }

    [Fact]
    public async Task another_api_ends_the_login_with_the_one_before()
    {
        await using var first = await StandInApi.StartAsync();
        await using var second = await StandInApi.StartAsync();
        await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", first.Url);
        await home.RunAsync($"{StandInApi.Password}\n", "login", "--email", StandInApi.Email);
        Assert.Equal(0, (await home.RunAsync("", "devices")).ExitCode);

        await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", second.Url);

        Assert.Equal(ExitCodes.NotSignedIn, (await home.RunAsync("", "devices")).ExitCode);
        Assert.Empty(home.FilesWith(StandInApi.RefreshToken));
    }

    [Fact]
    public async Task signing_out_forgets_the_tokens()
    {
        await using var api = await StandInApi.StartAsync();
        await home.RunAsync(StandInApi.Key + "\n", "configure", "--url", api.Url);
        await home.RunAsync($"{StandInApi.Password}\n", "login", "--email", StandInApi.Email);

        Assert.Equal(0, (await home.RunAsync("", "logout")).ExitCode);

        Assert.Empty(home.FilesWith(StandInApi.RefreshToken));
    }

    /// <summary>No proxy, but it hears of whoever would use one.</summary>
    private sealed class Watching : IWebProxy
    {
        public ConcurrentBag<Uri> Asked { get; } = [];

        public ICredentials? Credentials { get; set; }

        public Uri? GetProxy(Uri destination)
        {
            Asked.Add(new Uri(destination, "/"));
            return null;
        }

        public bool IsBypassed(Uri host)
        {
            Asked.Add(new Uri(host, "/"));
            return false;
        }
    }
}
