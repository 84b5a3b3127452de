using System.Security.Claims;
using CVault.Security;
using Marten;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Wolverine.Http;

namespace CVault.Devices;

/// <summary>A device of the logged-in user. One that has been parked has no address and no server until it connects.</summary>
public sealed record DeviceView(
    Guid DeviceId, string DeviceName, string PublicKey, string? AssignedIp, string? AssignedIpv6, Guid? ServerId, string KeyCustody, string Status, DateTimeOffset CreatedAt)
{
    public static DeviceView Of(Device d, DataKey key) => new(
        d.Id, key.Open(Device.NamePurpose, d.Name), d.PublicKey, d.Home?.Address, d.Home?.Address6, d.Home?.ServerId, Names.Of(d.Custody), Names.Of(d.Status), d.CreatedAt);
}

/// <summary>One page of devices.</summary>
public sealed record DevicesView(IReadOnlyList<DeviceView> Devices, string? NextCursor);

/// <summary><c>GET /api/v1/devices</c> and <c>GET /api/v1/devices/{deviceId}</c>: the user's live devices.</summary>
public static class ReadDevices
{
    [WolverineGet("/api/v1/devices", OperationId = "listDevices"), Authorize(Policies.User)]
    [ProducesResponseType<DevicesView>(200)]
    public static async Task<IResult> List(int? limit, string? cursor, ClaimsPrincipal principal, IQuerySession session, MasterKey master, CancellationToken cancellation)
    {
        if (Page.Of(limit, cursor) is not { } page) return new ProblemResult(Page.Problem());
        var userId = principal.UserId();
        if (await DataKeys.LoadAsync(session, master, userId, cancellation) is not { } key) return new ProblemResult(Problems.Unauthenticated());
        var devices = await session.Query<Device>()
            .Where(d => d.UserId == userId && d.Status == DeviceStatus.Active && d.Id > page.After)
            .OrderBy(d => d.Id).Take(page.Take).ToListAsync(cancellation);
        var (shown, next) = page.Cut(devices, d => d.Id);
        return Reply.Ok(new DevicesView([.. shown.Select(d => DeviceView.Of(d, key))], next));
    }

    [WolverineGet("/api/v1/devices/{deviceId}", OperationId = "getDevice"), Authorize(Policies.User)]
    [ProducesResponseType<DeviceView>(200)]
    public static async Task<IResult> Get(Guid deviceId, ClaimsPrincipal principal, IQuerySession session, MasterKey master, CancellationToken cancellation) =>
        await OwnAsync(session, principal, deviceId, cancellation) is { } device && await DataKeys.LoadAsync(session, master, device.UserId, cancellation) is { } key
            ? Reply.Ok(DeviceView.Of(device, key))
            : new ProblemResult(Problems.NotFound());

    /// <summary>The caller's own live device; null for anything else, whatever the reason.</summary>
    public static async Task<Device?> OwnAsync(IQuerySession session, ClaimsPrincipal principal, Guid deviceId, CancellationToken cancellation) =>
        await session.LoadAsync<Device>(deviceId, cancellation) is { Status: DeviceStatus.Active } device && device.UserId == principal.UserId() ? device : null;
}
