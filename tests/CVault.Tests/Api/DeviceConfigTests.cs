using System.Buffers.Binary;
using System.Net;
using CVault.Devices;

namespace CVault.Tests.Api;

/// <summary><c>GET /api/v1/devices/{id}/config</c>: the config again, in the form that is asked for.</summary>
public sealed class DeviceConfigTests(Stack stack)
{
    [Fact]
    public async Task the_same_config_comes_as_text_and_as_JSON()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();

        var text = (await ConfigAsync(user, device.Id, "text/plain")).Is(HttpStatusCode.OK);
        Assert.Equal(("text/plain; charset=utf-8", device.Config), (text.Headers["Content-Type"], text.Body));

        var json = (await ConfigAsync(user, device.Id, "application/json")).Is(HttpStatusCode.OK);
        Assert.Equal((device.Id, device.Config, "true"), (json.Text("device_id"), json.Text("config"), json.Text("contains_private_key")));
        Assert.Equal(json.Body, (await ConfigAsync(user, device.Id, null)).Body);
        Assert.Equal(json.Body, (await ConfigAsync(user, device.Id, "*/*")).Body);
        Assert.Equal(text.Body, (await ConfigAsync(user, device.Id, "application/json;q=0.5, text/plain")).Body);
    }

    [Fact]
    public async Task a_phone_gets_a_picture_of_it()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        var picture = (await ConfigAsync(user, device.Id, "image/png")).Is(HttpStatusCode.OK);
        Assert.Equal("image/png", picture.Headers["Content-Type"]);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a], picture.Bytes[..8]);
        var (width, height) = (BinaryPrimitives.ReadInt32BigEndian(picture.Bytes.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(picture.Bytes.AsSpan(20)));
        Assert.Equal(width, height);
        Assert.InRange(width, 200, 2000);
        Assert.NotEqual(picture.Bytes, (await ConfigAsync(user, (await user.NewDeviceAsync()).Id, "image/png")).Bytes);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/json")]
    [InlineData("image/png")]
    public async Task no_cache_may_keep_it(string mediaType)
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        Assert.Contains("no-store", (await ConfigAsync(user, device.Id, mediaType)).Headers["Cache-Control"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task what_cannot_be_had_is_not_acceptable()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync();
        (await ConfigAsync(user, device.Id, "application/pdf")).IsProblem(406, "NOT_ACCEPTABLE");
    }

    [Fact]
    public async Task the_config_of_a_device_with_its_own_key_has_no_private_key_in_any_form()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.RegisterDeviceAsync(publicKey: WireGuardKeys.NewPair().PublicKey);
        var json = (await ConfigAsync(user, device.Text("device_id"), "application/json")).Is(HttpStatusCode.OK);
        Assert.Equal("false", json.Text("contains_private_key"));
        Assert.DoesNotContain("\nPrivateKey", json.Text("config"), StringComparison.Ordinal);
        Assert.DoesNotContain("\nPrivateKey", (await ConfigAsync(user, device.Text("device_id"), "text/plain")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task after_a_move_it_is_the_new_servers()
    {
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync(region: "us-east");
        var moved = (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id, server_region = "eu-west" })).Is(HttpStatusCode.OK);
        Assert.Equal(moved.Text("config"), (await ConfigAsync(user, device.Id, "text/plain")).Body);
    }

    private static Task<Answer> ConfigAsync(TestUser user, string deviceId, string? mediaType) =>
        user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{deviceId}/config", headers: mediaType is null ? [] : [("Accept", mediaType)]);
}
