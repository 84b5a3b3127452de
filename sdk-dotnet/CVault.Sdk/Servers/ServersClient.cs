using System.Text.Json.Serialization;

namespace CVault.Sdk;

/// <summary>A VPN server.</summary>
public sealed class VpnServer
{
    /// <summary>CVault's id.</summary>
    public Guid Id { get; set; }

    /// <summary>Where it is, as in <c>us-east</c>.</summary>
    public string Region { get; set; } = "";

    /// <summary>How full it is, in percent, 0 to 100.</summary>
    public int Load { get; set; }

    /// <summary>Whether a new device could be placed there now.</summary>
    public bool Available { get; set; }

    /// <summary>True: nothing can connect to it.</summary>
    public bool Simulated { get; set; }
}

/// <summary>A page of servers.</summary>
public sealed class ServerPage : IPage
{
    /// <summary>Of this page.</summary>
    [JsonRequired]
    public IReadOnlyList<VpnServer> Servers { get; set; } = [];

    object? IPage.Items => Servers;

    /// <summary>For the next page; null at the end.</summary>
    public string? NextCursor { get; set; }
}

/// <summary>Where there are servers. Nobody need be signed in.</summary>
public sealed class ServersClient
{
    private readonly Api api;

    internal ServersClient(Api api) => this.api = api;

    /// <summary><c>GET /api/v1/servers</c>: a page.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<ServerPage> ListAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/servers").With("limit", limit).With("cursor", cursor), Json.Default.ServerPage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<VpnServer> ListAllAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ListAsync(pageSize, cursor, options, cancellation), p => p.Servers, p => p.NextCursor, cancellationToken);
}
