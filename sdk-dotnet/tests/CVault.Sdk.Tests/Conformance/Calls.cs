using System.Text.Json;
using System.Text.Json.Nodes;

namespace CVault.Sdk.Tests.Conformance;

/// <summary>The calls of <c>sdk-conformance.json</c>, by name, on the clients of this SDK.</summary>
internal static class Calls
{
    public static async Task<object?> InvokeAsync(CVaultUserClient client, string call, Args args, RequestOptions? options)
    {
        var app = client as CVaultClient;
        var server = client as CVaultServerClient;
        AuthClient auth = app?.Auth ?? server!.Auth;
        return call switch
        {
            "auth.register" => await auth.RegisterAsync(args.Text("email")!, args.Text("password")!, options),
            "auth.verify" => await auth.VerifyAsync(args.Text("token")!, options),
            "auth.login" => await auth.LoginAsync(args.Text("email")!, args.Text("password")!, options),
            "auth.oidc" => await auth.OidcAsync(args.Text("id_token")!, options),
            "auth.external" => await server!.Auth.ExternalAsync(args.Text("external_user_id")!, args.Text("email"), options),
            "auth.logout" => await NothingAsync(auth.LogoutAsync(options)),
            "auth.change_password" => await auth.ChangePasswordAsync(args.Text("current_password")!, args.Text("new_password")!, options),
            "auth.forgot_password" => await auth.ForgotPasswordAsync(args.Text("email")!, options),
            "auth.reset_password" => await auth.ResetPasswordAsync(args.Text("token")!, args.Text("password")!, options),
            "auth.session" => await auth.SessionAsync(),
            "devices.register" => await client.Devices.RegisterAsync(args.Text("device_name")!, args.Text("public_key"), args.Text("server_region"), options),
            "devices.list" => await client.Devices.ListAsync(args.Number("limit"), args.Text("cursor"), options),
            "devices.list_all" => await client.Devices.ListAllAsync(args.Number("limit"), options).ToListAsync(),
            "devices.get" => await client.Devices.GetAsync(args.Id("id"), options),
            "devices.remove" => await client.Devices.RemoveAsync(args.Id("id"), options),
            "devices.rotate_key" => await client.Devices.RotateKeyAsync(args.Id("id"), args.Text("public_key"), options),
            "devices.config" => await client.Devices.ConfigAsync(args.Id("id"), options),
            "devices.config_text" => await client.Devices.ConfigTextAsync(args.Id("id"), options),
            "devices.config_qr" => await client.Devices.ConfigQrAsync(args.Id("id"), options),
            "servers.list" => await client.Servers.ListAsync(args.Number("limit"), args.Text("cursor"), options),
            "servers.list_all" => await client.Servers.ListAllAsync(args.Number("limit"), options).ToListAsync(),
            "vpn.connect" => await client.Vpn.ConnectAsync(args.Id("device_id"), args.Text("server_region"), options),
            "vpn.disconnect" => await client.Vpn.DisconnectAsync(args.Text("device_id") is null ? null : args.Id("device_id"), options),
            "vpn.status" => await client.Vpn.StatusAsync(args.Text("device_id") is null ? null : args.Id("device_id"), options),
            "usage.get" => await server!.Usage.GetAsync(args.Usage(), options),
            "usage.get_all" => await server!.Usage.SeriesAsync(args.Usage(), options).ToListAsync(),
            "users.list" => await server!.Users.ListAsync(args.Number("limit"), args.Text("cursor"), options),
            "users.list_all" => await server!.Users.ListAllAsync(args.Number("limit"), options).ToListAsync(),
            "users.get" => await server!.Users.GetAsync(args.Id("id"), options),
            "users.remove" => await server!.Users.RemoveAsync(args.Id("id"), options),
            "billing.statement" => await server!.Billing.StatementAsync(options),
            _ => throw new InvalidOperationException("This SDK has no call " + call),
        };
    }

    public static async Task<object?> InvokeAsync(CVaultMemberClient client, string call, Args args, RequestOptions? options) => call switch
    {
        "auth.sign_up" => await client.Auth.SignUpAsync(args.Text("business_name")!, args.Text("email")!, args.Text("password")!, options),
        "auth.login" => await client.Auth.LoginAsync(args.Text("email")!, args.Text("password")!, options),
        "auth.accept_invitation" => await client.Auth.AcceptInvitationAsync(args.Text("token")!, args.Text("password")!, options),
        "auth.me" => await client.Auth.MeAsync(options),
        "auth.verify_email" => await NothingAsync(client.Auth.VerifyEmailAsync(args.Text("token")!, options)),
        "auth.resend_verification" => await NothingAsync(client.Auth.ResendVerificationAsync(options)),
        "auth.forgot_password" => await NothingAsync(client.Auth.ForgotPasswordAsync(args.Text("email")!, options)),
        "auth.reset_password" => await NothingAsync(client.Auth.ResetPasswordAsync(args.Text("token")!, args.Text("password")!, options)),
        "auth.change_password" => await client.Auth.ChangePasswordAsync(args.Text("current_password")!, args.Text("new_password")!, options),
        "auth.logout" => await NothingAsync(client.Auth.LogoutAsync(options)),
        "auth.session" => await client.Auth.SessionAsync(),
        "members.list" => await client.Members.ListAsync(args.Number("limit"), args.Text("cursor"), options),
        "members.list_all" => await client.Members.ListAllAsync(args.Number("limit"), options).ToListAsync(),
        "members.change_role" => await client.Members.ChangeRoleAsync(args.Id("id"), args.Text("role")!, options),
        "members.remove" => await client.Members.RemoveAsync(args.Id("id"), options),
        "invitations.list" => await client.Invitations.ListAsync(args.Number("limit"), args.Text("cursor"), options),
        "invitations.list_all" => await client.Invitations.ListAllAsync(args.Number("limit"), options).ToListAsync(),
        "invitations.invite" => await client.Invitations.InviteAsync(args.Text("email")!, args.Text("role")!, options),
        "invitations.revoke" => await client.Invitations.RevokeAsync(args.Id("id"), options),
        "api_keys.list" => await client.ApiKeys.ListAsync(options),
        "api_keys.create" => await client.ApiKeys.CreateAsync(args.Text("kind")!, args.Text("name"), args.Number("expires_in_days"), args.Texts("allowed_origins"), options),
        "api_keys.change" => await client.ApiKeys.ChangeAsync(args.Text("key")!, args.Text("name"), args.Texts("allowed_origins"), options),
        "api_keys.rotate" => await client.ApiKeys.RotateAsync(args.Text("key")!, args.Number("overlap_seconds"), options),
        "api_keys.regenerate" => await client.ApiKeys.RegenerateAsync(args.Number("overlap_seconds"), options),
        "api_keys.revoke" => await client.ApiKeys.RevokeAsync(args.Text("key")!, options),
        "settings.get" => await client.Settings.GetAsync(options),
        "settings.change" => await client.Settings.ChangeAsync(args.Settings(), options),
        "settings.identity_provider" => await client.Settings.IdentityProviderAsync(options),
        "settings.set_identity_provider" => await client.Settings.SetIdentityProviderAsync(args.Text("issuer")!, args.Text("client_id")!, options),
        "settings.remove_identity_provider" => await client.Settings.RemoveIdentityProviderAsync(options),
        "dashboard.stats" => await client.Dashboard.StatsAsync(options),
        "dashboard.usage" => await client.Dashboard.UsageAsync(args.Usage(), options),
        "dashboard.activity" => await client.Dashboard.ActivityAsync(args.Number("limit"), args.Text("cursor"), options),
        "dashboard.all_activity" => await client.Dashboard.AllActivityAsync(args.Number("limit"), options).ToListAsync(),
        "billing.account" => await client.Billing.AccountAsync(options),
        "billing.statement" => await client.Billing.StatementAsync(options),
        "billing.what_if" => await client.Billing.WhatIfAsync(args.Id("plan"), args.Number("version"), args.Text("month"), options),
        "billing.invoices" => await client.Billing.InvoicesAsync(args.Number("limit"), args.Text("cursor"), options),
        "billing.all_invoices" => await client.Billing.AllInvoicesAsync(args.Number("limit"), options).ToListAsync(),
        "billing.invoice" => await client.Billing.InvoiceAsync(args.Id("id"), options),
        "billing.invoice_pdf" => await client.Billing.InvoicePdfAsync(args.Id("id"), options),
        "billing.export" => await client.Billing.ExportAsync(args.Text("cursor"), args.Number("limit"), options).ToListAsync(),
        _ => throw new InvalidOperationException("This SDK has no call " + call),
    };

    private static async Task<object?> NothingAsync(Task task)
    {
        await task;
        return null;
    }
}

/// <summary>A step's arguments.</summary>
internal readonly struct Args(JsonElement of)
{
    public string? Text(string name) => Find(name)?.GetString();

    public int? Number(string name) => Find(name)?.GetInt32();

    public string[]? Texts(string name) => Find(name) is { } list ? [.. list.EnumerateArray().Select(t => t.GetString()!)] : null;

    /// <summary>What is no id does not compile here; that is this SDK's refusal of it.</summary>
    public Guid Id(string name) => Guid.TryParse(Text(name), out var id) ? id : throw new CVaultException(CVaultErrorCodes.ValidationFailed, "No id.");

    public UsageQuery Usage() => new() { From = Time("from"), To = Time("to"), Granularity = Text("granularity"), GroupBy = Text("group_by"), Limit = Number("limit"), Cursor = Text("cursor") };

    public SettingsChanges Settings()
    {
        var changes = new SettingsChanges();
        foreach (var member in of.EnumerateObject())
        {
            switch (member.Name)
            {
                case "name": changes.Name = member.Value.GetString(); break;
                case "contact_email": changes.ContactEmail = member.Value.GetString(); break;
                case "lease_idle_days": changes.LeaseIdleDays = member.Value.GetInt32(); break;
                case "whitelabel_config": changes.WhitelabelConfig = JsonObject.Create(member.Value); break;
                default: throw new InvalidOperationException("No case sets " + member.Name);
            }
        }

        return changes;
    }

    private DateTimeOffset? Time(string name) => Text(name) is { } time ? DateTimeOffset.Parse(time) : null;

    private JsonElement? Find(string name) => of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var value) ? value : null;
}
