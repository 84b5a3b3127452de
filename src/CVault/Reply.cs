using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using CVault.Security;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CVault;

/// <summary>A body that says whether the peer which the request changed is confirmed by its server.</summary>
public interface IPeerReply
{
    /// <summary><c>live</c> when the server has confirmed the change, else <c>pending</c>.</summary>
    string PeerStatus { get; set; }
}

/// <summary>
/// The answer to a command. The endpoint decides it before the commit, so that an <c>Idempotency-Key</c>'s stored
/// answer is part of the same transaction; it is written to the caller after the commit, and where it names a peer
/// it first waits, for a bounded moment, until that peer's server has confirmed the change.
/// </summary>
public sealed record Reply(int Status, object Body) : IResult
{
    /// <summary>How long a request waits for its peer before it answers <c>pending</c>.</summary>
    public static readonly TimeSpan PeerWait = TimeSpan.FromSeconds(2);

    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        NumberHandling = JsonNumberHandling.Strict,
        AllowDuplicateProperties = false,
        MaxDepth = 32,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        // Answers are never part of a page; base64 keys stay readable.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The created resource's path, for 201.</summary>
    public string? Location { get; init; }

    /// <summary>The peer to wait for; null where the command changed none.</summary>
    public PeerChange? Peer { get; init; }

    /// <summary>Where the peer's confirmation will be heard: asked for before the commit (<see cref="ExpectPeer.After"/>).</summary>
    public Task<bool>? Confirmation { get; set; }

    /// <summary>
    /// The command changed a credential or a tenant: this node hears of it before it answers (the others within a second).
    /// </summary>
    public bool ChangesCredentials { get; init; }

    /// <summary>What the security log is told after the commit; null for nothing.</summary>
    public Noted? Noted { get; init; }

    private static async Task HearAsync(HttpContext http)
    {
        var feed = http.RequestServices.GetRequiredService<SecurityFeed>();
        try
        {
            await feed.CatchUpAsync(http.RequestAborted);
        }
        catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException)
        {
            // The change is committed, and this node trusts nothing that it remembers until the database answers again.
            feed.Doubt();
        }
    }

    public static Reply Ok(object body) => new(200, body);

    public static Reply Created(string location, object body) => new(201, body) { Location = location };

    /// <summary>The body as it stands now, as UTF-8 JSON.</summary>
    public byte[] Utf8Body() => JsonSerializer.SerializeToUtf8Bytes(Body, Body.GetType(), Json);

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        Idempotency.Leave(httpContext);
        if (Noted is { } noted) httpContext.RequestServices.GetRequiredService<SecurityLog>().Write(noted.What, httpContext, ("user", noted.User), ("method", noted.Method));
        if (Peer is { } change && Confirmation is { } signal && Body is IPeerReply reply)
        {
            FailPoint.Reached("after-commit");
            var confirmations = httpContext.RequestServices.GetRequiredService<PeerConfirmations>();
            if (await confirmations.WaitAsync(change, signal, PeerWait, httpContext.RequestAborted))
            {
                reply.PeerStatus = PeerStatuses.Live;
                await Idempotency.AmendAsync(httpContext, this);
            }

            FailPoint.Reached("before-response");
        }

        if (ChangesCredentials) await HearAsync(httpContext);
        httpContext.Response.StatusCode = Status;
        if (Location is not null) httpContext.Response.Headers.Location = Location;
        httpContext.Response.ContentType = "application/json";
        await httpContext.Response.Body.WriteAsync(Utf8Body(), httpContext.RequestAborted);
    }
}

/// <summary>The two answers of <c>peer_status</c>.</summary>
public static class PeerStatuses
{
    public const string Live = "live";
    public const string Pending = "pending";
}
