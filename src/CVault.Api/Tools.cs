using Npgsql;

namespace CVault.Api;

/// <summary>What the program does with an argument instead of serving: <c>rewrap</c> and <c>doctor</c>, with the environment that it serves with.</summary>
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

        return args is ["rewrap"] ? await RewrapAsync(settings) : null;
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
