using System.Net;
using System.Text.Json.Nodes;
using CVault.Devices;

namespace CVault.Tests.Api;

/// <summary>
/// Every operation of the OpenAPI document, called by those who may not see what it names: another tenant's user,
/// another user of the same tenant, and credentials that do not belong together. An operation that this test cannot
/// fill fails it, so that no new endpoint goes untried.
/// </summary>
public sealed class IsolationTests(Stack stack)
{
    /// <summary>What a call names. The unknown has the same shape as the victim's.</summary>
    private sealed record Target(string DeviceId, string UserId, string TenantId, string ServerId, string KeyId = "cvk_nobodys");

    /// <summary>How an operation is filled, and whether its ids name a thing of a user.</summary>
    /// <param name="ForServers">The tenant's own server may do it, so only others try.</param>
    private sealed record Call(string Path, object? Body = null, bool NamesAThing = false, bool ForServers = false);

    private static Call? Fill(string operation, string path, Target t) => operation switch
    {
        "getDevice" or "revokeDevice" or "getDeviceConfig" or "rotateKey" => new(path.Replace("{deviceId}", t.DeviceId, StringComparison.Ordinal), NamesAThing: true),
        "connect" => new(path, new { device_id = t.DeviceId }, NamesAThing: true),
        "disconnect" => new(path, new { device_id = t.DeviceId }, NamesAThing: true),
        "getStatus" => new(path + "?device_id=" + t.DeviceId, NamesAThing: true),
        "listDevices" or "listAvailableServers" or "getKeySet" => new(path),
        "registerDevice" => new(path, new { device_name = "Mine", public_key = WireGuardKeys.NewPair().PublicKey }),
        "registerUser" or "loginUser" => new(path, new { email = "nobody@example.com", password = "no such password" }),
        "forgotPassword" => new(path, new { email = "nobody@example.com" }),
        "verifyUser" => new(path, new { token = "cvt_unknown" }),
        "resetPassword" => new(path, new { token = "cvt_unknown", password = "no such password" }),
        "changePassword" => new(path, new { current_password = "no such password", new_password = "another password" }),
        "logoutUser" => new(path, new { refresh_token = "cvr_unknown" }),
        "signInExternal" => new(path, new { external_user_id = "theirs" }),
        "signInByIdToken" => new(path, new { id_token = "e30.e30.e30" }),
        "listUsers" or "getUsage" or "getBillingAccount" or "getStatement" or "listInvoices" or "exportBilling" => new(path, ForServers: true),
        "getWhatIf" => new($"{path}?plan={t.ServerId}", ForServers: true),
        "getInvoice" => new(path.Replace("{invoiceId}", t.UserId, StringComparison.Ordinal), NamesAThing: true, ForServers: true),
        "listPlans" or "exportAllBilling" => new(path),
        "takeStripeEvent" => new(path, new { id = "evt_theirs" }),
        "getStripe" => new(path),
        "resendToStripe" or "forgetForStripe" => new(path.Replace("{id}", t.UserId, StringComparison.Ordinal)),
        "createPlan" => new(path, new { name = "Theirs", currency = "EUR" }),
        "getPlan" or "retirePlan" => new(path.Replace("{planId}", t.ServerId, StringComparison.Ordinal)),
        "updatePlan" => new(path.Replace("{planId}", t.ServerId, StringComparison.Ordinal), new { base_fee = 1 }),
        "closeMonths" => new(path, new { month = "2026-01" }),
        "getBillingOfTenant" or "endSubscription" or "listInvoicesOfTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal)),
        "getInvoiceOfTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal).Replace("{invoiceId}", t.UserId, StringComparison.Ordinal)),
        "endDiscount" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal).Replace("{discountId}", t.UserId, StringComparison.Ordinal)),
        "subscribeTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { plan_id = t.ServerId }),
        "changeBilling" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { payment_days = 1 }),
        "grantCredit" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { amount = 1, reason = "Theirs" }),
        "grantDiscount" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { name = "Theirs", percent = "100" }),
        "bookPayment" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal).Replace("{invoiceId}", t.UserId, StringComparison.Ordinal), new { amount = 1, reference = "Theirs" }),
        "issueCreditNote" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal).Replace("{invoiceId}", t.UserId, StringComparison.Ordinal), new { amount = 1, reason = "Theirs" }),
        "getDashboardStats" or "getDashboardUsage" or "getDashboardActivity" or "listReadModels" => new(path),
        "rebuildReadModel" or "resumeReadModel" => new(path.Replace("{name}", "activity", StringComparison.Ordinal)),
        "getUser" or "deleteUser" => new(path.Replace("{userId}", t.UserId, StringComparison.Ordinal), NamesAThing: true, ForServers: true),
        "getIdentityProviderOfTenant" or "removeIdentityProviderOfTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal)),
        "setIdentityProviderOfTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { issuer = "https://issuer.example.com", client_id = "theirs" }),
        "refreshTokens" => new(path, new { refresh_token = "cvr_unknown" }),
        "getMe" or "listMembers" or "listInvitations" or "getSettings" or "resendVerification" or "logOutMember" => new(path),
        "signUp" => new(path, new { business_name = "x", email = "no address", password = "no such password" }),
        "verifyEmail" => new(path, new { token = "cvt_unknown" }),
        "resetMemberPassword" or "acceptInvitation" => new(path, new { token = "cvt_unknown", password = "no such password" }),
        "logInMember" => new(path, new { email = "nobody@example.com", password = "no such password" }),
        "refreshMemberTokens" => new(path, new { refresh_token = "cvr_unknown" }),
        "forgotMemberPassword" => new(path, new { email = "nobody@example.com" }),
        "changeMemberPassword" => new(path, new { current_password = "no such password", new_password = "no such password" }),
        "getIdentityProvider" or "removeIdentityProvider" => new(path),
        "setIdentityProvider" => new(path, new { issuer = "https://issuer.example.com", client_id = "theirs" }),
        "updateSettings" => new(path, new { name = "theirs" }),
        "inviteMember" => new(path, new { email = "nobody@example.com", role = "owner" }),
        "inviteMemberOfTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { email = "nobody@example.com", role = "owner" }),
        "changeMemberRole" => new(path.Replace("{memberId}", t.UserId, StringComparison.Ordinal), new { role = "owner" }),
        "removeMember" => new(path.Replace("{memberId}", t.UserId, StringComparison.Ordinal)),
        "revokeInvitation" => new(path.Replace("{invitationId}", t.UserId, StringComparison.Ordinal)),
        "createTenant" => new(path, new { name = "Not theirs to make" }),
        "getTenant" or "suspendTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal)),
        "updateTenant" => new(path.Replace("{id}", t.TenantId, StringComparison.Ordinal), new { status = "suspended" }),
        "listServers" or "listSigningKeys" or "rotateSigningKey" => new(path),
        "listApiKeys" => new(path),
        "createApiKey" => new(path, new { kind = "secret", name = "Not theirs" }),
        "regenerateApiKey" => new(path),
        "changeApiKey" => new(path.Replace("{keyId}", t.KeyId, StringComparison.Ordinal), new { name = "Not theirs" }),
        "rotateApiKey" or "revokeApiKey" => new(path.Replace("{keyId}", t.KeyId, StringComparison.Ordinal)),
        "removeSigningKey" => new(path.Replace("{kid}", "some-key", StringComparison.Ordinal)),
        "whoHeldAddress" => new($"{path}?server={t.ServerId}&address=10.8.0.2"),
        "registerServer" => new(path, new { name = "theirs", region = "moon", endpoint_host = "203.0.113.1", transport = "simulated" }),
        "getServer" or "getServerLoad" or "activateServer" or "drainServer" or "retireServer" or "resyncServer" or "listPeers" => new(path.Replace("{serverId}", t.ServerId, StringComparison.Ordinal)),
        "updateServer" => new(path.Replace("{serverId}", t.ServerId, StringComparison.Ordinal), new { capacity = 0 }),
        _ => null,
    };

    [Fact]
    public async Task no_operation_shows_or_changes_what_is_anothers()
    {
        var tenant = await stack.NewTenantAsync();
        var (victim, neighbour) = (await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var stranger = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await victim.NewDeviceAsync("The victim's own");
        var session = (await victim.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK).Text("session_id");
        var server = (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/servers")).Json["servers"]![0]!["id"]!.ToString();
        var target = new Target(device.Id, victim.Id, tenant.Id, server, tenant.ApiKey);
        var unknown = new Target(Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString());
        string[] secrets = [device.Id, device.PublicKey, session, victim.Id, victim.Email, "The victim's own", tenant.ApiSecret, victim.RefreshToken];

        var offences = new List<string>();
        foreach (var (method, path, operation) in await OperationsAsync())
        {
            var own = path.StartsWith("/api/", StringComparison.Ordinal);
            if (Fill(operation, path, target) is not { } call || Fill(operation, path, unknown) is not { } blank || (call.Path + blank.Path).Contains('{'))
            {
                offences.Add($"{operation}: this test does not know how to fill {method} {path}. Add it to {nameof(Fill)}.");
                continue;
            }

            foreach (var (who, headers) in Callers(victim, neighbour, stranger))
            {
                if (call.ForServers && headers.Contains(("X-API-Secret", tenant.ApiSecret))) continue;
                var answer = await stack.SendAsync(method, call.Path, call.Body, headers: headers);
                var shown = secrets.Where(s => answer.Body.Contains(s, StringComparison.Ordinal)).ToArray();
                if (shown.Length > 0) offences.Add($"{operation} shows {string.Join(", ", shown)} to {who}: {answer.Body}");
                if ((int)answer.Status >= 500) offences.Add($"{operation} breaks for {who}: {answer.Body}");
                if (path.StartsWith("/admin", StringComparison.Ordinal) && answer.Status != HttpStatusCode.Unauthorized) offences.Add($"{operation} answers {(int)answer.Status} to {who}, who is no operator.");
                if (!own || !call.NamesAThing) continue;

                var same = await stack.SendAsync(method, blank.Path, blank.Body, headers: headers);
                if ((int)answer.Status < 400 || answer.ButRequestId != same.ButRequestId) offences.Add($"{operation} tells {who} a foreign id from an unknown one: {answer.ButRequestId} / {same.ButRequestId}");
                var expected = call.ForServers && !headers.Any(h => h.Item1 == "X-API-Secret") ? answer.Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized
                    : who.Contains("alone", StringComparison.Ordinal) ? answer.Status is HttpStatusCode.NotFound or HttpStatusCode.Unauthorized
                    : answer.Status == (who.Contains("mixed", StringComparison.Ordinal) ? HttpStatusCode.Unauthorized : HttpStatusCode.NotFound);
                if (!expected) offences.Add($"{operation} answers {(int)answer.Status} to {who}.");
            }
        }

        Assert.True(offences.Count == 0, string.Join('\n', offences));
        var status = (await victim.SendAsync(HttpMethod.Get, "/api/v1/vpn/status")).Is(HttpStatusCode.OK);
        Assert.Equal((session, "connected"), (status.Text("session_id"), status.Text("status")));
        Assert.Equal(device.Config, (await victim.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")).Text("config"));
        Assert.Equal("active", (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Text("status"));
    }

    [Fact]
    public async Task the_owner_gets_through_where_the_others_did_not()
    {
        var tenant = await stack.NewTenantAsync();
        var victim = await tenant.NewUserAsync();
        var target = new Target((await victim.NewDeviceAsync()).Id, victim.Id, tenant.Id, "");
        var things = (await OperationsAsync()).Where(o => Fill(o.Operation, o.Path, target) is { NamesAThing: true, ForServers: false }).OrderBy(o => o.Method == HttpMethod.Delete).ToArray();
        Assert.True(things.Length >= 6, "Fewer operations than there are name a thing of a user, so the test above tried little.");
        foreach (var (method, path, operation) in things)
        {
            var call = Fill(operation, path, target)!;
            (await victim.SendAsync(method, call.Path, call.Body)).Is(HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task a_users_password_and_refresh_token_are_nothing_in_another_tenant()
    {
        var victim = await (await stack.NewTenantAsync()).NewUserAsync();
        var other = await stack.NewTenantAsync();
        (await other.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = victim.Email, password = Scenarios.Password })).IsProblem(401, "INVALID_CREDENTIALS");
        (await other.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = victim.RefreshToken })).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task no_header_parameter_or_member_of_a_body_chooses_the_tenant()
    {
        var victim = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await victim.NewDeviceAsync();
        var stranger = await (await stack.NewTenantAsync()).NewUserAsync();
        foreach (var name in new[] { "tenant", "tenant_id", "tenantId", "tenant-id", "X-Tenant-Id", "user_id" })
        {
            var value = name.Contains("user", StringComparison.Ordinal) ? victim.Id : victim.Tenant.Id;
            (await stranger.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}?{name}={value}", headers: (name, value))).IsProblem(404, "NOT_FOUND");
            Assert.Empty((await stranger.SendAsync(HttpMethod.Get, $"/api/v1/devices?{name}={value}", headers: (name, value))).Json["devices"]!.AsArray());
            (await stranger.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect?" + name + "=" + value, new JsonObject { ["device_id"] = device.Id })).IsProblem(404, "NOT_FOUND");
            (await stranger.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new JsonObject { ["device_id"] = device.Id, [name] = value })).IsProblem(400, "VALIDATION_FAILED");
        }
    }

    private static IEnumerable<(string Who, (string, string)[] Headers)> Callers(TestUser victim, TestUser neighbour, TestUser stranger)
    {
        static (string, string) Bearer(TestUser user) => ("Authorization", "Bearer " + user.AccessToken);
        static (string, string) Key(TestUser user) => ("X-API-Key", user.Tenant.PublishableKey);
        static (string, string)[] Secret(TestUser user) => [("X-API-Key", user.Tenant.ApiKey), ("X-API-Secret", user.Tenant.ApiSecret)];
        yield return ("another tenant's user", [Key(stranger), Bearer(stranger)]);
        yield return ("another tenant's server for its user", [.. Secret(stranger), Bearer(stranger)]);
        yield return ("another user of the tenant", [Key(neighbour), Bearer(neighbour)]);
        yield return ("the tenant's server for another user", [.. Secret(neighbour), Bearer(neighbour)]);
        yield return ("mixed: the victim's key, a stranger's token", [Key(victim), Bearer(stranger)]);
        yield return ("mixed: the victim's secret, a stranger's token", [.. Secret(victim), Bearer(stranger)]);
        yield return ("mixed: a stranger's key, the victim's token", [Key(stranger), Bearer(victim)]);
        yield return ("mixed: a stranger's secret, the victim's token", [.. Secret(stranger), Bearer(victim)]);
        yield return ("a stranger's token alone", [Bearer(stranger)]);
        yield return ("a stranger's secret alone", Secret(stranger));
        yield return ("the victim's publishable key alone", [Key(victim)]);
        yield return ("nothing at all, alone", []);
    }

    private async Task<(HttpMethod Method, string Path, string Operation)[]> OperationsAsync()
    {
        var document = (await stack.SendAsync(HttpMethod.Get, "/openapi/v1.json")).Is(HttpStatusCode.OK).Json;
        var operations = document["paths"]!.AsObject()
            .SelectMany(path => path.Value!.AsObject().Select(o => (new HttpMethod(o.Key.ToUpperInvariant()), path.Key, o.Value!["operationId"]?.ToString() ?? $"{o.Key} {path.Key}")))
            // Logging out last: it would leave the callers without their tokens.
            .OrderBy(o => o.Item3 == "logoutUser").ThenBy(o => o.Item1 == HttpMethod.Delete).ToArray();
        Assert.True(operations.Length > 15, "The document names hardly any operation.");
        return operations;
    }
}
