using System.Net;
using System.Net.Http.Json;
using System.Net.NetworkInformation;
using System.Text;
using System.Text.Json;
using CVault.Client.Ui;

namespace CVault.Client.Tests;

/// <summary>The interface, really started, and everything that another page or program could send it.</summary>
public sealed class UiGuardTests : IAsyncLifetime
{
    private readonly Home home = new();
    private readonly Clock clock = new();
    private readonly HttpClient http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, UseProxy = false });
    private DemoClient client = null!;
    private UiHost ui = null!;

    public async ValueTask InitializeAsync()
    {
        var log = new FileLog(home.Folder, TimeProvider.System);
        client = new DemoClient(home.Folder, log, TimeProvider.System);
        ui = await UiHost.StartAsync(client, log, clock, 0, TestContext.Current.CancellationToken);
        http.BaseAddress = ui.Address;
    }

    public async ValueTask DisposeAsync()
    {
        await ui.DisposeAsync();
        await client.DisposeAsync();
        http.Dispose();
        home.Dispose();
    }

    [Fact]
    public void it_listens_on_this_computer_alone() => Assert.Equal(
        [IPAddress.Loopback], IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(e => e.Port == ui.Address.Port).Select(e => e.Address));

    [Fact]
    public async Task a_link_opens_one_page_once()
    {
        var token = Token();
        var page = await EnterAsync(token);

        Assert.Equal(HttpStatusCode.OK, (await StateAsync(page)).StatusCode);
        var again = await PostAsync("/ui/session", new { token });
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);
        Assert.Contains("LINK_USED", await again.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData("/UI/state")]
    [InlineData("/uI/logs")]
    [InlineData("/%55i/devices")]
    [InlineData("/ui/State/")]
    public async Task a_call_in_other_letters_is_a_call(string path) => Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(path)).StatusCode);

    [Fact]
    public async Task the_cookie_is_out_of_reach_of_scripts_and_other_sites()
    {
        var answer = await PostAsync("/ui/session", new { token = Token() });

        var cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("path=/ui", cookie, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task a_link_is_good_for_ten_minutes()
    {
        var token = Token();
        clock.Advance(TimeSpan.FromMinutes(10.1));

        Assert.Equal(HttpStatusCode.Conflict, (await PostAsync("/ui/session", new { token })).StatusCode);
    }

    [Fact]
    public async Task a_new_link_ends_the_one_before_and_its_page_the_page_before()
    {
        var first = await EnterAsync(Token());
        var unused = Token();
        var second = await EnterAsync(Token());

        Assert.Equal(HttpStatusCode.Conflict, (await PostAsync("/ui/session", new { token = unused })).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await StateAsync(first)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await StateAsync(second)).StatusCode);
    }

    [Fact]
    public async Task without_cookie_and_page_key_nothing_is_told()
    {
        var page = await EnterAsync(Token());

        Assert.Equal(HttpStatusCode.Unauthorized, (await StateAsync(page with { Cookie = "" })).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await StateAsync(page with { Key = "" })).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await StateAsync(page with { Key = page.Key + "x" })).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await StateAsync(new Page("", ""))).StatusCode);
        foreach (var path in new[] { "/ui/logs", "/ui/devices", "/ui/servers", "/ui/nothing" }) Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(path)).StatusCode);
        foreach (var path in new[] { "/ui/connect", "/ui/login", "/ui/configure", "/ui/logout" }) Assert.Equal(HttpStatusCode.Unauthorized, (await PostAsync(path, new { })).StatusCode);
    }

    [Theory]
    [InlineData("evil.example")]
    [InlineData("evil.example:{port}")]
    [InlineData("localhost:{port}")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:1")]
    [InlineData("127.0.0.1.evil.example:{port}")]
    [InlineData("[::1]:{port}")]
    public async Task a_name_that_was_made_to_point_here_gets_nothing(string host)
    {
        var page = await EnterAsync(Token());
        foreach (var path in new[] { "/", "/app.js", "/ui/state" })
        {
            using var request = Get(path, page);
            request.Headers.Host = host.Replace("{port}", ui.Address.Port.ToString(), StringComparison.Ordinal);
            Assert.Equal((HttpStatusCode)421, (await http.SendAsync(request)).StatusCode);
        }
    }

    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("http://127.0.0.1:1")]
    [InlineData("http://localhost:{port}")]
    [InlineData("https://127.0.0.1:{port}")]
    [InlineData("null")]
    [InlineData(null)]
    public async Task only_its_own_page_may_post(string? origin)
    {
        var page = await EnterAsync(Token());
        using var request = Post("/ui/settings", new { kill_switch = true }, page);
        request.Headers.Remove("Origin");
        if (origin is not null) request.Headers.Add("Origin", origin.Replace("{port}", ui.Address.Port.ToString(), StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.Forbidden, (await http.SendAsync(request)).StatusCode);
    }

    [Theory]
    [InlineData("cross-site", "/ui/state", 403)]
    [InlineData("same-site", "/ui/state", 403)]
    [InlineData("none", "/ui/state", 403)]
    [InlineData("same-origin", "/ui/state", 200)]
    [InlineData("cross-site", "/", 403)]
    [InlineData("same-site", "/app.js", 403)]
    [InlineData("none", "/", 200)]
    [InlineData("same-origin", "/app.js", 200)]
    public async Task what_the_browser_says_of_the_asking_page_decides(string site, string path, int status)
    {
        var page = await EnterAsync(Token());
        using var request = Get(path, page);
        request.Headers.Add("Sec-Fetch-Site", site);

        Assert.Equal(status, (int)(await http.SendAsync(request)).StatusCode);
    }

    [Theory]
    [InlineData("iframe")]
    [InlineData("frame")]
    [InlineData("object")]
    [InlineData("embed")]
    public async Task it_is_not_shown_inside_another_page(string use)
    {
        using var request = Get("/", new Page("", ""));
        request.Headers.Add("Sec-Fetch-Dest", use);

        Assert.Equal(HttpStatusCode.Forbidden, (await http.SendAsync(request)).StatusCode);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/app.js")]
    [InlineData("/ui/state")]
    [InlineData("/nothing")]
    public async Task every_answer_carries_the_headers_that_wall_it_off(string path)
    {
        var answer = await http.GetAsync(path);

        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy);
        Assert.Contains("script-src 'self';", policy);
        Assert.Contains("frame-ancestors 'none'", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.Equal("DENY", Assert.Single(answer.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
        Assert.Equal("same-origin", Assert.Single(answer.Headers.GetValues("Cross-Origin-Resource-Policy")));
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.DoesNotContain(answer.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase) || h.Key == "Server");
    }

    [Fact]
    public async Task no_other_origin_is_ever_let_in_by_a_preflight()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, "/ui/connect");
        request.Headers.Add("Origin", "https://evil.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");

        var answer = await http.SendAsync(request);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.DoesNotContain(answer.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/form-data")]
    [InlineData("application/json-patch+json")]
    public async Task what_a_form_could_send_is_refused(string type)
    {
        var page = await EnterAsync(Token());
        using var request = Post("/ui/disconnect", new { }, page);
        request.Content = new StringContent("{}", Encoding.UTF8, type);

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, (await http.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task a_large_body_is_refused()
    {
        using var request = Post("/ui/session", new { token = new string('x', 20_000) }, new Page("", ""));

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await http.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task the_first_state_asks_to_be_configured_and_failures_name_their_fields()
    {
        var page = await EnterAsync(Token());

        var state = await (await StateAsync(page)).Content.ReadFromJsonAsync<JsonElement>();
        var answer = await http.SendAsync(Post("/ui/configure", new { api_url = "http://api.example.test", api_key = StandInApi.Key, check_url = "" }, page));

        Assert.False(state.GetProperty("configured").GetBoolean());
        Assert.Equal("disconnected", state.GetProperty("connection").GetProperty("status").GetString());
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.True((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors").TryGetProperty("api_url", out _));
    }

    [Fact]
    public async Task signing_in_by_the_page_tells_it_no_token()
    {
        await using var api = await StandInApi.StartAsync();
        var page = await EnterAsync(Token());

        var configured = await http.SendAsync(Post("/ui/configure", new { api_url = api.Url, api_key = StandInApi.Key }, page));
        var wrong = await http.SendAsync(Post("/ui/login", new { email = StandInApi.Email, password = "another password" }, page));
        var right = await http.SendAsync(Post("/ui/login", new { email = StandInApi.Email, password = StandInApi.Password }, page));
        var devices = await http.SendAsync(Get("/ui/devices", page));
        var logs = await http.SendAsync(Get("/ui/logs", page));
        var state = await StateAsync(page);

        Assert.Equal(HttpStatusCode.OK, configured.StatusCode);
        Assert.Equal(HttpStatusCode.Conflict, wrong.StatusCode);
        Assert.Equal(HttpStatusCode.OK, right.StatusCode);
        Assert.Equal(HttpStatusCode.OK, devices.StatusCode);
        Assert.True((await state.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("signed_in").GetBoolean());
        foreach (var answer in new[] { configured, wrong, right, devices, logs, state })
        {
            var text = await answer.Content.ReadAsStringAsync();
            Assert.DoesNotContain("canary", text);
            Assert.DoesNotContain(StandInApi.Key, text);
        }

        Assert.Empty(home.FilesWith(page.Key));
        Assert.Empty(home.FilesWith(page.Cookie.Split('=')[1]));
    }

    private string Token() => new Uri(ui.NewLink()).Fragment["#token=".Length..];

    private async Task<Page> EnterAsync(string token)
    {
        var answer = await PostAsync("/ui/session", new { token });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return new Page(answer.Headers.GetValues("Set-Cookie").Single().Split(';')[0], (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("page_key").GetString()!);
    }

    private Task<HttpResponseMessage> StateAsync(Page page) => http.SendAsync(Get("/ui/state", page));

    private Task<HttpResponseMessage> PostAsync(string path, object body) => http.SendAsync(Post(path, body, new Page("", "")));

    private static HttpRequestMessage Get(string path, Page page) => With(new HttpRequestMessage(HttpMethod.Get, path), page);

    private HttpRequestMessage Post(string path, object body, Page page)
    {
        var request = With(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json") }, page);
        request.Headers.Add("Origin", ui.Address.GetLeftPart(UriPartial.Authority));
        return request;
    }

    private static HttpRequestMessage With(HttpRequestMessage request, Page page)
    {
        if (page.Cookie != "") request.Headers.Add("Cookie", page.Cookie);
        if (page.Key != "") request.Headers.Add(PageGuard.PageKeyHeader, page.Key);
        return request;
    }

    private sealed record Page(string Cookie, string Key);

    /// <summary>A clock that a test moves on; timers are the real ones.</summary>
    private sealed class Clock : TimeProvider
    {
        private TimeSpan ahead;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;

        public void Advance(TimeSpan by) => ahead += by;
    }
}
