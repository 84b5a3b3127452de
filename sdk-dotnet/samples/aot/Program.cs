// A client that is compiled ahead of time: no JIT, no reflection. What it prints shows that requests, answers, errors,
// events and the file store work all the same.
using CVault.Sdk;

var tokens = new FileTokenStore(Path.Combine(Path.GetTempPath(), "cvault-aot-" + Environment.ProcessId, "login.json"));
var cvault = new CVaultClient(new CVaultClientOptions
{
    BaseUrl = new Uri(Environment.GetEnvironmentVariable("CVAULT_URL") ?? throw new InvalidOperationException("CVAULT_URL is not set.")),
    ApiKey = Environment.GetEnvironmentVariable("CVAULT_PUBLISHABLE_KEY"),
    TokenStore = tokens,
});
cvault.Connected += (_, connection) => Console.WriteLine($"connected to {connection.ServerRegion}");

try
{
    await cvault.Auth.LoginAsync("nobody@example.com", "not the password");
}
catch (CVaultException e)
{
    Console.WriteLine($"refused: {e.Code}");
}

var user = await cvault.Auth.RegisterAsync($"{Guid.NewGuid()}@example.com", Guid.NewGuid().ToString());
Console.WriteLine($"{user.Status}: {(await tokens.GetAsync())?.UserId == user.UserId}");
var device = await cvault.Devices.RegisterAsync("AOT");
await cvault.Vpn.ConnectAsync(device.Id);
Console.WriteLine($"status: {(await cvault.Vpn.StatusAsync()).Status}");
await foreach (var one in cvault.Devices.ListAllAsync()) Console.WriteLine($"device: {one.DeviceName}");
await cvault.Vpn.DisconnectAsync();
Console.WriteLine($"removed: {(await cvault.Devices.RemoveAsync(device.Id)).Status}");
await cvault.Auth.LogoutAsync();
Console.WriteLine($"signed out: {await tokens.GetAsync() is null}");
