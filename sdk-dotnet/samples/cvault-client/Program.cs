using CVault.Client;

return await new Cli(Terminal.OfThisProcess()).RunAsync(args);
