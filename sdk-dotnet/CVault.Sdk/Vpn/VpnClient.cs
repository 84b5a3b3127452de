namespace CVault.Sdk;

/// <summary>A session that has begun.</summary>
public sealed class VpnConnection
{
    /// <summary>The session's id.</summary>
    public Guid SessionId { get; set; }

    /// <summary>Whose session it is.</summary>
    public Guid DeviceId { get; set; }

    /// <summary>The server's address.</summary>
    public string ServerIp { get; set; } = "";

    /// <summary>WireGuard's UDP port there.</summary>
    public int ServerPort { get; set; }

    /// <summary>Where the server is.</summary>
    public string ServerRegion { get; set; } = "";

    /// <summary>The device's IPv4 address in the tunnel.</summary>
    public string AssignedIp { get; set; } = "";

    /// <summary><c>connected</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary>The config to use from now on, a secret, where the device moved to another server or had none; else null.</summary>
    public string? Config { get; set; }

    /// <summary><c>live</c>: the server knows the device. <c>pending</c>: it soon will.</summary>
    public string PeerStatus { get; set; } = "";

    /// <summary>Shows no config.</summary>
    public override string ToString() => nameof(VpnConnection) + " " + SessionId;
}

/// <summary>What a disconnect ended.</summary>
public sealed class VpnDisconnection
{
    /// <summary>The session that ended, the last begun where there were several; null when there was none.</summary>
    public Guid? SessionId { get; set; }

    /// <summary><c>disconnected</c>.</summary>
    public string Status { get; set; } = "";

    /// <summary>How many ended.</summary>
    public int Ended { get; set; }
}

/// <summary>The user's connection: the last begun session's members at the top, every open one below.</summary>
public sealed class VpnStatus
{
    /// <summary><c>connected</c> or <c>disconnected</c>; all else is null when disconnected.</summary>
    public string Status { get; set; } = "";

    /// <summary>The session's id.</summary>
    public Guid? SessionId { get; set; }

    /// <summary>Whose session it is.</summary>
    public Guid? DeviceId { get; set; }

    /// <summary>The server's address.</summary>
    public string? ServerIp { get; set; }

    /// <summary>WireGuard's UDP port there.</summary>
    public int? ServerPort { get; set; }

    /// <summary>Where the server is.</summary>
    public string? ServerRegion { get; set; }

    /// <summary>The device's IPv4 address in the tunnel.</summary>
    public string? AssignedIp { get; set; }

    /// <summary>When the session began.</summary>
    public DateTimeOffset? ConnectedAt { get; set; }

    /// <summary>Every open session, the last begun first.</summary>
    public IReadOnlyList<VpnSession> Sessions { get; set; } = [];
}

/// <summary>An open session, with what the last reading of its server said of it.</summary>
public sealed class VpnSession
{
    /// <summary>The session's id.</summary>
    public Guid SessionId { get; set; }

    /// <summary>Whose session it is.</summary>
    public Guid DeviceId { get; set; }

    /// <summary>The server's address.</summary>
    public string ServerIp { get; set; } = "";

    /// <summary>WireGuard's UDP port there.</summary>
    public int ServerPort { get; set; }

    /// <summary>Where the server is.</summary>
    public string ServerRegion { get; set; } = "";

    /// <summary>The device's IPv4 address in the tunnel.</summary>
    public string AssignedIp { get; set; } = "";

    /// <summary>When it began.</summary>
    public DateTimeOffset ConnectedAt { get; set; }

    /// <summary><c>up</c>: a handshake within 180 s of the reading. <c>down</c>: none. <c>unknown</c>: there was no reading yet.</summary>
    public string Tunnel { get; set; } = "";

    /// <summary>Null before the first.</summary>
    public DateTimeOffset? LastHandshakeAt { get; set; }

    /// <summary>Received from the device in this session, as of the reading.</summary>
    public long RxBytes { get; set; }

    /// <summary>Sent to the device in this session, as of the reading.</summary>
    public long TxBytes { get; set; }

    /// <summary>When the server was last read; null for never.</summary>
    public DateTimeOffset? ReadAt { get; set; }

    /// <summary>How long ago that was.</summary>
    public long? ReadAgeSeconds { get; set; }
}

/// <summary>The signed-in user's connection, as the API sees it. The tunnel itself is <c>CVault.Sdk.Tunnel</c>'s.</summary>
public sealed class VpnClient
{
    private readonly Api api;
    private readonly Action<VpnConnection> connected;
    private readonly Action<VpnDisconnection> disconnected;

    internal VpnClient(Api api, Action<VpnConnection> connected, Action<VpnDisconnection> disconnected) => (this.api, this.connected, this.disconnected) = (api, connected, disconnected);

    /// <summary><c>POST /api/v1/vpn/connect</c>: a session begins. With another region than the device's, the device moves there and has another config.</summary>
    /// <param name="deviceId">One of the user's devices.</param>
    /// <param name="serverRegion">Where to connect to; absent: where the device is.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>SERVER_UNAVAILABLE</c>, <c>POOL_EXHAUSTED</c>, <c>BANDWIDTH_LIMIT_EXCEEDED</c>.</exception>
    public async Task<VpnConnection> ConnectAsync(Guid deviceId, string? serverRegion = null, RequestOptions? options = null, CancellationToken cancellationToken = default)
    {
        var connection = await api.SendAsync(
            Call.Post("/api/v1/vpn/connect", new NewConnection(deviceId, serverRegion), Json.Default.NewConnection).AsUser(), Json.Default.VpnConnection, options, cancellationToken).ConfigureAwait(false);
        connected(connection);
        return connection;
    }

    /// <summary><c>POST /api/v1/vpn/disconnect</c>: a device's session ends, or all of the user's. Ending what has ended is no error.</summary>
    /// <param name="deviceId">Absent: all of them.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c> for a device that is not the user's.</exception>
    public async Task<VpnDisconnection> DisconnectAsync(Guid? deviceId = null, RequestOptions? options = null, CancellationToken cancellationToken = default)
    {
        var disconnection = await api.SendAsync(
            Call.Post("/api/v1/vpn/disconnect", new WhichDevice(deviceId), Json.Default.WhichDevice).AsUser(), Json.Default.VpnDisconnection, options, cancellationToken).ConfigureAwait(false);
        disconnected(disconnection);
        return disconnection;
    }

    /// <summary><c>GET /api/v1/vpn/status</c>: the open sessions.</summary>
    /// <param name="deviceId">Absent: of all of the user's devices.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<VpnStatus> StatusAsync(Guid? deviceId = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/vpn/status").With("device_id", deviceId?.ToString()).AsUser(), Json.Default.VpnStatus, options, cancellationToken);
}
