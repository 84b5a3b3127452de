// The least program with a tunnel in it, for tests to run on a host of the lab and to kill:
//   TunnelHost up INTERFACE [kill-switch] [no-wait]   the config comes by standard input; stays until SIGTERM, then down
//   TunnelHost status|down|keep INTERFACE             of a tunnel that another one left; keep: down, but for the kill switch
// Each answer is a line of JSON: a status, or a problem's code and message. What the library logs goes to standard error.
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using CVault.Sdk.Tunnel;
using TunnelHost;

var json = new JsonSerializerOptions { Converters = { new JsonStringEnumConverter() } };
var (verb, name) = (args[0], args[1]);
var logger = new ErrorLogger();
try
{
    if (verb == "up")
    {
        var options = new TunnelOptions { InterfaceName = name, KillSwitch = args.Contains("kill-switch"), Logger = logger };
        if (args.Contains("no-wait")) options = options with { HandshakeTimeout = TimeSpan.Zero };
        await using var tunnel = await WireGuardTunnel.UpAsync(await Console.In.ReadToEndAsync(), options);
        var ended = new TaskCompletionSource();
        using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => (c.Cancel, _) = (true, ended.TrySetResult()));
        tunnel.StatusChanged += (_, status) => Print(status);
        Print(await tunnel.StatusAsync());
        await ended.Task;
        return 0;
    }

    if (await WireGuardTunnel.FindAsync(name, logger) is not { } found)
    {
        Console.WriteLine("null");
        return 0;
    }

    if (verb == "status") await found.DetachAsync();
    else await found.DownAsync(keepKillSwitch: verb == "keep");
    Print(await found.StatusAsync());
    return 0;
}
catch (TunnelException e)
{
    Console.WriteLine(JsonSerializer.Serialize(new { e.Code, e.Message }));
    return 1;
}

void Print(TunnelStatus s) => Console.WriteLine(JsonSerializer.Serialize(new
{
    s.State, s.InterfaceName, s.LastHandshake, s.RxBytes, s.TxBytes, Endpoint = s.Endpoint?.ToString(), s.KillSwitch, At = DateTimeOffset.UtcNow,
}, json));
