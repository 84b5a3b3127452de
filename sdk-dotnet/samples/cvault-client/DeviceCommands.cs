using System.CommandLine;

namespace CVault.Client;

/// <summary><c>devices</c>, <c>devices list</c>, <c>devices remove</c>, <c>servers</c>.</summary>
public static class DeviceCommands
{
    public static IEnumerable<Command> All(Cli cli)
    {
        var id = new Argument<Guid>("device-id") { Description = "As devices lists it." };
        yield return cli.Command("devices", "Your devices.",
            [
                cli.Command("list", "Your devices.", [], ListAsync),
                cli.Command("remove", "Remove a device: its tunnel ends for good, and its place is free.", [id], async context =>
                {
                    var device = context.Parsed.GetValue(id);
                    await context.Client.RemoveDeviceAsync(device, context.Cancellation);
                    context.Answer(new { DeviceId = device, Status = "removed" }, $"Removed {device}");
                }),
            ], ListAsync);

        yield return cli.Command("servers", "Where there are servers, and how full they are.", [], async context =>
        {
            var servers = await context.Client.ServersAsync(context.Cancellation);
            context.Answer(
                new { Servers = servers },
                servers.Select(s => $"{s.Region,-20} {s.Load,3} % full  {(s.Available ? "available" : "not available")}{(s.Simulated ? "  simulated: nothing can connect to it" : "")}"));
        });
    }

    private static async Task ListAsync(CommandContext context)
    {
        var devices = await context.Client.DevicesAsync(context.Cancellation);
        context.Answer(
            new { Devices = devices },
            devices.Count == 0 ? ["No devices yet: the first connect registers this computer."]
                : devices.Select(d => $"{d.DeviceId}  {d.AssignedIp ?? "parked",-15}  {d.DeviceName}{(d.ThisDevice ? "  (this device)" : "")}"));
    }
}
