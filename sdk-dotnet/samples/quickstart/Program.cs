using CVault.Sdk;
using CVault.Sdk.Tunnel;

var cvault = new CVaultClient(new CVaultClientOptions { BaseUrl = new Uri(Setting("CVAULT_URL")), ApiKey = Setting("CVAULT_PUBLISHABLE_KEY") });
await cvault.Auth.RegisterAsync($"{Guid.NewGuid()}@example.com", Guid.NewGuid().ToString());
var device = await cvault.Devices.RegisterAsync("Quick start");
try
{
    Console.WriteLine($"Address before: {await AddressAsync()}");
    var connection = await cvault.Vpn.ConnectAsync(device.Id);
    await using var tunnel = await WireGuardTunnel.UpAsync(connection.Config ?? device.Config, new TunnelOptions { KillSwitch = true });
    Console.WriteLine($"Address after: {await AddressAsync()}, tunnel {(await tunnel.StatusAsync()).State}");
    await tunnel.DownAsync();
}
finally
{
    await cvault.Vpn.DisconnectAsync();
    await cvault.Devices.RemoveAsync(device.Id);
}

static string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set.");

static async Task<string> AddressAsync()
{
    using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
    try { return (await http.GetStringAsync(Setting("CVAULT_CHECK_URL"))).Trim(); }
    catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { return "unreachable"; }
}
