using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace CVault.Sdk;

/// <summary>What the clients' parts call: the transport, with the login of whoever is acted for.</summary>
internal sealed class Api
{
    private readonly Transport transport;
    private readonly Sessions sessions;
    private readonly string refreshPath;

    private Api(Transport transport, ITokenStore? store, string refreshPath)
    {
        this.transport = transport;
        this.refreshPath = refreshPath;
        sessions = new Sessions(transport, store ?? new MemoryTokenStore(), refreshPath);
    }

    /// <summary>Is told of every error that a call throws.</summary>
    public Action<CVaultException>? Failed { get; set; }

    /// <param name="options">The caller's.</param>
    /// <param name="key">The API key.</param>
    /// <param name="secret">Null for an app, which has none.</param>
    public static Api ForUser(CVaultOptions? options, string? key, string? secret)
    {
        if (options is null) throw new ArgumentNullException(nameof(options));
        if (string.IsNullOrWhiteSpace(key)) throw new ArgumentException("ApiKey is missing.", nameof(options));
        if (secret is not null && RuntimeInformation.IsOSPlatform(OSPlatform.Create("BROWSER"))) throw new PlatformNotSupportedException("An API secret has no place in a browser. Use CVaultClient with a publishable key.");
        if (secret is not null && string.IsNullOrWhiteSpace(secret)) throw new ArgumentException("ApiSecret is missing.", nameof(options));
        if (key!.Any(c => c is <= ' ' or > '~') || secret?.Any(c => c is <= ' ' or > '~') == true) throw new ArgumentException("ApiKey or ApiSecret has a character that none has.", nameof(options));
        return new Api(new Transport(options, key, secret), options.TokenStore, "/api/v1/auth/refresh");
    }

    public static Api ForMember(CVaultOptions? options) =>
        new(new Transport(options ?? throw new ArgumentNullException(nameof(options)), key: null, secret: null), options.TokenStore, "/api/v1/tenant/auth/refresh");

    public Api WithStore(ITokenStore store) => new(transport, store, refreshPath);

    public async Task<T> SendAsync<T>(Call call, Func<byte[], T> read, RequestOptions? options, CancellationToken cancellation)
    {
        try
        {
            // The same in each attempt, also in the one after a refresh: whatever comes of it is done once.
            var key = call.Method == HttpMethod.Post ? KeyOf(options) : null;
            if (!call.NeedsToken) return await transport.SendAsync(call, read, null, key, options, cancellation).ConfigureAwait(false);
            var session = await sessions.GoodAsync(cancellation).ConfigureAwait(false);
            try
            {
                return await transport.SendAsync(call, read, session.AccessToken, key, options, cancellation).ConfigureAwait(false);
            }
            catch (CVaultException e) when (e is { Status: 401, Code: CVaultErrorCodes.Unauthenticated })
            {
                session = await sessions.RenewedAsync(session, cancellation).ConfigureAwait(false);
                return await transport.SendAsync(call, read, session.AccessToken, key, options, cancellation).ConfigureAwait(false);
            }
        }
        catch (CVaultException e)
        {
            Failed?.Invoke(e);
            throw;
        }
    }

    public Task<T> SendAsync<T>(Call call, JsonTypeInfo<T> type, RequestOptions? options, CancellationToken cancellation) =>
        SendAsync(call, body => JsonSerializer.Deserialize(body, type) is { } answer and not IPage { Items: null } ? answer : throw new JsonException("null"), options, cancellation);

    /// <summary>The answer's bytes.</summary>
    public Task<byte[]> SendAsync(Call call, RequestOptions? options, CancellationToken cancellation) => SendAsync(call, body => body, options, cancellation);

    /// <summary>The login as it is kept.</summary>
    public Task<CVaultSession?> SessionAsync(CancellationToken cancellation) => sessions.GetAsync(cancellation);

    /// <summary>A call that answers tokens, if all is well; they are kept.</summary>
    public async Task<TokensAnswer> SignInAsync(Call call, RequestOptions? options, CancellationToken cancellation)
    {
        var tokens = await SendAsync(call, body => TokensAnswer.Read(body, a => a.IsLogin || a is { AccessToken: null, Status: not null }), options, cancellation).ConfigureAwait(false);
        if (tokens.IsLogin) await sessions.SetAsync(tokens, cancellation).ConfigureAwait(false);
        return tokens;
    }

    /// <summary>Tells the API, if it can be told, and forgets the login in any case.</summary>
    /// <param name="call">How the login of a session is ended.</param>
    /// <param name="options">The caller's.</param>
    /// <param name="cancellation">The login is forgotten nevertheless.</param>
    public async Task SignOutAsync(Func<CVaultSession, Call> call, RequestOptions? options, CancellationToken cancellation)
    {
        var session = await sessions.GetAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (session is null) return;
            var end = call(session);
            var token = end.NeedsToken ? (await sessions.GoodAsync(cancellation).ConfigureAwait(false)).AccessToken : null;
            await transport.SendAsync(end, body => body, token, KeyOf(options), options, cancellation).ConfigureAwait(false);
        }
        catch (CVaultException)
        {
            // Whoever signs out is signed out here, whether the API hears of it or not.
        }
        finally
        {
            await sessions.ClearAsync().ConfigureAwait(false);
        }
    }

    private static string KeyOf(RequestOptions? options)
    {
        if (options?.IdempotencyKey is not { } key) return Guid.NewGuid().ToString();
        return key.Length is > 0 and <= 255 && key.All(c => c is > ' ' and <= '~') ? key : throw new ArgumentException("IdempotencyKey is 1 to 255 characters of ASCII, without spaces.", nameof(options));
    }
}
