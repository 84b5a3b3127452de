using System.Security.Claims;
using CVault.Security;
using CVault.Servers;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using QRCoder;
using Wolverine.Http;

namespace CVault.Devices;

/// <summary>A device's config as JSON.</summary>
/// <param name="ContainsPrivateKey">False for a device that brought its own key.</param>
[NeverLogged]
public sealed record DeviceConfigView(Guid DeviceId, string Config, bool ContainsPrivateKey)
{
    /// <summary>Never prints what it holds.</summary>
    public override string ToString() => nameof(DeviceConfigView);
}

/// <summary>
/// <c>GET /api/v1/devices/{deviceId}/config</c>: the config as <c>text/plain</c>, <c>application/json</c> or, for
/// phones, a QR code as <c>image/png</c>, by the <c>Accept</c> header.
/// </summary>
public static class GetDeviceConfig
{
    private static readonly string[] Offered = ["application/json", "text/plain", "image/png"];

    [WolverineGet("/api/v1/devices/{deviceId}/config", OperationId = "getDeviceConfig"), Authorize(Policies.User)]
    [ProducesResponseType<DeviceConfigView>(200, "application/json", "text/plain", "image/png")]
    public static async Task<IResult> Get(Guid deviceId, ClaimsPrincipal principal, HttpContext http, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        if (await ReadDevices.OwnAsync(session, principal, deviceId, cancellation) is not { } device
            || await DataKeys.LoadAsync(session, master, device.UserId, cancellation) is not { } key)
        {
            return new ProblemResult(Problems.NotFound());
        }

        if (device.Home is not { } home) return new ProblemResult(Device.ParkedProblem());
        var server = (await session.LoadServerAsync(home.ServerId, cancellation))!;

        if (Wanted(http.Request) is not { } mediaType) return new ProblemResult(Problems.OfStatus(406));
        var secret = await session.LoadAsync<DevicePrivateKey>(deviceId, cancellation);
        var privateKey = secret is null ? null : key.Open(Device.PrivateKeyPurpose, secret.PrivateKey);
        var config = WireGuardConfig.Render(server, home, privateKey, key.Open(Device.PresharedKeyPurpose, device.PresharedKey));
        http.Response.Headers.CacheControl = "no-store";
        return mediaType switch
        {
            "text/plain" => Results.Text(config, "text/plain; charset=utf-8"),
            "image/png" => Results.Bytes(Picture(config), "image/png"),
            _ => Reply.Ok(new DeviceConfigView(deviceId, config, privateKey is not null)),
        };
    }

    /// <summary>The offered media type that the caller likes best; null when it takes none of them.</summary>
    private static string? Wanted(HttpRequest request)
    {
        var accepted = request.GetTypedHeaders().Accept;
        if (accepted is not { Count: > 0 }) return Offered[0];
        // A weight of 0 is a refusal (RFC 9110, 12.4.2).
        var refused = accepted.Where(a => a.Quality == 0 && !a.MatchesAllTypes).ToArray();
        return accepted.Where(a => a.Quality != 0).OrderByDescending(a => a.Quality ?? 1)
            .Select(a => Offered.FirstOrDefault(o => Microsoft.Net.Http.Headers.MediaTypeHeaderValue.Parse(o) is var type && type.IsSubsetOf(a) && !refused.Any(type.IsSubsetOf)))
            .FirstOrDefault(o => o is not null);
    }

    private static byte[] Picture(string config)
    {
        using var data = QRCodeGenerator.GenerateQrCode(config, QRCodeGenerator.ECCLevel.M);
        using var picture = new PngByteQRCode(data);
        return picture.GetGraphic(6);
    }
}
