using System.Globalization;
using CVault.Security;
using Npgsql;

namespace CVault.Api;

/// <summary>
/// Looks over the settings, the secrets' files and the database, and prints a line a finding: <c>ok</c>, <c>warn</c> or
/// <c>fail</c>, what, and what to do. Never a secret, and it changes nothing.
/// </summary>
public sealed class Doctor(IConfiguration configuration, TextWriter output)
{
    private static readonly TimeSpan SkewAllowed = TimeSpan.FromSeconds(5), SigningKeyAge = TimeSpan.FromDays(365);
    private bool failed;

    /// <returns>1 when anything fails, else 0.</returns>
    public static async Task<int> RunAsync(IConfiguration configuration, TextWriter output, CancellationToken cancellation)
    {
        var doctor = new Doctor(configuration, output);
        await doctor.LookAsync(cancellation);
        return doctor.failed ? 1 : 0;
    }

    private async Task LookAsync(CancellationToken cancellation)
    {
        Settings? settings = null;
        try
        {
            settings = Settings.Read(configuration);
            Ok("settings: every secret is there and strong enough");
            if (settings.SshKey is null) Warn("CVAULT_SSH_KEY is not set", "set it, or only simulated servers can be reached");
            else Ok("CVAULT_SSH_KEY can be used");
        }
        catch (SettingsException e)
        {
            foreach (var wrong in e.Wrong) Fail(wrong.TrimEnd('.'), "set it, or mend it, and start again");
        }

        LookAtFiles();
        LookAtAddresses();
        if (settings is not null) await LookAtDatabaseAsync(settings, cancellation);
    }

    private void LookAtFiles()
    {
        foreach (var name in new[] { "CVAULT_DATABASE_URL", "CVAULT_OPERATOR_TOKEN", "CVAULT_MASTER_KEY", "CVAULT_MASTER_KEY_PREVIOUS", "CVAULT_SSH_KEY", "CVAULT_SMTP_URL" })
        {
            if (configuration[name + "_FILE"] is not { Length: > 0 } file)
            {
                if (configuration[name] is { Length: > 0 } && !IsDevelopment) Warn($"{name} stands in the environment", $"put it into a file and name that in {name}_FILE: an environment is easily printed");
                continue;
            }

            if (!File.Exists(file)) continue; // Said already.
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & (UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            {
                Fail($"the file of {name} can be read or written by others", $"chmod 600 {file}");
            }
            else
            {
                Ok($"the file of {name} is its owner's alone");
            }
        }
    }

    private void LookAtAddresses()
    {
        if (configuration["CVAULT_PUBLIC_URL"] is not { Length: > 0 } text) (IsDevelopment ? Warn : (Action<string, string>)Fail)("CVAULT_PUBLIC_URL is not set", "set it to the URL that callers use: it is the issuer of tokens");
        else if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")) Fail("CVAULT_PUBLIC_URL is no URL", "set it to the URL that callers use");
        else if (url.Scheme == "http" && !IsDevelopment) Fail("CVAULT_PUBLIC_URL is not https", "put a proxy with TLS in front, and set the https URL that callers use");
        else Ok($"CVAULT_PUBLIC_URL is {url.GetLeftPart(UriPartial.Path)}");

        var proxies = (configuration["CVAULT_TRUSTED_PROXIES"] ?? "").Split([',', ' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        foreach (var proxy in proxies.Where(p => !System.Net.IPNetwork.TryParse(p, out _) && !System.Net.IPAddress.TryParse(p, out _))) Fail($"CVAULT_TRUSTED_PROXIES has {proxy}, which is no address or network", "use such as 192.0.2.10 or 192.0.2.0/24");
        if (proxies.Length == 0 && !IsDevelopment) Warn("CVAULT_TRUSTED_PROXIES is not set", "name the proxy in front, or every call seems to come from it");

        if (configuration["CVAULT_SMTP_URL"] is { Length: > 0 } || configuration["CVAULT_SMTP_URL_FILE"] is { Length: > 0 }) Ok("CVAULT_SMTP_URL is set");
        else (IsDevelopment ? Warn : (Action<string, string>)Fail)("CVAULT_SMTP_URL is not set", "set it, or no mail (verification, password reset, invitation) leaves");
    }

    private async Task LookAtDatabaseAsync(Settings settings, CancellationToken cancellation)
    {
        await using var database = NpgsqlDataSource.Create(settings.ConnectionString);
        try
        {
            await LookAtServerAsync(database, cancellation);
            if (!await IsAsync(database, $"select to_regclass('{Database.Schema}.mt_events') is not null and to_regclass('{Database.Schema}.platform_keys') is not null", cancellation))
            {
                Warn("the schema is not there yet", "start the API once: it makes it");
                return;
            }

            Ok("the schema is in place");
            await LookAtWallAsync(database, cancellation);
            await LookAtKeysAsync(database, settings.MasterKey, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            Fail($"the database does not answer ({(e as PostgresException)?.SqlState ?? e.GetType().Name})", "see that it runs and that CVAULT_DATABASE_URL names it, with the right password");
        }
    }

    private async Task LookAtServerAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand("""
            select current_setting('server_version'), current_setting('server_version_num')::int, r.rolsuper, r.rolbypassrls, clock_timestamp(), current_setting('fsync')::bool and current_setting('synchronous_commit') not in ('off', 'local'),
              coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false), inet_server_addr() is null or inet_server_addr() << '127.0.0.0/8'
            from pg_roles r where r.rolname = current_user
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        if (reader.GetInt32(1) >= 150000) Ok($"PostgreSQL {reader.GetString(0)} answers");
        else Fail($"PostgreSQL is {reader.GetString(0)}", "use 15 or later");
        if (reader.GetBoolean(2) || reader.GetBoolean(3)) Fail("the database role is a superuser or has BYPASSRLS, which row-level security does not bind", "use a role without either: alter role … nosuperuser nobypassrls");
        else Ok("the database role is bound by row-level security");
        var skew = TimeProvider.System.GetUtcNow() - reader.GetFieldValue<DateTimeOffset>(4);
        if (skew.Duration() > SkewAllowed) Fail($"this clock and the database's are {skew.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s apart", "have both kept by NTP: tokens and leases go by them");
        else Ok("this clock and the database's agree");
        if (!reader.GetBoolean(5)) Fail("the database may lose what it has committed", "set fsync and synchronous_commit to on");
        if (!reader.GetBoolean(6) && !reader.GetBoolean(7)) Warn("the way to the database is not encrypted", "add sslmode=verify-full to CVAULT_DATABASE_URL");
    }

    private async Task LookAtWallAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand($"""
            select c.relname, c.relrowsecurity and c.relforcerowsecurity and exists (select 1 from pg_policy p where p.polrelid = c.oid)
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
            where c.relnamespace = '{Database.Schema}'::regnamespace and c.relkind in ('r', 'p') order by 1
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var (walled, open) = (0, new List<string>());
        while (await reader.ReadAsync(cancellation))
        {
            if (reader.GetBoolean(1)) walled++;
            else open.Add(reader.GetString(0));
        }

        if (open.Count > 0) Fail($"row-level security is not on, or not forced, on {string.Join(", ", open)}", "restart the API, which sets it");
        else Ok($"row-level security is on and forced on all {walled} tables of tenants");
    }

    private async Task LookAtKeysAsync(NpgsqlDataSource database, MasterKey master, CancellationToken cancellation)
    {
        if (await MasterKeyRotation.MissingAsync(database, master, cancellation) is { } missing) Fail($"the database needs master key {missing}, which is not here", "add it to CVAULT_MASTER_KEY_PREVIOUS");
        else if (await MasterKeyRotation.LeftAsync(database, master, cancellation) is > 0 and var left) Warn($"{left} values are wrapped by another master key than {master.Id}", "run ops/keys rewrap, and remove CVAULT_MASTER_KEY_PREVIOUS when it is done");
        else Ok($"everything is wrapped by master key {master.Id}");
        if (master.Ids.Count() > 1 && !failed) Warn("CVAULT_MASTER_KEY_PREVIOUS is set", "remove it once nothing is wrapped by it");

        if (!await IsAsync(database, $"select exists (select 1 from information_schema.columns where table_schema = '{Database.Schema}' and table_name = 'signing_keys' and column_name = 'created_at')", cancellation)) return;
        await using var newest = database.CreateCommand($"select max(created_at)::timestamptz from {Database.Schema}.signing_keys");
        if (await newest.ExecuteScalarAsync(cancellation) is not DateTime made) return;
        var age = TimeProvider.System.GetUtcNow() - new DateTimeOffset(made, TimeSpan.Zero);
        if (age > SigningKeyAge) Warn($"the newest signing key is {age.Days} days old", "rotate it");
        else Ok($"the newest signing key is {age.Days} days old");
    }

    private static async Task<bool> IsAsync(NpgsqlDataSource database, string sql, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteScalarAsync(cancellation) is true;
    }

    private bool IsDevelopment => (configuration["ASPNETCORE_ENVIRONMENT"] ?? configuration["ENVIRONMENT"]) == Environments.Development;

    private void Ok(string what) => output.WriteLine("ok    " + what);

    private void Warn(string what, string then) => output.WriteLine($"warn  {what}: {then}");

    private void Fail(string what, string then)
    {
        failed = true;
        output.WriteLine($"fail  {what}: {then}");
    }
}
