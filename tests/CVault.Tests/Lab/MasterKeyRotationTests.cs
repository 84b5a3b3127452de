using System.Diagnostics;
using System.Net;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using CVault.Security;

namespace CVault.Tests.Lab;

/// <summary>A new master key while the API serves, the wrapping killed again and again, and back to the stack's own.</summary>
[Collection(Alone.Name), UnsupportedOSPlatform("windows")]
public sealed class MasterKeyRotationTests(Stack stack)
{
    private readonly string[] program = StackProcess.ArgumentsOf(StackProcess.Api).Split('\0', StringSplitOptions.RemoveEmptyEntries);
    private readonly string folderOfProgram = new FileInfo($"/proc/{StackProcess.Api}/cwd").LinkTarget!;
    private readonly string[] environment = File.ReadAllText($"/proc/{StackProcess.Api}/environ").Split('\0', StringSplitOptions.RemoveEmptyEntries);
    private const string Fill = "00000000-0000-7000-8000-";

    [Fact]
    public async Task a_rotation_that_is_killed_at_random_moments_loses_nothing_and_ends()
    {
        var rows = Size.Of(4000, 80_000);
        var folder = Directory.CreateTempSubdirectory("cvault-rotation-").FullName;
        var (oldKey, newKey, none) = (Path.Combine(Stack.StateDir, "secrets", "master-key"), Path.Combine(folder, "new"), Path.Combine(folder, "none"));
        await File.WriteAllTextAsync(newKey, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        await File.WriteAllTextAsync(none, "");
        File.SetUnixFileMode(newKey, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var (older, newer) = (await KeyAsync(oldKey), await KeyAsync(newKey));
        var ring = new MasterKey(newer, older);

        var tenant = await stack.NewTenantAsync();
        var users = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => tenant.NewUserAsync()));
        var devices = await Task.WhenAll(users.Select(u => u.NewDeviceAsync()));
        var key = Guid.NewGuid().ToString();
        var first = (await users[0].RegisterDeviceAsync("Replayed", idempotencyKey: key)).Is(HttpStatusCode.Created);
        await FillAsync(new MasterKey(older), rows);

        var api = await ApiProcess.OfAsync(stack);
        var random = new Random(42);
        try
        {
            await api.StartAsync(("CVAULT_MASTER_KEY_FILE", newKey), ("CVAULT_MASTER_KEY_PREVIOUS_FILE", oldKey));
            await api.HealthyAsync();
            var atFirst = await LeftAsync(ring);
            Assert.True(atFirst > rows, $"Only {atFirst} values were to be wrapped anew.");
            var (kills, left) = (0, atFirst);
            // It passes over a row that is held and comes back to it, so that none is done before it is killed.
            await using (var connection = await stack.Database.OpenConnectionAsync())
            await using (var holding = await connection.BeginTransactionAsync())
            {
                await using var hold = new Npgsql.NpgsqlCommand($"select 1 from cvault.data_keys where user_id::text like '{Fill}%' limit 1 for update", connection, holding);
                await hold.ExecuteNonQueryAsync();
                while (left > 1 && kills < 6)
                {
                    using var killed = Rewrap(newKey, oldKey);
                    var until = Math.Max(1, left - random.NextInt64(1, Math.Max(2, left * 2 / 3)));
                    // A batch is on its way or just done when it dies; meanwhile the API serves.
                    while (!killed.HasExited && (left = await LeftAsync(ring)) > until) (await users[kills % 5].SendAsync(HttpMethod.Get, $"/api/v1/devices/{devices[kills % 5].Id}/config")).Is(HttpStatusCode.OK);
                    Assert.False(killed.HasExited, "It ended before all was done.");
                    killed.Kill();
                    await killed.WaitForExitAsync();
                    kills++;
                    left = await LeftAsync(ring);
                }
            }

            using var last = Rewrap(newKey, oldKey);
            var said = await last.StandardOutput.ReadToEndAsync();
            await last.WaitForExitAsync();
            Assert.True(last.ExitCode == 0, said + await last.StandardError.ReadToEndAsync());
            Assert.Equal(0, await LeftAsync(ring));
            Assert.True(kills >= 2, $"It was killed only {kills} times on its way.");
            TestContext.Current.TestOutputHelper?.WriteLine($"{atFirst} values wrapped anew, killed {kills} times; the last run said: {said.Trim()}");

            // By the new key alone everything opens; by the old one nothing starts.
            await api.StartAsync(("CVAULT_MASTER_KEY_FILE", newKey), ("CVAULT_MASTER_KEY_PREVIOUS_FILE", none));
            await api.HealthyAsync();
            await ReadAllAsync();
            await using (var count = stack.Database.CreateCommand("select (select count(*) from cvault.data_keys where master_key_id <> $1) + (select count(*) from cvault.platform_keys where master_key_id <> $1)"))
            {
                count.Parameters.Add(new() { Value = ring.Id });
                Assert.Equal(0L, await count.ExecuteScalarAsync());
            }

            using var refused = Rewrap(oldKey, none, tool: null);
            var words = refused.StandardOutput.ReadToEndAsync();
            var errors = await refused.StandardError.ReadToEndAsync();
            await refused.WaitForExitAsync();
            Assert.NotEqual(0, refused.ExitCode);
            Assert.Contains($"The database has keys that master key {ring.Id} wrapped", errors + await words, StringComparison.Ordinal);
        }
        finally
        {
            // Back, from wherever it is.
            using (var back = Rewrap(oldKey, newKey))
            {
                await back.StandardOutput.ReadToEndAsync();
                await back.WaitForExitAsync();
                Assert.Equal(0, back.ExitCode);
            }

            await using (var clear = stack.Database.CreateCommand($"delete from cvault.data_keys where user_id::text like '{Fill}%'")) await clear.ExecuteNonQueryAsync();
            await api.StartAsync();
            await api.HealthyAsync();
            Directory.Delete(folder, recursive: true);
        }

        await ReadAllAsync();

        async Task ReadAllAsync()
        {
            foreach (var (user, device) in users.Zip(devices))
            {
                Assert.Equal(device.Config, (await user.SendAsync(HttpMethod.Get, $"/api/v1/devices/{device.Id}/config")).Text("config"));
                (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/login", new { email = user.Email, password = Scenarios.Password })).Is(HttpStatusCode.OK);
            }

            var again = await users[0].RegisterDeviceAsync("Replayed", idempotencyKey: key);
            Assert.Equal((first.Text("device_id"), "true"), (again.Text("device_id"), again.Headers.GetValueOrDefault("Idempotent-Replayed")));
        }
    }

    [Fact]
    public async Task the_doctor_finds_nothing_wrong_with_this_stack_and_shows_no_secret()
    {
        var said = await Stack.RunAsync("ops/doctor", []);
        Assert.DoesNotContain("fail ", said.Text, StringComparison.Ordinal);
        foreach (var line in new[] { "settings", "PostgreSQL", "bound by row-level security", "forced on all", "everything is wrapped by master key" }) Assert.Contains(said.Text.Split('\n'), l => l.StartsWith("ok ", StringComparison.Ordinal) && l.Contains(line, StringComparison.Ordinal));
        foreach (var file in new[] { "operator-token", "master-key", "database-password", "ssh-key" })
        {
            foreach (var part in (await File.ReadAllTextAsync(Path.Combine(Stack.StateDir, "secrets", file))).Split('\n').Where(l => l.Length > 20 && !l.StartsWith("---", StringComparison.Ordinal))) Assert.DoesNotContain(part, said.Text + said.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task the_doctor_ends_with_1_where_row_level_security_is_off_or_a_secret_is_open_to_others()
    {
        var file = Path.Combine(Stack.StateDir, "secrets", "operator-token");
        var mode = File.GetUnixFileMode(file);
        try
        {
            await RunAsync("alter table cvault.peer_last_counters no force row level security");
            File.SetUnixFileMode(file, mode | UnixFileMode.OtherRead);
            var said = await Stack.RunAsync("ops/doctor", [], mayFail: true);
            Assert.Equal(1, said.ExitCode);
            Assert.Contains("fail  row-level security is not on, or not forced, on peer_last_counters", said.Text, StringComparison.Ordinal);
            Assert.Contains("fail  the file of CVAULT_OPERATOR_TOKEN can be read or written by others", said.Text, StringComparison.Ordinal);
        }
        finally
        {
            File.SetUnixFileMode(file, mode);
            await RunAsync("alter table cvault.peer_last_counters force row level security");
        }
    }

    private async Task RunAsync(string sql)
    {
        await using var command = stack.Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private Task<long> LeftAsync(MasterKey ring) => MasterKeyRotation.LeftAsync(stack.Database, ring, CancellationToken.None);

    private static async Task<byte[]> KeyAsync(string file) => Convert.FromBase64String((await File.ReadAllTextAsync(file)).Trim());

    /// <summary>As many users' keys as a grown platform has, without their users.</summary>
    private async Task FillAsync(MasterKey master, int rows)
    {
        await using var insert = stack.Database.CreateCommand("insert into cvault.data_keys (user_id, tenant_id, master_key_id, wrapped) select *  from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) on conflict do nothing");
        var ids = Enumerable.Range(0, rows).Select(i => Guid.Parse($"{Fill}{i:x12}")).ToArray();
        insert.Parameters.Add(new() { Value = ids });
        insert.Parameters.Add(new() { Value = ids.Select(_ => Guid.Empty.ToString()).ToArray() });
        insert.Parameters.Add(new() { Value = ids.Select(_ => master.Id).ToArray() });
        insert.Parameters.Add(new() { Value = ids.Select(i => new DataKey(i, RandomNumberGenerator.GetBytes(32)).Wrap(master)).ToArray() });
        await insert.ExecuteNonQueryAsync();
    }

    /// <summary>The running API's program as a tool, or to serve, with these keys.</summary>
    private Process Rewrap(string current, string previous, string? tool = "rewrap")
    {
        var start = new ProcessStartInfo(program[0], tool is null ? program[1..] : [.. program[1..], tool]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folderOfProgram };
        start.Environment.Clear();
        foreach (var variable in environment.Select(v => v.Split('=', 2))) start.Environment[variable[0]] = variable[1];
        (start.Environment["CVAULT_MASTER_KEY_FILE"], start.Environment["CVAULT_MASTER_KEY_PREVIOUS_FILE"], start.Environment["CVAULT_API_PORT"]) = (current, previous, "0");
        start.Environment.Remove("CVAULT_METRICS_PORT");
        return Process.Start(start)!;
    }
}
