using System.Text.Json;

namespace CVault.Sdk.Tests.Conformance;

/// <summary>The calls of <c>sdk-conformance.json</c>, by name, on the clients of this SDK.</summary>
internal static class Calls
{
    public static async Task<object?> InvokeAsync(CVaultUserClient client, string call, JsonElement args, RequestOptions? options)
    {
        var app = client as CVaultClient;
        var server = client as CVaultServerClient;
        AuthClient auth = app?.Auth ?? server!.Auth;
        return call switch
        {
            "auth.register" => await auth.RegisterAsync(Text("email")!, Text("password")!, options),
            "auth.verify" => await auth.VerifyAsync(Text("token")!, options),
            "auth.login" => await auth.LoginAsync(Text("email")!, Text("password")!, options),
            "auth.oidc" => await auth.OidcAsync(Text("id_token")!, options),
            "auth.external" => await server!.Auth.ExternalAsync(Text("external_user_id")!, Text("email"), options),
            "auth.logout" => await NothingAsync(auth.LogoutAsync(options)),
            "auth.change_password" => await auth.ChangePasswordAsync(Text("current_password")!, Text("new_password")!, options),
            "auth.forgot_password" => await auth.ForgotPasswordAsync(Text("email")!, options),
            "auth.reset_password" => await auth.ResetPasswordAsync(Text("token")!, Text("password")!, options),
            "auth.session" => await auth.SessionAsync(),
            "devices.register" => await client.Devices.RegisterAsync(Text("device_name")!, Text("public_key"), Text("server_region"), options),
            "devices.list" => await client.Devices.ListAsync(Number("limit"), Text("cursor"), options),
            "devices.list_all" => await client.Devices.ListAllAsync(Number("limit"), options).ToListAsync(),
            "devices.get" => await client.Devices.GetAsync(Id("id"), options),
            "devices.remove" => await client.Devices.RemoveAsync(Id("id"), options),
            "devices.rotate_key" => await client.Devices.RotateKeyAsync(Id("id"), Text("public_key"), options),
            "devices.config" => await client.Devices.ConfigAsync(Id("id"), options),
            "devices.config_text" => await client.Devices.ConfigTextAsync(Id("id"), options),
            "devices.config_qr" => await client.Devices.ConfigQrAsync(Id("id"), options),
            "servers.list" => await client.Servers.ListAsync(Number("limit"), Text("cursor"), options),
            "servers.list_all" => await client.Servers.ListAllAsync(Number("limit"), options).ToListAsync(),
            "vpn.connect" => await client.Vpn.ConnectAsync(Id("device_id"), Text("server_region"), options),
            "vpn.disconnect" => await client.Vpn.DisconnectAsync(Text("device_id") is null ? null : Id("device_id"), options),
            "vpn.status" => await client.Vpn.StatusAsync(Text("device_id") is null ? null : Id("device_id"), options),
            "usage.get" => await server!.Usage.GetAsync(Usage(), options),
            "usage.get_all" => await server!.Usage.SeriesAsync(Usage(), options).ToListAsync(),
            "users.list" => await server!.Users.ListAsync(Number("limit"), Text("cursor"), options),
            "users.list_all" => await server!.Users.ListAllAsync(Number("limit"), options).ToListAsync(),
            "users.get" => await server!.Users.GetAsync(Id("id"), options),
            "users.remove" => await server!.Users.RemoveAsync(Id("id"), options),
            _ => throw new InvalidOperationException("This SDK has no call " + call),
        };

        string? Text(string name) => args.ValueKind == JsonValueKind.Object && args.TryGetProperty(name, out var value) ? value.GetString() : null;

        int? Number(string name) => args.ValueKind == JsonValueKind.Object && args.TryGetProperty(name, out var value) ? value.GetInt32() : null;

        DateTimeOffset? Time(string name) => Text(name) is { } time ? DateTimeOffset.Parse(time) : null;

        // What is no id does not compile here; that is this SDK's refusal of it.
        Guid Id(string name) => Guid.TryParse(Text(name), out var id) ? id : throw new CVaultException(CVaultErrorCodes.ValidationFailed, "No id.");

        UsageQuery Usage() => new() { From = Time("from"), To = Time("to"), Granularity = Text("granularity"), GroupBy = Text("group_by"), Limit = Number("limit"), Cursor = Text("cursor") };
    }

    private static async Task<object?> NothingAsync(Task task)
    {
        await task;
        return null;
    }
}
