using System.CommandLine;
using System.Globalization;

namespace CVault.Client;

/// <summary><c>connect</c>, <c>status</c>, <c>disconnect</c>, <c>logs</c>.</summary>
public static class ConnectionCommands
{
    public static IEnumerable<Command> All(Cli cli)
    {
        var region = new Option<string?>("--region") { Description = "Such as us-east; see servers. Absent: where this device is, or for a new one wherever there is most room." };
        var killSwitch = new Option<bool>("--kill-switch") { Description = "Nothing leaves this computer outside the tunnel until disconnect, not even while the server is away. Linux." };
        var stay = new Option<bool>("--stay") { Description = "Watch the tunnel, so that it reconnects within seconds, and disconnect at Ctrl-C. Without it the tunnel stays and the command ends." };
        yield return cli.Command("connect", "Open a session and bring its tunnel up. Needs root.", [region, killSwitch, stay], async context =>
        {
            var connection = await context.Client.ConnectAsync(context.Parsed.GetValue(region), context.Parsed.GetValue(killSwitch), context.Cancellation);
            context.Answer(connection, Lines(connection));
            if (!context.Parsed.GetValue(stay)) return;
            await Task.Delay(Timeout.Infinite, context.Cancellation).ContinueWith(_ => { }, TaskScheduler.Default);
            await DisconnectAsync(context, CancellationToken.None);
        });

        yield return cli.Command("status", "The connection, as this computer has it. Needs root.", [], async context =>
        {
            var connection = await context.Client.StatusAsync(context.Cancellation);
            context.Answer(connection, Lines(connection));
        });

        yield return cli.Command("disconnect", "Take the tunnel and its kill switch down and end the session. Needs root.", [], context => DisconnectAsync(context, context.Cancellation));

        var lines = new Option<int>("--lines") { Description = "How many.", DefaultValueFactory = _ => 50 };
        yield return cli.Command("logs", "What the client did, oldest first. No secret is in it. CVAULT_CLIENT_DEBUG=1 has it log every call.", [lines], context =>
        {
            var found = context.Log.Read(context.Parsed.GetValue(lines));
            context.Answer(new { Lines = found }, found.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.At:yyyy-MM-dd HH:mm:ss}Z {l.Level,-11} {l.Text}")));
            return Task.CompletedTask;
        });
    }

    private static async Task DisconnectAsync(CommandContext context, CancellationToken cancellation)
    {
        var done = await context.Client.DisconnectAsync(cancellation);
        context.Answer(done, done.SessionEnded ? ["Disconnected."] : ["Disconnected.", "The API could not be told: the session ends by itself within some minutes."]);
    }

    private static IEnumerable<string> Lines(ConnectionView c)
    {
        yield return c.Status switch
        {
            ConnectionStatus.Connected => $"Connected to {c.Region}",
            ConnectionStatus.Waiting => $"The tunnel to {c.Region} is up, and the server does not answer.",
            ConnectionStatus.Blocked => "There is no tunnel, and the kill switch lets nothing out. To lift it: cvault-client disconnect",
            _ => "Disconnected",
        };
        if (c.Status is not (ConnectionStatus.Connected or ConnectionStatus.Waiting)) yield break;
        yield return $"  server       {c.Server}";
        yield return $"  address      {c.AssignedIp}";
        yield return string.Create(CultureInfo.InvariantCulture, $"  since        {c.Since:yyyy-MM-dd HH:mm:ss}Z");
        yield return $"  kill switch  {(c.KillSwitch ? "on" : "off")}";
        yield return string.Create(CultureInfo.InvariantCulture, $"  received     {c.RxBytes} bytes");
        yield return string.Create(CultureInfo.InvariantCulture, $"  sent         {c.TxBytes} bytes");
    }
}
