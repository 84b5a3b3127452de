namespace CVault.Tests.Lab;

/// <summary>What a peer had moved is read in the step that removes it, and kept with the commit that forgets the peer.</summary>
public sealed class LastCountersTests(Stack stack)
{
    [Fact]
    public async Task a_removed_peers_last_bytes_are_kept_for_metering()
    {
        LabClient.Required();
        await using var client = await LabClient.NewAsync("counters");
        var user = await (await stack.NewTenantAsync()).NewUserAsync();
        var device = await user.NewDeviceAsync("Counted", "us-east");
        await client.ConnectAsync(device.Config);
        Assert.Equal(0, (await client.CurlAsync("/bytes/200000", 10, "-o", "/dev/null")).ExitCode);

        await stack.LiveAsync((await user.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + device.Id)).Is(System.Net.HttpStatusCode.OK));

        await using var command = stack.Database.CreateCommand("select device_id, tenant_id, rx_bytes, tx_bytes, last_handshake, boot_id <> '' and incarnation <> '' from cvault.peer_last_counters where public_key = $1");
        command.Parameters.Add(new() { Value = device.PublicKey });
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(await reader.ReadAsync(), "Nothing was kept.");
        Assert.Equal((Guid.Parse(device.Id), user.Tenant.Id), (reader.GetGuid(0), reader.GetString(1)));
        Assert.InRange(reader.GetInt64(2), 500, 100_000);
        Assert.InRange(reader.GetInt64(3), 200_000, 300_000);
        Assert.InRange(reader.GetInt64(4), DateTimeOffset.UtcNow.AddMinutes(-5).ToUnixTimeSeconds(), DateTimeOffset.UtcNow.ToUnixTimeSeconds());
        Assert.True(reader.GetBoolean(5));
        Assert.False(await reader.ReadAsync(), "It was kept twice.");
    }
}
