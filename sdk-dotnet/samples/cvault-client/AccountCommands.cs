using System.CommandLine;
using CVault.Sdk;

namespace CVault.Client;

/// <summary><c>configure</c>, <c>register</c>, <c>verify</c>, <c>login</c>, <c>logout</c>.</summary>
public static class AccountCommands
{
    public static IEnumerable<Command> All(Cli cli)
    {
        var url = new Option<string?>("--url") { Description = "The API's URL; else CVAULT_URL, else it is asked for." };
        var checkUrl = new Option<string?>("--check-url") { Description = "A page that answers with the caller's address; else CVAULT_CHECK_URL, else none." };
        yield return cli.Command("configure", "Say which API to use. The publishable key (cvp_…) comes from CVAULT_PUBLISHABLE_KEY, or is asked for, or is read from standard input.", [url, checkUrl], async context =>
        {
            var apiUrl = context.Parsed.GetValue(url) ?? OfEnvironment("CVAULT_URL") ?? context.Terminal.Ask("API URL");
            var key = OfEnvironment("CVAULT_PUBLISHABLE_KEY") ?? context.Terminal.AskSecret("Publishable API key");
            await context.Client.ConfigureAsync(apiUrl, key, context.Parsed.GetValue(checkUrl) ?? OfEnvironment("CVAULT_CHECK_URL") ?? "", context.Cancellation);
            var settings = context.Client.Settings!;
            context.Answer(new { settings.ApiUrl, settings.ApiKeyHint, settings.CheckUrl }, $"Configured for {settings.ApiUrl}", "Next: cvault-client register, or login");
        });

        var email = new Option<string?>("--email") { Description = "Else it is asked for, or read from standard input before the password." };
        yield return cli.Command("register", "Make an account with the business and sign in. The password is asked for, or read from standard input.", [email], async context =>
        {
            var (address, password) = Credentials(context, email);
            Told(context, await context.Client.RegisterAsync(address, password, context.Cancellation));
        });
        yield return cli.Command("verify", "Confirm an email with the code that a mail brought, which is asked for or read from standard input, and sign in.", [], async context =>
            Told(context, await context.Client.VerifyAsync(context.Terminal.AskSecret("Code from the mail"), context.Cancellation)));
        yield return cli.Command("login", "Sign in. The password is asked for, or read from standard input.", [email], async context =>
        {
            var (address, password) = Credentials(context, email);
            Told(context, await context.Client.LoginAsync(address, password, context.Cancellation));
        });
        yield return cli.Command("logout", "Disconnect and sign out. The device stays yours, for the next time.", [], async context =>
        {
            await context.Client.LogoutAsync(context.Cancellation);
            context.Answer(new { Status = "signed_out" }, "Signed out.");
        });
    }

    private static (string? Email, string? Password) Credentials(CommandContext context, Option<string?> email) =>
        (context.Parsed.GetValue(email) ?? context.Terminal.Ask("Email"), context.Terminal.AskSecret("Password"));

    private static void Told(CommandContext context, AuthResult result) => context.Answer(
        new { result.Status, result.UserId },
        result.Status == "verification_sent" ? "A mail with a code is on its way. Next: cvault-client verify" : "Signed in. Next: cvault-client connect (--region REGION; cvault-client servers lists them)");

    private static string? OfEnvironment(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
