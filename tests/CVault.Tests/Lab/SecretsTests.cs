using System.Text;
using System.Text.Json;

namespace CVault.Tests.Lab;

/// <summary>Canaries of every kind, through every endpoint, looked for wherever they must not be.</summary>
[Collection(Alone.Name)]
public sealed class SecretsTests(Stack stack)
{
    private readonly List<string> problems = [];
    private readonly Dictionary<string, string> canaries = new(StringComparer.Ordinal);

    [Fact]
    public async Task no_row_log_or_process_argument_ever_holds_a_secret_or_an_email()
    {
        foreach (var (name, file) in new[] { ("the operator token", "operator-token"), ("the master key", "master-key"), ("the database password", "database-password") })
        {
            canaries[name] = (await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "secrets", file))).Trim();
        }

        // What every other test of this run has sent, too.
        Plant("the tests' password", Scenarios.Password);
        Plant("the tests' email domain", "@example.com");

        using var watch = new CancellationTokenSource();
        var arguments = WatchArgumentsAsync(watch.Token);
        await ExerciseAsync();
        // Whatever is done a moment later, and once more by a pass and by a start.
        StackProcess.Kill(StackProcess.Api);
        await StackProcess.UpAsync();
        await watch.CancelAsync();

        var found = new List<string>();
        var (seen, samples) = await arguments;
        Assert.True(samples > 100 && seen.Any(a => a.Contains("CVault.Api", StringComparison.Ordinal)), $"The process arguments were looked at only {samples} times.");
        foreach (var line in seen) Look(line, "the arguments of a process", found);
        foreach (var problem in problems) Look(problem, "the answer of a refused request", found);
        LookAtEnvironments(found);
        string[] folders = [Path.Combine(Stack.StateDir, "logs"), Path.Combine(Stack.StateDir, "lab", "logs")];
        foreach (var log in folders.Where(Directory.Exists).SelectMany(Directory.EnumerateFiles))
        {
            foreach (var line in File.ReadLines(log)) Look(line, "log " + Path.GetFileName(log), found);
        }

        await LookAtRowsAsync(found);
        // What is no secret and stands in the rows, to show that what stands there is found.
        Assert.True(found.RemoveAll(f => f.StartsWith("the tenant's name is in table cvault.mt_events", StringComparison.Ordinal)) > 0, "Nothing is found in the rows.");
        found.RemoveAll(f => f.StartsWith("the tenant's name is in table", StringComparison.Ordinal));
        Assert.True(found.Count == 0, string.Join('\n', found.Distinct().Take(30)));
    }

    /// <summary>Every endpoint with a secret in it, the happy way and some sad ones.</summary>
    private async Task ExerciseAsync()
    {
        var email = Plant("the email", $"canary-{Guid.NewGuid():N}@planted.example");
        var password = Plant("the password", "Canary" + Guid.NewGuid().ToString("N"));
        var wrong = Plant("a wrong password", "Wrong" + Guid.NewGuid().ToString("N"));
        var name = Plant("a device's name", "canary device " + Guid.NewGuid().ToString("N"));
        var tenant = await stack.NewTenantAsync(new { name = Plant("the tenant's name", "Secrets " + Guid.NewGuid()) });
        Plant("the API secret", tenant.ApiSecret);

        foreach (var _ in new[] { "registers", "is taken" }) Keep(await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", new { email, password }, Guid.NewGuid().ToString()));
        await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", $$"""{"email":"{{email}}","password":"{{password}}","password":1}""");
        await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/register", $$"""{"email":"{{email}}" "password":"{{password}}"}""");
        await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email, password = wrong });
        await tenant.SendAsync(HttpMethod.Get, "/api/v1/auth/login?email=" + Uri.EscapeDataString("other-" + email));
        var login = Keep(await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email, password }));
        var refreshed = Keep(await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = login.Text("refresh_token") }));
        var user = new TestUser(tenant, login.Text("user_id"), email, login.Text("access_token"), login.Text("refresh_token"));
        if ((int)refreshed.Status == 200) user = user with { AccessToken = refreshed.Text("access_token") };

        await SendToWrongPlacesAsync(tenant, user);
        await using var client = Stack.HasLab ? await LabClient.NewAsync("canary") : null;
        foreach (var region in new[] { "us-east", "eu-west" })
        {
            var key = Guid.NewGuid().ToString();
            var device = Keep(await user.RegisterDeviceAsync(name, region, idempotencyKey: key));
            Keep(await user.RegisterDeviceAsync(name, region, idempotencyKey: key));
            var id = device.Text("device_id");
            Keep(await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{id}/config"));
            if (client is not null)
            {
                await client.ConnectAsync(device.Text("config"));
                Assert.Equal(LabClient.UplinkOf(region), await client.IpAsync());
            }

            Keep(await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = id, server_region = region == "us-east" ? "eu-west" : "us-east" }, Guid.NewGuid().ToString()));
            Keep(await user.SendAsync(HttpMethod.Post, $"/api/v1/devices/{id}/rotate-key", idempotencyKey: Guid.NewGuid().ToString()));
            if (client is not null) await client.DisconnectAsync();
            if (region == "us-east") await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + id);
        }

        var (publicKey, own) = Devices.WireGuardKeys.NewPair();
        foreach (var _ in new[] { "registers", "is taken" }) Keep(await user.RegisterDeviceAsync(name, publicKey: publicKey));
        await user.RegisterDeviceAsync(name, publicKey: Plant("a private key sent as a public one", "not a key " + own));
        await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id);
        await user.SendAsync(HttpMethod.Get, "/api/v1/devices");
        await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" });
        await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/logout", new { refresh_token = user.RefreshToken });
        Assert.True(canaries.Count > 15, $"Only {canaries.Count} secrets were planted.");
    }

    /// <summary>Secrets where none belongs, as careless callers send them: in queries, in other headers, in other members, in paths.</summary>
    private async Task SendToWrongPlacesAsync(TestTenant tenant, TestUser user)
    {
        var stray = Plant("a secret in the wrong place", "cvs_" + Guid.NewGuid().ToString("N") + Guid.NewGuid().ToString("N"));
        var bearer = Plant("a forged token", "eyJhbGciOiJub25lIn0." + Convert.ToBase64String(Guid.NewGuid().ToByteArray()).TrimEnd('=') + ".x");
        (string, string)[] proven = [("X-API-Key", tenant.ApiKey), ("X-API-Secret", tenant.ApiSecret)];
        foreach (var headers in new (string, string)[][] { [("X-API-Key", stray)], [("X-API-Key", tenant.ApiKey), ("X-API-Secret", stray)], [("Authorization", "Bearer " + bearer)], [("Authorization", "Basic " + stray)], [.. proven, ("Authorization", "Bearer " + stray)], [("X-API-Key", tenant.ApiSecret)] })
        {
            await stack.SendAsync(HttpMethod.Get, "/api/v1/devices", headers: headers);
            await stack.SendAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id, headers: headers);
            await stack.SendAsync(HttpMethod.Get, $"/api/v1/devices?limit={stray}&cursor={bearer}", headers: headers);
        }

        problems.Add((await user.SendAsync(HttpMethod.Get, $"/api/v1/devices?limit={stray}&password={stray}&token={bearer}")).Body);
        problems.Add((await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{stray}")).Body);
        problems.Add((await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = stray })).Body);
        problems.Add((await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = Guid.Empty, server_region = stray + "!" })).Body);
        problems.Add((await user.SendAsync(HttpMethod.Post, "/api/v1/devices", $$"""{"device_name": {"password":"{{stray}}" } }""")).Body);
        problems.Add((await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/refresh", new { refresh_token = stray })).Body);
        problems.Add((await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, $$"""{"status":"{{stray}}","whitelabel_config":"{{stray}}"}""")).Body);
        problems.Add((await stack.SendAsync(HttpMethod.Get, "/admin/servers", headers: ("Authorization", "Bearer " + stray))).Body);
    }

    /// <summary>No process but the API, the tests and whoever started them has a secret in its environment.</summary>
    private void LookAtEnvironments(List<string> found)
    {
        foreach (var pid in StackProcess.All().Where(p => StackProcess.NameOf(p) is "postgres" or "sshd" or "wireguard-go" or "dnsmasq"))
        {
            try
            {
                foreach (var variable in File.ReadAllText($"/proc/{pid}/environ").Split('\0')) Look(variable, $"the environment of {StackProcess.NameOf(pid)}", found);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone, or not ours to read.
            }
        }
    }

    private string Plant(string what, string secret)
    {
        canaries[what] = secret;
        return secret;
    }

    /// <summary>Plants whatever secrets an answer tells.</summary>
    private Answer Keep(Answer answer)
    {
        if ((int)answer.Status >= 400) problems.Add(answer.Body);
        if (answer.Body.Length == 0 || (int)answer.Status >= 300) return answer;
        foreach (var member in new[] { "access_token", "refresh_token" })
        {
            if (answer.Json[member] is { } token) Plant($"{member} {canaries.Count}", token.ToString());
        }

        foreach (var line in (answer.Json["config"]?.ToString() ?? "").Split('\n'))
        {
            if (line.StartsWith("PrivateKey = ", StringComparison.Ordinal)) Plant($"private key {canaries.Count}", line["PrivateKey = ".Length..]);
            if (line.StartsWith("PresharedKey = ", StringComparison.Ordinal)) Plant($"preshared key {canaries.Count}", line["PresharedKey = ".Length..]);
        }

        return answer;
    }

    /// <summary>The arguments of every process of this machine, as often as can be.</summary>
    private static Task<(HashSet<string> Seen, int Samples)> WatchArgumentsAsync(CancellationToken enough) => Task.Run(async () =>
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var samples = 0;
        for (; !enough.IsCancellationRequested; samples++)
        {
            foreach (var pid in StackProcess.All()) seen.Add(StackProcess.ArgumentsOf(pid).Replace('\0', ' '));
            await Task.Delay(10, CancellationToken.None);
        }

        return (seen, samples);
    });

    private void Look(string text, string where, List<string> found)
    {
        foreach (var (what, secret) in canaries)
        {
            foreach (var form in FormsOf(secret))
            {
                if (text.Contains(form, StringComparison.OrdinalIgnoreCase)) found.Add($"{what} is in {where}: {(text.Length > 200 ? text[..200] : text).Replace(form, "<here>", StringComparison.OrdinalIgnoreCase)}");
            }
        }
    }

    /// <summary>As it is, as JSON escapes it, its bytes in hexadecimal (a bytea as text), in base64, and a base64 key's own bytes.</summary>
    private static IEnumerable<string> FormsOf(string secret)
    {
        yield return secret;
        if (JsonSerializer.Serialize(secret).Trim('"') is var escaped && escaped != secret) yield return escaped;
        yield return Convert.ToHexStringLower(Encoding.UTF8.GetBytes(secret));
        yield return Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)).TrimEnd('=');
        var key = new byte[32];
        if (Convert.TryFromBase64String(secret, key, out var length) && length == 32) yield return Convert.ToHexStringLower(key);
    }

    /// <summary>Every row of every table as text, whatever its columns are.</summary>
    private async Task LookAtRowsAsync(List<string> found)
    {
        var tables = new List<string>();
        await using (var command = stack.Database.CreateCommand("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"))
        await using (var reader = await command.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync()) tables.Add(reader.GetString(0));
        }

        Assert.Contains("cvault.mt_events", tables);
        // 65,000 addresses a server say nothing that a secret could hide in.
        foreach (var table in tables.Where(t => t != "cvault.addresses"))
        {
            await using var command = stack.Database.CreateCommand($"select t::text from {table} t");
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync()) Look(reader.GetString(0), "table " + table, found);
        }
    }
}
