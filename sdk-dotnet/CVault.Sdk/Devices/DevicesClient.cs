namespace CVault.Sdk;

/// <summary>The signed-in user's devices.</summary>
public sealed class DevicesClient
{
    private readonly Api api;

    internal DevicesClient(Api api) => this.api = api;

    /// <summary><c>POST /api/v1/devices</c>: a new device, with an address and a config.</summary>
    /// <param name="deviceName">1 to 255 characters.</param>
    /// <param name="publicKey">The device's own, in base64; absent: CVault makes the pair.</param>
    /// <param name="serverRegion">Where its server should be; absent: wherever there is most room.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>VALIDATION_FAILED</c>, <c>DEVICE_LIMIT_EXCEEDED</c>, <c>SERVER_UNAVAILABLE</c>, <c>POOL_EXHAUSTED</c>.</exception>
    public Task<RegisteredDevice> RegisterAsync(string deviceName, string? publicKey = null, string? serverRegion = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post("/api/v1/devices", new NewDevice(deviceName, publicKey, serverRegion), Json.Default.NewDevice).AsUser(), Json.Default.RegisteredDevice, options, cancellationToken);

    /// <summary><c>GET /api/v1/devices</c>: a page.</summary>
    /// <param name="limit">1 to 200; 50.</param>
    /// <param name="cursor">Of the page before.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public Task<DevicePage> ListAsync(int? limit = null, string? cursor = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get("/api/v1/devices").With("limit", limit).With("cursor", cursor).AsUser(), Json.Default.DevicePage, options, cancellationToken);

    /// <summary>All of them, page by page.</summary>
    /// <param name="pageSize">1 to 200; 50.</param>
    /// <param name="options">What each call does differently.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<Device> ListAllAsync(int? pageSize = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        Pages.AllAsync((cursor, cancellation) => ListAsync(pageSize, cursor, options, cancellation), p => p.Devices, p => p.NextCursor, cancellationToken);

    /// <summary><c>GET /api/v1/devices/{id}</c>.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<Device> GetAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get($"/api/v1/devices/{id}").AsUser(), Json.Default.Device, options, cancellationToken);

    /// <summary><c>DELETE /api/v1/devices/{id}</c>: it is no more, and its tunnel neither.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>.</exception>
    public Task<RemovedDevice> RemoveAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Delete($"/api/v1/devices/{id}", $$"""{"device_id":"{{id}}","status":"revoked","peer_status":"pending"}""").AsUser(), Json.Default.RemovedDevice, options, cancellationToken);

    /// <summary><c>POST /api/v1/devices/{id}/rotate-key</c>: other keys and another config, the same address.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="publicKey">The new one of a device that makes its own; absent: CVault makes the pair.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>CONFLICT</c> for a parked device.</exception>
    public Task<RotatedKey> RotateKeyAsync(Guid id, string? publicKey = null, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Post($"/api/v1/devices/{id}/rotate-key", new NewKey(publicKey), Json.Default.NewKey).AsUser(), Json.Default.RotatedKey, options, cancellationToken);

    /// <summary><c>GET /api/v1/devices/{id}/config</c>: the config, and whether it has the private key in it.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>CONFLICT</c> for a parked device.</exception>
    public Task<DeviceConfig> ConfigAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get($"/api/v1/devices/{id}/config").AsUser(), Json.Default.DeviceConfig, options, cancellationToken);

    /// <summary>The same as text, as <c>wg-quick</c> reads it.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>CONFLICT</c> for a parked device.</exception>
    public async Task<string> ConfigTextAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        System.Text.Encoding.UTF8.GetString(await api.SendAsync(Call.Get($"/api/v1/devices/{id}/config").Accepting("text/plain").AsUser(), options, cancellationToken).ConfigureAwait(false));

    /// <summary>The same as a QR code for phones: a PNG's bytes.</summary>
    /// <param name="id">The device's.</param>
    /// <param name="options">What this call does differently.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CVaultException"><c>NOT_FOUND</c>, <c>CONFLICT</c> for a parked device.</exception>
    public Task<byte[]> ConfigQrAsync(Guid id, RequestOptions? options = null, CancellationToken cancellationToken = default) =>
        api.SendAsync(Call.Get($"/api/v1/devices/{id}/config").Accepting("image/png").AsUser(), options, cancellationToken);
}
