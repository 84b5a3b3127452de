using System.Collections.Concurrent;

namespace CVault.Sdk.Tests;

/// <summary>What the conformance list cannot say of sessions: cancelling, stores that fail, other processes.</summary>
public sealed class SessionTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<string> refreshKeys = [];
    private readonly TaskCompletionSource refreshing = new(TaskCreationOptions.RunContinuationsAsynchronously), go = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private AnyOrderServer server = null!;

    public async ValueTask InitializeAsync()
    {
        server = await AnyOrderServer.StartAsync();
        server.First = async http =>
        {
            if (http.Request.Path != "/api/v1/auth/refresh") return false;
            refreshKeys.Enqueue(http.Request.Headers["Idempotency-Key"].ToString());
            refreshing.TrySetResult();
            await go.Task;
            return false;
        };
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    [Fact]
    public async Task A_caller_that_gives_up_does_not_end_the_refresh_that_others_wait_for()
    {
        var store = await ExpiredAsync();
        var cvault = Client(store);
        using var impatience = new CancellationTokenSource();
        var first = cvault.Devices.ListAsync(cancellationToken: impatience.Token);
        var second = cvault.Devices.ListAsync();
        await refreshing.Task;
        await impatience.CancelAsync();
        var stopped = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.Equal(impatience.Token, stopped.CancellationToken);
        go.SetResult();
        await second;
        Assert.Single(refreshKeys);
        Assert.Equal("A2", (await store.GetAsync())!.AccessToken);
    }

    [Fact]
    public async Task Two_processes_with_one_store_ask_with_the_same_key()
    {
        var store = await ExpiredAsync();
        var first = Client(store).Devices.ListAsync();
        await refreshing.Task;
        // As another process reads it.
        var other = new MemoryTokenStore();
        await other.SetAsync((await store.GetAsync())!);
        var second = Client(other).Devices.ListAsync();
        go.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal(2, refreshKeys.Count);
        Assert.Single(refreshKeys.Distinct());
    }

    [Fact]
    public async Task Who_has_the_token_alone_has_not_the_key_of_its_refresh()
    {
        go.SetResult();
        await Client(await ExpiredAsync()).Devices.ListAsync();
        await Client(await ExpiredAsync()).Devices.ListAsync();
        Assert.Equal(2, refreshKeys.Distinct().Count());
    }

    [Fact]
    public async Task The_key_of_the_next_refresh_comes_with_the_login()
    {
        go.SetResult();
        var store = new MemoryTokenStore();
        var cvault = Client(store);
        await cvault.Auth.LoginAsync("ada@example.com", "correct horse battery");
        var login = (await store.GetAsync())!;
        Assert.False(string.IsNullOrEmpty(login.RefreshKey));
        login.ExpiresAt = DateTimeOffset.UtcNow;
        await cvault.Devices.ListAsync();
        Assert.Equal([login.RefreshKey], refreshKeys);
        var next = (await store.GetAsync())!.RefreshKey;
        Assert.False(string.IsNullOrEmpty(next));
        Assert.NotEqual(login.RefreshKey, next);
    }

    [Fact]
    public async Task What_another_process_renewed_is_used()
    {
        var store = await ExpiredAsync();
        var late = new LateStore(store);
        var cvault = Client(late);
        // Between the look at the expiry and the refresh.
        late.AfterFirstRead = () => store.SetAsync(new CVaultSession { AccessToken = "A9", RefreshToken = "R9", ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(15) });
        await cvault.Devices.ListAsync();
        Assert.Empty(refreshKeys);
    }

    [Fact]
    public async Task A_call_is_not_made_for_who_signed_in_after_it()
    {
        var store = await ExpiredAsync();
        var someoneElse = new CVaultSession { UserId = Guid.NewGuid(), AccessToken = "B1", RefreshToken = "S1", ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(15) };
        var call = Client(store).Devices.RegisterAsync("Laptop");
        await refreshing.Task;
        await store.SetAsync(someoneElse);
        go.SetResult();
        Assert.Equal(CVaultErrorCodes.Unauthenticated, (await Assert.ThrowsAsync<CVaultException>(() => call)).Code);
        Assert.DoesNotContain(server.Requests, r => r.EndsWith("/devices", StringComparison.Ordinal));
        Assert.Equal("B1", (await store.GetAsync())!.AccessToken);
    }

    [Fact]
    public async Task What_a_store_throws_the_call_throws()
    {
        var cvault = Client(new BrokenStore());
        await Assert.ThrowsAsync<UnauthorizedAccessException>(() => cvault.Devices.ListAsync());
    }

    [Fact]
    public async Task A_handler_that_throws_breaks_nothing()
    {
        var cvault = Client(await ExpiredAsync(minutes: 15));
        var told = 0;
        cvault.Connected += (_, _) => throw new InvalidOperationException();
        cvault.Connected += (_, _) => told++;
        await cvault.Vpn.ConnectAsync(Guid.NewGuid());
        Assert.Equal(1, told);
    }

    [Fact]
    public async Task A_server_acts_for_each_user_by_a_store_of_their_own()
    {
        var seen = new ConcurrentQueue<string>();
        server.First = http =>
        {
            seen.Enqueue(http.Request.Headers.Authorization.ToString());
            return Task.FromResult(false);
        };
        var mine = new CVaultServerClient(new CVaultServerOptions { BaseUrl = server.Url, ApiKey = "cvk_test", ApiSecret = "cvs_test" });
        var ada = mine.ForUser(await SignedInAsync("Ada"));
        var eve = mine.ForUser(await SignedInAsync("Eve"));
        await ada.Devices.ListAsync();
        await eve.Devices.ListAsync();
        Assert.Equal(["Bearer Ada", "Bearer Eve"], seen);
        var nobody = await Assert.ThrowsAsync<CVaultException>(() => mine.Devices.ListAsync());
        Assert.Equal(CVaultErrorCodes.Unauthenticated, nobody.Code);
    }

    private CVaultClient Client(ITokenStore store) => new(new CVaultClientOptions { BaseUrl = server.Url, ApiKey = "cvp_test", TokenStore = store });

    private static async Task<MemoryTokenStore> ExpiredAsync(int minutes = -1)
    {
        var store = new MemoryTokenStore();
        await store.SetAsync(new CVaultSession { UserId = Guid.Parse("0199a1f0-0000-7000-8000-000000000001"), AccessToken = "A1", RefreshToken = "R1", ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(minutes) });
        return store;
    }

    private static async Task<MemoryTokenStore> SignedInAsync(string token)
    {
        var store = new MemoryTokenStore();
        await store.SetAsync(new CVaultSession { AccessToken = token, RefreshToken = token, ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(15) });
        return store;
    }

    private sealed class LateStore(ITokenStore inner) : ITokenStore
    {
        public Func<ValueTask>? AfterFirstRead { get; set; }

        public async ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default)
        {
            var session = await inner.GetAsync(cancellationToken);
            if (AfterFirstRead is { } after)
            {
                AfterFirstRead = null;
                await after();
            }

            return session;
        }

        public ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default) => inner.SetAsync(session, cancellationToken);

        public ValueTask ClearAsync(CancellationToken cancellationToken = default) => inner.ClearAsync(cancellationToken);
    }

    private sealed class BrokenStore : ITokenStore
    {
        public ValueTask<CVaultSession?> GetAsync(CancellationToken cancellationToken = default) => throw new UnauthorizedAccessException();

        public ValueTask SetAsync(CVaultSession session, CancellationToken cancellationToken = default) => throw new UnauthorizedAccessException();

        public ValueTask ClearAsync(CancellationToken cancellationToken = default) => throw new UnauthorizedAccessException();
    }
}
