using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace CVault.Sdk.Tests;

/// <summary>
/// Against a running API: <c>CVAULT_URL</c>, <c>CVAULT_PUBLISHABLE_KEY</c> and, for a tenant's server, <c>CVAULT_API_KEY</c> and
/// <c>CVAULT_API_SECRET</c>, as <c>ops/up</c> writes them into <c>demo.env</c>.
/// </summary>
public class LiveTests
{
    private static readonly string? Url = Environment.GetEnvironmentVariable("CVAULT_URL");

    [Fact]
    public async Task A_user_has_a_device_a_session_and_then_neither()
    {
        var cvault = App();
        await SignUpAsync(cvault);
        var device = await cvault.Devices.RegisterAsync("Laptop");
        Assert.Contains("[Interface]", device.Config, StringComparison.Ordinal);
        Assert.Equal(device.Config, await cvault.Devices.ConfigTextAsync(device.Id));
        Assert.Equal(device.Config, (await cvault.Devices.ConfigAsync(device.Id)).Config);
        Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G'], (await cvault.Devices.ConfigQrAsync(device.Id)).Take(4));
        Assert.Equal(device.Id, Assert.Single(await cvault.Devices.ListAllAsync().ToListAsync()).Id);
        Assert.NotEmpty(await cvault.Servers.ListAllAsync(pageSize: 1).ToListAsync());
        var connection = await cvault.Vpn.ConnectAsync(device.Id);
        var status = await cvault.Vpn.StatusAsync();
        Assert.Equal(("connected", connection.SessionId), (status.Status, status.SessionId));
        Assert.Equal(1, (await cvault.Vpn.DisconnectAsync()).Ended);
        Assert.NotEqual(device.PublicKey, (await cvault.Devices.RotateKeyAsync(device.Id)).PublicKey);
        Assert.Equal("revoked", (await cvault.Devices.RemoveAsync(device.Id)).Status);
        Assert.Equal(CVaultErrorCodes.NotFound, (await Assert.ThrowsAsync<CVaultException>(() => cvault.Devices.GetAsync(device.Id))).Code);
        await cvault.Auth.LogoutAsync();
        Assert.Equal(0, (await Assert.ThrowsAsync<CVaultException>(() => cvault.Devices.ListAsync())).Status);
    }

    [Fact]
    public async Task A_lost_answer_to_a_POST_retried_makes_one_device()
    {
        var losing = new Losing();
        using var http = new HttpClient(losing);
        var cvault = App(http);
        await SignUpAsync(cvault);
        losing.Next = "/api/v1/devices";
        var device = await cvault.Devices.RegisterAsync("Laptop");
        Assert.Equal(2, losing.Seen.Count(s => s.Path == "/api/v1/devices"));
        Assert.Single(losing.Seen.Where(s => s.Path == "/api/v1/devices").Select(s => s.Key).Distinct());
        Assert.Equal(device.Id, Assert.Single((await cvault.Devices.ListAsync()).Devices).Id);
    }

    [Fact]
    public async Task Parallel_calls_with_an_expired_login_make_one_refresh()
    {
        var losing = new Losing();
        using var http = new HttpClient(losing);
        var store = new MemoryTokenStore();
        var cvault = App(http, store);
        await SignUpAsync(cvault);
        var session = (await store.GetAsync())!;
        await store.SetAsync(new CVaultSession { UserId = session.UserId, AccessToken = session.AccessToken, RefreshToken = session.RefreshToken, ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(-1) });
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => cvault.Devices.ListAsync()));
        Assert.Single(losing.Seen, s => s.Path == "/api/v1/auth/refresh");
        Assert.NotEqual(session.RefreshToken, (await store.GetAsync())!.RefreshToken);
    }

    [Fact]
    public async Task A_lost_answer_to_a_refresh_does_not_end_the_login()
    {
        var losing = new Losing();
        using var http = new HttpClient(losing);
        var store = new MemoryTokenStore();
        var cvault = App(http, store);
        await SignUpAsync(cvault);
        for (var i = 0; i < 2; i++)
        {
            var session = (await store.GetAsync())!;
            await store.SetAsync(new CVaultSession { UserId = session.UserId, AccessToken = "not.a.token", RefreshToken = session.RefreshToken, ExpiresAt = DateTimeOffset.UtcNow.AddMinutes(15) });
            losing.Next = "/api/v1/auth/refresh";
            await cvault.Devices.ListAsync();
        }

        Assert.Equal(4, losing.Seen.Count(s => s.Path == "/api/v1/auth/refresh"));
    }

    [Fact]
    public async Task Errors_are_the_APIs()
    {
        var cvault = App();
        var invalid = await Assert.ThrowsAsync<CVaultException>(() => cvault.Auth.RegisterAsync("x", "y"));
        Assert.Equal((CVaultErrorCodes.ValidationFailed, 400), (invalid.Code, invalid.Status));
        Assert.Equal(["email", "password"], invalid.Errors.Keys.Order());
        Assert.NotNull(invalid.RequestId);
        var wrong = await Assert.ThrowsAsync<CVaultException>(() => cvault.Auth.LoginAsync($"{Guid.NewGuid()}@example.com", "wrong wrong wrong"));
        Assert.Equal(CVaultErrorCodes.InvalidCredentials, wrong.Code);
        var key = await Assert.ThrowsAsync<CVaultException>(() => new CVaultClient(new CVaultClientOptions { BaseUrl = new Uri(Url!), ApiKey = "cvp_unknown" }).Servers.ListAsync());
        Assert.Equal(CVaultErrorCodes.InvalidApiKey, key.Code);
    }

    [Fact]
    public async Task A_tenants_server_signs_its_user_in_and_sees_what_they_used()
    {
        var server = new CVaultServerClient(new CVaultServerOptions { BaseUrl = new Uri(Live()), ApiKey = Variable("CVAULT_API_KEY"), ApiSecret = Variable("CVAULT_API_SECRET") });
        var id = Guid.NewGuid().ToString();
        var result = await server.Auth.ExternalAsync(id);
        Assert.Equal(id, (await server.Users.GetAsync(result.UserId!.Value)).ExternalUserId);
        var device = await server.Devices.RegisterAsync("Router");
        Assert.NotNull((await server.Usage.GetAsync()).CurrentPeriod);
        var range = new UsageQuery { From = DateTimeOffset.UtcNow.AddDays(-1), To = DateTimeOffset.UtcNow, Granularity = "hour", GroupBy = "user" };
        await foreach (var point in server.Usage.SeriesAsync(range)) Assert.NotNull(point.UserId);
        await foreach (var user in server.Users.ListAllAsync(pageSize: 200)) Assert.Equal("active", user.Status);
        Assert.NotEqual("", (await server.Billing.StatementAsync()).Month);
        await foreach (var line in server.Billing.ExportAsync(batchSize: 500)) Assert.NotEqual("", line.Id);
        await server.Devices.RemoveAsync(device.Id);
        Assert.Equal("deleted", (await server.Users.RemoveAsync(result.UserId.Value)).Status);
    }

    [Fact]
    public async Task A_member_signs_up_reads_and_leaves()
    {
        var portal = new CVaultMemberClient(new CVaultMemberOptions { BaseUrl = new Uri(Live()) });
        var tenant = await portal.Auth.SignUpAsync("Live test", $"{Guid.NewGuid()}@example.com", Guid.NewGuid().ToString());
        Assert.StartsWith("cvk_", tenant.ApiKey, StringComparison.Ordinal);
        Assert.Equal(tenant.TenantId, (await portal.Auth.MeAsync()).TenantId);
        Assert.Equal("Live test", (await portal.Settings.GetAsync()).Name);
        Assert.Equal(2, (await portal.ApiKeys.ListAsync()).ApiKeys.Count);
        Assert.Single(await portal.Members.ListAllAsync().ToListAsync());
        Assert.Empty(await portal.Invitations.ListAllAsync().ToListAsync());
        Assert.Equal(0, (await portal.Dashboard.StatsAsync()).OnlineNow);
        Assert.Empty(await portal.Dashboard.AllActivityAsync().ToListAsync());
        Assert.Empty(await portal.Billing.AllInvoicesAsync().ToListAsync());
        await portal.Auth.LogoutAsync();
    }

    /// <summary>Every model has the members that the API's own description gives it, and no others.</summary>
    [Fact]
    public async Task The_models_are_those_of_the_APIs_description()
    {
        using var http = new HttpClient();
        using var description = JsonDocument.Parse(await http.GetStringAsync(new Uri(new Uri(Live()), "/openapi/v1.json")));
        var schemas = description.RootElement.GetProperty("components").GetProperty("schemas");
        foreach (var (model, schema) in Models)
        {
            var described = schemas.GetProperty(schema).GetProperty("properties").EnumerateObject().Select(p => p.Name).Where(p => p != "token_type").Order(StringComparer.Ordinal);
            var has = model.GetProperties().Select(p => p.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name)).Order(StringComparer.Ordinal);
            Assert.True(described.SequenceEqual(has), $"{model.Name} has {string.Join(' ', has)}, {schema} {string.Join(' ', described)}");
        }
    }

    private static readonly (Type Model, string Schema)[] Models =
    [
        (typeof(Device), "DeviceView"), (typeof(DevicePage), "DevicesView"), (typeof(RegisteredDevice), "RegisteredDeviceView"), (typeof(DeviceConfig), "DeviceConfigView"),
        (typeof(RotatedKey), "RotatedKeyView"), (typeof(RemovedDevice), "RevokedDeviceView"), (typeof(VpnServer), "ServerView"), (typeof(ServerPage), "ServersView"),
        (typeof(VpnConnection), "ConnectedView"), (typeof(VpnDisconnection), "DisconnectedView"), (typeof(VpnStatus), "StatusView"), (typeof(VpnSession), "SessionView"),
        (typeof(User), "UserView"), (typeof(UserPage), "UsersView"), (typeof(RemovedUser), "DeletedUserView"), (typeof(Outcome), "OutcomeView"),
        (typeof(UsageReport), "UsageView"), (typeof(UsagePeriod), "PeriodView"), (typeof(UsagePoint), "UsagePointView"),
        (typeof(BillingAccount), "BillingAccountView"), (typeof(Subscription), "SubscriptionView"), (typeof(PlanTerms), "TermsView"), (typeof(Price), "PriceBody"), (typeof(PriceTier), "TierBody"),
        (typeof(Discount), "DiscountView"), (typeof(Tax), "TaxBody"), (typeof(Statement), "StatementView"), (typeof(BillingLine), "LineView"), (typeof(InvoiceSummary), "InvoiceSummaryView"),
        (typeof(Invoice), "InvoiceView"), (typeof(InvoicePage), "InvoicesView"), (typeof(Payment), "PaymentView"), (typeof(PaymentFailure), "PaymentFailureView"), (typeof(CreditNote), "CreditNoteView"),
        (typeof(ExportLine), "ExportLine"), (typeof(Me), "MeView"), (typeof(Member), "MemberView"), (typeof(MemberPage), "MembersView"), (typeof(Invitation), "InvitationView"),
        (typeof(InvitationPage), "InvitationsView"), (typeof(ApiKey), "ApiKeyView"), (typeof(NewApiKey), "NewApiKeyView"), (typeof(ListedApiKey), "ListedApiKeyView"), (typeof(ApiKeyPage), "ApiKeysView"),
        (typeof(TenantSettings), "SettingsView"), (typeof(SettingsChanges), "SettingsChanges"), (typeof(IdentityProvider), "IdentityProviderView"), (typeof(DashboardStats), "DashboardStatsView"),
        (typeof(PeakHour), "PeakHourView"), (typeof(DashboardUsage), "DashboardUsageView"), (typeof(ActivityEntry), "ActivityEntryView"), (typeof(ActivityPage), "ActivityView"),
    ];

    private static string Live()
    {
        if (Url is null) Assert.Skip("CVAULT_URL is not set: there is no API to run against.");
        return Url;
    }

    private static string Variable(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        if (value is null) Assert.Skip(name + " is not set.");
        return value;
    }

    private static CVaultClient App(HttpClient? http = null, ITokenStore? store = null) =>
        new(new CVaultClientOptions { BaseUrl = new Uri(Live()), ApiKey = Variable("CVAULT_PUBLISHABLE_KEY"), HttpClient = http, TokenStore = store });

    private static async Task SignUpAsync(CVaultClient cvault) => Assert.Equal("signed_in", (await cvault.Auth.RegisterAsync($"{Guid.NewGuid()}@example.com", Guid.NewGuid().ToString())).Status);

    /// <summary>Loses the answer to the next request of a path: the API has done what it was asked, and nobody hears of it.</summary>
    private sealed class Losing() : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        public ConcurrentQueue<(string Path, string? Key)> Seen { get; } = [];

        public string? Next { get; set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var path = request.RequestUri!.AbsolutePath;
            Seen.Enqueue((path, request.Headers.TryGetValues("Idempotency-Key", out var keys) ? keys.Single() : null));
            var response = await base.SendAsync(request, cancellationToken);
            if (path != Next || request.Method == HttpMethod.Get) return response;
            Next = null;
            response.Dispose();
            throw new HttpRequestException("lost");
        }
    }
}
