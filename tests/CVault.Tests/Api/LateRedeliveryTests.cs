using System.Net;

namespace CVault.Tests.Api;

/// <summary>
/// Row 13: messages that come again when nothing remembers that they were handled. Wolverine forgets a handled message
/// after some minutes; here it is made to at once, and each is put into its queue once more.
/// </summary>
[Collection(Alone.Name)]
public sealed class LateRedeliveryTests(Stack stack)
{
    [Fact]
    public async Task what_is_delivered_again_after_its_retention_has_no_second_effect()
    {
        var tenant = await stack.NewTenantAsync(new { lease_policy = "ephemeral" });
        var (stays, goes, leaves) = (await tenant.NewUserAsync(), await tenant.NewUserAsync(), await tenant.NewUserAsync());
        var (kept, revoked, last) = (await stays.NewDeviceAsync(), await goes.NewDeviceAsync(), await leaves.NewDeviceAsync());
        foreach (var (user, device) in new[] { (stays, kept), (goes, revoked), (leaves, last) }) (await user.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = device.Id })).Is(HttpStatusCode.OK);
        (await stays.SendAsync(HttpMethod.Post, "/api/v1/vpn/disconnect", new { device_id = kept.Id })).Is(HttpStatusCode.OK);                  // SessionOver
        (await goes.SendAsync(HttpMethod.Delete, "/api/v1/devices/" + revoked.Id)).Is(HttpStatusCode.OK);                                   // DeviceGone
        (await tenant.SendAsync(HttpMethod.Delete, "/api/v1/users/" + leaves.Id)).Is(HttpStatusCode.OK);                                    // UserGone
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/forgot", new { email = stays.Email })).Is(HttpStatusCode.Accepted); // PasswordForgotten, MailDue
        var token = Scenarios.TokenIn(await stack.MailToAsync(stays.Email, "cvt_"));
        // Connected again: a word of the session before must not end this one.
        await Stack.EventuallyAsync("the address is given back", TimeSpan.FromSeconds(20), async () => await CountAsync("select count(*) from cvault.mt_events where type = 'device_parked_v1' and tenant_id = $1", tenant) > 0);
        (await stays.SendAsync(HttpMethod.Post, "/api/v1/vpn/connect", new { device_id = kept.Id })).Is(HttpStatusCode.OK);

        string[] kinds = ["SessionOver", "DeviceGone", "UserGone", "PasswordForgotten"];
        foreach (var kind in kinds) await Stack.EventuallyAsync($"{kind} is handled", TimeSpan.FromSeconds(30), async () => await HandledAsync(kind, tenant) > 0);
        await Stack.EventuallyAsync("nothing of it is under way", TimeSpan.FromSeconds(30), async () =>
            await CountAsync($"select count(*) from cvault.data_keys where user_id = '{leaves.Id}' and $1 <> ''", tenant) == 0
            && await CountAsync("select count(*) from cvault.peers where tenant_id = $1 and not wanted", tenant) == 0
            && await CountAsync("select count(*) from cvault.wolverine_incoming_envelopes where status <> 'Handled' and $1 <> ''", tenant) == 0);
        await Task.Delay(TimeSpan.FromSeconds(3));
        var before = await EffectsAsync(tenant, stays);

        // The mails' messages name their mail alone; all of the last minutes, then.
        var redelivered = await ForgetAndRedeliverAsync($"({string.Join(" or ", kinds.Select((_, i) => $"message_type like '%{kinds[i]}'"))}) and position(convert_to($1, 'UTF8') in body) > 0", tenant.Id)
            + await ForgetAndRedeliverAsync("message_type like '%MailDue' and $1 <> ''", tenant.Id);
        Assert.True(redelivered >= kinds.Length + 1, $"Only {redelivered} messages could be delivered again.");
        await Stack.EventuallyAsync("all of them are handled again", TimeSpan.FromSeconds(60), async () => await CountAsync("select count(*) from cvault.wolverine_incoming_envelopes where status <> 'Handled' and $1 <> ''", tenant) == 0);
        await Task.Delay(TimeSpan.FromSeconds(3));

        Assert.Equal(before, await EffectsAsync(tenant, stays));
        Assert.Equal("connected", (await stays.SendAsync(HttpMethod.Get, "/api/v1/vpn/status?device_id=" + kept.Id)).Is(HttpStatusCode.OK).Text("status"));
        (await tenant.SendAsync(HttpMethod.Post, "/api/v1/auth/password/reset", new { token, password = "another good passphrase" })).Is(HttpStatusCode.OK);
        TestContext.Current.TestOutputHelper?.WriteLine($"{redelivered} messages delivered again, 0 effects repeated");
    }

    /// <summary>The tenant's events, the leases that they hold, and the mails to the user.</summary>
    private async Task<(long Events, long Addresses, long Mails)> EffectsAsync(TestTenant tenant, TestUser user) => (
        await CountAsync("select count(*) from cvault.mt_events where tenant_id = $1 and type <> 'usage_metered_v1'", tenant),
        await CountAsync("select count(*) from cvault.peers where tenant_id = $1", tenant),
        (await stack.MailsToAsync(user.Email)).Length);

    private Task<long> HandledAsync(string kind, TestTenant tenant) =>
        CountAsync($"select count(*) from cvault.wolverine_incoming_envelopes where message_type like '%{kind}' and status = 'Handled' and position(convert_to($1, 'UTF8') in body) > 0", tenant);

    /// <summary>As after the retention and with a broker that delivers again: the row is gone, and the same message comes.</summary>
    private async Task<int> ForgetAndRedeliverAsync(string which, string tenantId)
    {
        await using var command = stack.Database.CreateCommand($"""
            with forgotten as (delete from cvault.wolverine_incoming_envelopes where status = 'Handled' and {which} returning *)
            insert into cvault.wolverine_incoming_envelopes (id, status, owner_id, execution_time, attempts, body, message_type, received_at)
            select id, 'Incoming', 0, null, 0, body, message_type, received_at from forgotten on conflict do nothing
            """);
        command.Parameters.Add(new() { Value = tenantId });
        return await command.ExecuteNonQueryAsync();
    }

    private async Task<long> CountAsync(string sql, TestTenant tenant)
    {
        await using var command = stack.Database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = tenant.Id });
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
