using CVault.Billing;
using CVault.Projections.Billing;
using JasperFx;
using Marten;
using Npgsql;

namespace CVault.Api;

/// <summary>What the program does with an argument instead of serving: <c>rewrap</c>, <c>doctor</c> and <c>billing-replay</c>, with the environment that it serves with.</summary>
public static class Tools
{
    /// <returns>The exit code; null when the arguments ask for none of these and the settings can be used.</returns>
    public static async Task<int?> RunAsync(string[] args, IConfiguration configuration)
    {
        if (args is ["doctor"]) return await Doctor.RunAsync(configuration, Console.Out, CancellationToken.None);
        Settings settings;
        try
        {
            settings = Settings.Read(configuration);
        }
        catch (SettingsException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }

        return args switch
        {
            ["rewrap"] => await RewrapAsync(settings),
            ["billing-replay", .. var asked] => await ReplayAsync(settings, asked),
            _ => null,
        };
    }

    /// <summary>A tenant's id, a month, and perhaps another plan with its version.</summary>
    private static async Task<int> ReplayAsync(Settings settings, string[] asked)
    {
        if (asked.Length is not (2 or 3) || !Guid.TryParse(asked[0], out var tenant) || !Month.TryParse(asked[1], out var month))
        {
            await Console.Error.WriteLineAsync("billing-replay TENANT MONTH [PLAN[:VERSION]]: a tenant's id, a month as in 2026-11, and another plan's id.");
            return 2;
        }

        (Guid, int?)? other = null;
        if (asked is [_, _, var text, ..])
        {
            var parts = text.Split(':');
            var version = 0;
            if (!Guid.TryParse(parts[0], out var plan) || parts.Length > 2 || (parts.Length == 2 && !int.TryParse(parts[1], System.Globalization.CultureInfo.InvariantCulture, out version)))
            {
                await Console.Error.WriteLineAsync("A plan's id, and perhaps a colon and its version.");
                return 2;
            }

            other = (plan, parts.Length == 2 ? version : null);
        }

        await using var database = NpgsqlDataSource.Create(settings.ConnectionString);
        await using var store = DocumentStore.For(o =>
        {
            o.Connection(database);
            Configuration.ConfigureStore(o);
            o.AutoCreateSchemaObjects = AutoCreate.None;
        });
        try
        {
            return await Replay.RunAsync(database, store, tenant, month, other, Console.Out, CancellationToken.None);
        }
        catch (NpgsqlException e)
        {
            await Console.Error.WriteLineAsync($"The database does not answer: {e.Message}");
            return 3;
        }
    }

    /// <summary>Wraps anew by the current master key whatever another one wrapped. Ended at any moment, it goes on where it was when it is run again.</summary>
    private static async Task<int> RewrapAsync(Settings settings)
    {
        await using var database = NpgsqlDataSource.Create(settings.ConnectionString);
        try
        {
            var done = await MasterKeyRotation.RunAsync(database, settings.MasterKey, Console.WriteLine, CancellationToken.None);
            Console.WriteLine($"{done} values wrapped anew; all are wrapped by master key {settings.MasterKey.Id} now.");
            return 0;
        }
        catch (Exception e) when (e is NpgsqlException or System.Security.Cryptography.CryptographicException)
        {
            await Console.Error.WriteLineAsync($"Not everything was wrapped anew: {e.Message} Mend that and run this again; what is done stays done.");
            return 1;
        }
    }
}
