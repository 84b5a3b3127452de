using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;

namespace CVault.Sdk.Tests;

/// <summary>What the conformance list cannot say of requests: options that are refused, cancelling, logs, clients of one's own.</summary>
public class TransportTests
{
    [Theory]
    [InlineData("http://api.example.com"), InlineData("ftp://localhost"), InlineData("https://user:secret@api.example.com"), InlineData("https://api.example.com/?a=b"), InlineData("http://127.0.0.1.example.com")]
    public void An_address_that_would_give_keys_away_is_refused(string url) =>
        Assert.Throws<ArgumentException>(() => new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri(url) }));

    [Theory]
    [InlineData("https://api.example.com"), InlineData("https://api.example.com/vpn/"), InlineData("http://localhost:8080"), InlineData("http://127.9.9.9"), InlineData("http://[::1]:8080")]
    public void Others_are_taken(string url) => Assert.NotNull(new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri(url) }));

    [Fact]
    public void What_is_missing_is_named_and_nothing_secret_with_it()
    {
        var url = new Uri("https://api.example.com");
        Assert.Contains("ApiKey", Assert.Throws<ArgumentException>(() => new CVaultClient(new CVaultClientOptions { BaseUrl = url })).Message, StringComparison.Ordinal);
        Assert.Contains("BaseUrl", Assert.Throws<ArgumentException>(() => new CVaultMemberClient(new CVaultMemberOptions())).Message, StringComparison.Ordinal);
        Assert.Contains("ApiSecret", Assert.Throws<ArgumentException>(() => new CVaultServerClient(new CVaultServerOptions { BaseUrl = url, ApiKey = "cvk_test" })).Message, StringComparison.Ordinal);
        var odd = Assert.Throws<ArgumentException>(() => new CVaultServerClient(new CVaultServerOptions { BaseUrl = url, ApiKey = "cvk_test", ApiSecret = "canary\r\nX-Evil: 1" }));
        Assert.DoesNotContain("canary", odd.ToString(), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new CVaultClient(new CVaultClientOptions { BaseUrl = url, ApiKey = "cvp_test", UserAgent = "a\r\nX-Evil: 1" }));
    }

    [Theory, InlineData(""), InlineData("a b"), InlineData("a\r\nX-Evil: 1"), InlineData("ü")]
    public async Task An_idempotency_key_that_no_header_can_hold_is_refused_here(string key)
    {
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri("https://api.example.com") });
        await Assert.ThrowsAsync<ArgumentException>(() => cvault.Auth.ForgotPasswordAsync("ada@example.com", new RequestOptions { IdempotencyKey = key }));
    }

    [Fact]
    public async Task A_path_in_the_address_stays_before_the_calls()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri(server.Url, "/behind/a/proxy"), MaxRetries = 0 });
        await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal(["GET /behind/a/proxy/api/v1/servers"], server.Requests);
    }

    [Fact]
    public async Task Cancelling_ends_a_call_and_a_wait_as_the_caller_asked()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var arrived = new TaskCompletionSource();
        server.First = async http =>
        {
            arrived.TrySetResult();
            await Task.Delay(TimeSpan.FromSeconds(30), http.RequestAborted);
            return true;
        };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url });
        var errors = 0;
        cvault.Error += (_, _) => errors++;
        using var cancel = new CancellationTokenSource();
        var call = cvault.Servers.ListAsync(cancellationToken: cancel.Token);
        await arrived.Task;
        await cancel.CancelAsync();
        Assert.Equal(cancel.Token, (await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call)).CancellationToken);

        server.First = http =>
        {
            http.Response.StatusCode = 503;
            http.Response.Headers.RetryAfter = "30";
            return Task.FromResult(true);
        };
        using var later = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cvault.Servers.ListAsync(cancellationToken: later.Token));
        Assert.Equal(0, errors);
    }

    [Fact]
    public async Task A_client_of_ones_own_is_used_and_its_timeout_is_one()
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            await Task.Delay(TimeSpan.FromSeconds(30), http.RequestAborted);
            return true;
        };
        using var mine = new HttpClient { Timeout = TimeSpan.FromMilliseconds(200) };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url, HttpClient = mine, MaxRetries = 0 });
        var error = await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal((CVaultErrorCodes.NetworkError, 0, true), (error.Code, error.Status, error.TimedOut));
    }

    [Fact]
    public async Task Nobody_there_is_a_network_error()
    {
        // Bound, so that no other test's server gets the port, but nobody listens.
        using var taken = new Socket(SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri($"http://127.0.0.1:{((IPEndPoint)taken.LocalEndPoint!).Port}"), MaxRetries = 1 });
        var error = await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal((CVaultErrorCodes.NetworkError, 0, false), (error.Code, error.Status, error.TimedOut));
    }

    [Fact]
    public async Task The_log_has_attempts_and_paths_and_no_query()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var log = new ConcurrentQueue<CVaultLogEntry>();
        var failed = false;
        var agents = new ConcurrentQueue<string>();
        server.First = http =>
        {
            agents.Enqueue(http.Request.Headers.UserAgent.ToString());
            http.Response.Headers["X-Request-Id"] = "req-7";
            if (failed) return Task.FromResult(false);
            failed = true;
            http.Response.StatusCode = 503;
            http.Response.Headers.RetryAfter = "0";
            return Task.FromResult(true);
        };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url, Log = log.Enqueue, UserAgent = "MyApp/1.2" });
        await cvault.Servers.ListAsync(cursor: "canary");
        Assert.Equal([("GET", "/api/v1/servers", 1, 503, "req-7"), ("GET", "/api/v1/servers", 2, 200, "req-7")], log.Select(e => (e.Method, e.Path, e.Attempt, e.Status, e.RequestId!)));
        Assert.All(log, entry => Assert.DoesNotContain("canary", entry.ToString(), StringComparison.Ordinal));
        Assert.All(agents, agent => Assert.Matches(@"^cvault-sdk-dotnet/0\.1\.0 MyApp/1\.2$", agent));
    }

    [Fact]
    public async Task A_log_that_throws_breaks_nothing()
    {
        await using var server = await AnyOrderServer.StartAsync();
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url, Log = _ => throw new InvalidOperationException() });
        await cvault.Servers.ListAsync();
        server.First = http =>
        {
            http.Abort();
            return Task.FromResult(true);
        };
        Assert.Equal(CVaultErrorCodes.NetworkError, (await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync(options: new RequestOptions { MaxRetries = 0 }))).Code);
    }

    /// <summary>By a bare socket, which counts what the kernel took: once nobody reads, Kestrel takes everything and drops it.</summary>
    [Fact]
    public async Task An_answer_without_an_end_is_read_for_a_while_only()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = new Uri($"http://{listener.LocalEndpoint}") });
        var asking = Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        using var connection = await listener.AcceptSocketAsync();
        await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"u8.ToArray());
        var sent = 0L;
        try
        {
            for (var part = Enumerable.Repeat((byte)' ', 1_000_000).ToArray(); sent < 200_000_000;) sent += await connection.SendAsync(part);
        }
        catch (SocketException)
        {
            // It was closed.
        }

        var error = await asking;
        Assert.Equal((CVaultErrorCodes.UnexpectedAnswer, 200), (error.Code, error.Status));
        Assert.InRange(sent, 15_000_000, 100_000_000);
    }

    [Fact]
    public async Task The_time_limit_is_of_the_body_too()
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync("{");
            await http.Response.Body.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(30), http.RequestAborted);
            return true;
        };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url, Timeout = TimeSpan.FromMilliseconds(300), MaxRetries = 0 });
        var error = await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal((CVaultErrorCodes.NetworkError, 0, true), (error.Code, error.Status, error.TimedOut));
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cvault.Servers.ListAsync(options: new RequestOptions { Timeout = TimeSpan.FromSeconds(30) }, cancellationToken: cancel.Token));
    }

    [Fact]
    public async Task A_problem_with_half_a_character_is_a_typed_error()
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            http.Response.StatusCode = 400;
            http.Response.ContentType = "application/problem+json";
            await http.Response.WriteAsync("""{"code":"VALIDATION_FAILED","detail":"\ud800"}""");
            return true;
        };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url });
        var error = await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal((CVaultErrorCodes.UnexpectedAnswer, 400), (error.Code, error.Status));
    }

    [Fact]
    public async Task A_client_that_follows_redirects_elsewhere_is_told_of()
    {
        await using var server = await AnyOrderServer.StartAsync();
        await using var elsewhere = await AnyOrderServer.StartAsync();
        server.First = http =>
        {
            http.Response.Redirect(new Uri(elsewhere.Url, http.Request.Path).ToString());
            return Task.FromResult(true);
        };
        using var mine = new HttpClient();
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url, HttpClient = mine });
        var error = await Assert.ThrowsAsync<CVaultException>(() => cvault.Servers.ListAsync());
        Assert.Equal(CVaultErrorCodes.UnexpectedAnswer, error.Code);
        Assert.Contains("AllowAutoRedirect", error.Message, StringComparison.Ordinal);
        Assert.Single(elsewhere.Requests);
    }

    [Theory, InlineData("c"), InlineData("")]
    public async Task An_export_that_leads_to_itself_or_back_to_its_beginning_ends(string cursor)
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            http.Response.ContentType = "application/x-ndjson";
            await http.Response.WriteAsync($$"""{"id":"1:0","cursor":"{{cursor}}"}""");
            return true;
        };
        var cvault = new CVaultServerClient(new CVaultServerOptions { ApiKey = "cvk_test", ApiSecret = "cvs_test", BaseUrl = server.Url });
        var read = 0;
        var error = await Assert.ThrowsAsync<CVaultException>(async () =>
        {
            await foreach (var line in cvault.Billing.ExportAsync()) Assert.True(++read < 10);
        });
        Assert.Equal(CVaultErrorCodes.UnexpectedAnswer, error.Code);
    }

    [Fact]
    public async Task Reading_a_list_asks_for_no_more_than_is_read_and_can_be_cancelled()
    {
        await using var server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            await Conformance.CannedServer.WriteAsync(System.Text.Json.JsonDocument.Parse("""{"status":200,"body":{"servers":[{"region":"a"},{"region":"b"}],"next_cursor":"more"}}""".Replace("more", Guid.NewGuid().ToString(), StringComparison.Ordinal)).RootElement, http);
            return true;
        };
        var cvault = new CVaultClient(new CVaultClientOptions { ApiKey = "cvp_test", BaseUrl = server.Url });
        var read = 0;
        await foreach (var one in cvault.Servers.ListAllAsync())
        {
            if (++read == 3) break;
        }

        Assert.Equal(2, server.Requests.Count);
        using var cancel = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var one in cvault.Servers.ListAllAsync().WithCancellation(cancel.Token)) await cancel.CancelAsync();
        });
    }
}
