using CVault.Sdk;
using CVault.Sdk.Tunnel;

var cvault = new CVaultClient(new CVaultClientOptions
{
    BaseUrl = new Uri(Environment.GetEnvironmentVariable("CVAULT_URL")!),
    ApiKey = Environment.GetEnvironmentVariable("CVAULT_PUBLISHABLE_KEY"),
});
await cvault.Auth.RegisterAsync($"{Guid.NewGuid()}@example.com", Guid.NewGuid().ToString());
var device = await cvault.Devices.RegisterAsync("Quick start");
var connection = await cvault.Vpn.ConnectAsync(device.Id);
Console.WriteLine($"Address before: {await AddressAsync()}");

await using var tunnel = await WireGuardTunnel.UpAsync(connection.Config ?? device.Config, new TunnelOptions { KillSwitch = true });
Console.WriteLine($"Address after: {await AddressAsync()}, tunnel {(await tunnel.StatusAsync()).State}");
await tunnel.DownAsync();

await cvault.Vpn.DisconnectAsync();
await cvault.Devices.RemoveAsync(device.Id);

static async Task<string> AddressAsync()
{
    using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
    try { return (await http.GetStringAsync(Environment.GetEnvironmentVariable("CVAULT_CHECK_URL"))).Trim(); }
    catch (Exception e) when (e is HttpRequestException or TaskCanceledException) { return "unreachable"; }
}
