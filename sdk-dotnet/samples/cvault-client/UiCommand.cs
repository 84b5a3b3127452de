using System.CommandLine;
using CVault.Client.Ui;

namespace CVault.Client;

/// <summary><c>ui</c>: the interface in the browser.</summary>
public static class UiCommand
{
    public static Command Make(Cli cli)
    {
        var port = new Option<int>("--port") { Description = "On 127.0.0.1. 0: whichever is free.", DefaultValueFactory = _ => 0 };
        port.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 65535) result.AddError("A port is a number from 0 to 65535.");
        });
        return cli.Command("ui", "The desktop interface, in a browser of this computer. Runs until Ctrl-C; a tunnel stays. Needs root to connect.", [port], async context =>
        {
            await using var ui = await UiHost.StartAsync(context.Client, context.Log, TimeProvider.System, context.Parsed.GetValue(port), context.Cancellation);
            // No browser is started from here: the link would be among its arguments, which every process can read.
            Show(context, ui.NewLink(), "Open this link in your browser. It is good once, for ten minutes. Press Enter for another one, Ctrl-C to end.");
            _ = Task.Run(() => AnswerEnter(context, ui), CancellationToken.None);
            // Ctrl-C is how it ends, and no failure.
            await Task.Delay(Timeout.Infinite, context.Cancellation).ContinueWith(_ => { }, TaskScheduler.Default);
        });
    }

    /// <summary>On a thread of its own: reading a console cannot be cancelled.</summary>
    private static void AnswerEnter(CommandContext context, UiHost ui)
    {
        while (context.Terminal.Input.ReadLine() is not null) Show(context, ui.NewLink(), "Another link; the one before is no longer good:");
    }

    private static void Show(CommandContext context, string link, string what)
    {
        context.Answer(new { Url = link }, what, "", "  " + link, "");
        context.Terminal.Output.Flush();
    }
}
