using CVault.Client;

return await Cli.RunAsync(args, Terminal.OfThisProcess(), TimeProvider.System);
