using System.Net;

namespace CVault.Tests.Api;

/// <summary>A tenant's staff: how they come, what they may, how they go.</summary>
public sealed class MemberTests(Stack stack)
{
    private const string Members = "/api/v1/tenant/members", Invitations = "/api/v1/tenant/invitations", Settings = "/api/v1/tenant/settings";

    [Fact]
    public async Task a_colleague_is_invited_by_mail_and_has_the_role_that_the_mail_said()
    {
        var (_, owner) = await stack.SignUpAsync(name: "Ducks & Co");
        var email = Scenarios.NewAddress();
        var invited = (await owner.InviteAsync(email.ToUpperInvariant(), "read_only")).Is(HttpStatusCode.Created);
        var open = (await owner.SendAsync(HttpMethod.Get, Invitations)).Json["invitations"]!.AsArray();
        Assert.Equal((invited.Text("invitation_id"), email, "read_only"), (open[0]!["invitation_id"]!.ToString(), open[0]!["email"]!.ToString(), open[0]!["role"]!.ToString()));
        var mail = await stack.MailToAsync(email);
        Assert.Contains($"{owner.Email} invites you to the CVault account of Ducks & Co, as read-only.", mail, StringComparison.Ordinal);

        var accepted = (await stack.AcceptAsync(Scenarios.TokenIn(mail))).Is(HttpStatusCode.Created);
        Assert.Equal(invited.Text("invitation_id"), accepted.Text("member_id"));
        Assert.Empty((await owner.SendAsync(HttpMethod.Get, Invitations)).Json["invitations"]!.AsArray());
        var members = (await owner.SendAsync(HttpMethod.Get, Members)).Json["members"]!.AsArray();
        Assert.Equal([(owner.Email, "owner"), (email, "read_only")], members.Select(m => (m!["email"]!.ToString(), m["role"]!.ToString())));
        (await stack.AcceptAsync(Scenarios.TokenIn(mail))).IsProblem(400, "INVALID_TOKEN");
        (await stack.LogInMemberAsync(email)).Is(HttpStatusCode.OK);
        (await owner.InviteAsync(email, "admin")).IsProblem(409, "CONFLICT"); // A member already.
    }

    [Fact]
    public async Task an_invitation_is_accepted_once_however_many_try_at_once()
    {
        var (_, owner) = await stack.SignUpAsync();
        var email = Scenarios.NewAddress();
        (await owner.InviteAsync(email, "developer")).Is(HttpStatusCode.Created);
        var token = Scenarios.TokenIn(await stack.MailToAsync(email));
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => stack.AcceptAsync(token)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.Created);
        Assert.Equal(2, (await owner.SendAsync(HttpMethod.Get, Members)).Json["members"]!.AsArray().Count);
    }

    [Fact]
    public async Task an_invitation_that_was_taken_back_is_good_for_nothing()
    {
        var (_, owner) = await stack.SignUpAsync();
        var email = Scenarios.NewAddress();
        var id = (await owner.InviteAsync(email, "admin")).Is(HttpStatusCode.Created).Text("invitation_id");
        var token = Scenarios.TokenIn(await stack.MailToAsync(email));
        (await owner.SendAsync(HttpMethod.Delete, $"{Invitations}/{id}")).Is(HttpStatusCode.OK);
        (await stack.AcceptAsync(token)).IsProblem(400, "INVALID_TOKEN");
        (await owner.SendAsync(HttpMethod.Delete, $"{Invitations}/{id}")).IsProblem(404, "NOT_FOUND");
        Assert.Equal(0L, await CountAsync($"select count(*) from {Database.Schema}.data_keys where user_id = $1", Guid.Parse(id)));
    }

    [Fact]
    public async Task with_a_member_or_their_role_go_the_invitations_that_they_could_not_make_any_more()
    {
        var (_, owner) = await stack.SignUpAsync();
        var (leaver, demoted) = (await owner.NewColleagueAsync("owner"), await owner.NewColleagueAsync("owner"));
        var (backdoor, toOwner, toBilling) = (Scenarios.NewAddress(), Scenarios.NewAddress(), Scenarios.NewAddress());
        (await leaver.InviteAsync(backdoor, "owner")).Is(HttpStatusCode.Created);
        (await demoted.InviteAsync(toOwner, "owner")).Is(HttpStatusCode.Created);
        (await demoted.InviteAsync(toBilling, "billing")).Is(HttpStatusCode.Created);
        (await owner.SendAsync(HttpMethod.Delete, $"{Members}/{leaver.Id}")).Is(HttpStatusCode.OK);
        (await RoleAsync(owner, demoted, "admin")).Is(HttpStatusCode.OK);

        (await stack.AcceptAsync(Scenarios.TokenIn(await stack.MailToAsync(backdoor)))).IsProblem(400, "INVALID_TOKEN");
        (await stack.AcceptAsync(Scenarios.TokenIn(await stack.MailToAsync(toOwner)))).IsProblem(400, "INVALID_TOKEN");
        Assert.Equal("billing", (await owner.SendAsync(HttpMethod.Get, Invitations)).Json["invitations"]!.AsArray().Single()!["role"]!.ToString());
        (await stack.AcceptAsync(Scenarios.TokenIn(await stack.MailToAsync(toBilling)))).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task nobodys_mailbox_is_filled_with_invitations()
    {
        var (_, owner) = await stack.SignUpAsync();
        var (_, another) = await stack.SignUpAsync();
        var email = Scenarios.NewAddress();
        for (var i = 0; i < 5; i++) (await (i % 2 == 0 ? owner : another).InviteAsync(email.Replace("@", $"+{i}@", StringComparison.Ordinal), "admin")).Is(HttpStatusCode.Created);
        (await owner.InviteAsync(email, "admin")).IsProblem(429, "RATE_LIMITED");
        (await owner.InviteAsync(Scenarios.NewAddress(), "admin")).Is(HttpStatusCode.Created);
    }

    [Fact]
    public async Task who_has_an_account_elsewhere_cannot_accept_and_the_invitation_stays_good()
    {
        var (_, elsewhere) = await stack.SignUpAsync();
        var (_, owner) = await stack.SignUpAsync();
        (await owner.InviteAsync(elsewhere.Email, "admin")).Is(HttpStatusCode.Created); // Nobody learns of the account.
        var token = Scenarios.TokenIn(await stack.MailToAsync(elsewhere.Email, "invites you"));
        (await stack.AcceptAsync(token)).IsProblem(409, "EMAIL_TAKEN");
        (await stack.AcceptAsync(token)).IsProblem(409, "EMAIL_TAKEN");
        Assert.Single((await owner.SendAsync(HttpMethod.Get, Members)).Json["members"]!.AsArray());
    }

    [Fact]
    public async Task an_admin_manages_all_but_owners()
    {
        var (_, owner) = await stack.SignUpAsync();
        var (admin, developer) = (await owner.NewColleagueAsync("admin"), await owner.NewColleagueAsync("developer"));
        (await admin.InviteAsync(Scenarios.NewAddress(), "owner")).IsProblem(403, "FORBIDDEN");
        (await RoleAsync(admin, developer, "owner")).IsProblem(403, "FORBIDDEN");
        (await RoleAsync(admin, admin, "owner")).IsProblem(403, "FORBIDDEN");
        (await RoleAsync(admin, owner, "admin")).IsProblem(403, "FORBIDDEN");
        (await admin.SendAsync(HttpMethod.Delete, $"{Members}/{owner.Id}")).IsProblem(403, "FORBIDDEN");
        var invitation = (await owner.InviteAsync(Scenarios.NewAddress(), "owner")).Text("invitation_id");
        (await admin.SendAsync(HttpMethod.Delete, $"{Invitations}/{invitation}")).IsProblem(403, "FORBIDDEN");

        Assert.Equal("billing", (await RoleAsync(admin, developer, "billing")).Is(HttpStatusCode.OK).Text("role"));
        (await admin.SendAsync(HttpMethod.Delete, $"{Members}/{developer.Id}")).Is(HttpStatusCode.OK);
        (await RoleAsync(owner, admin, "owner")).Is(HttpStatusCode.OK);
        (await RoleAsync(admin, owner, "developer")).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task another_role_holds_for_the_token_that_is_already_out()
    {
        var (_, owner) = await stack.SignUpAsync();
        var admin = await owner.NewColleagueAsync("admin");
        (await admin.InviteAsync(Scenarios.NewAddress(), "billing")).Is(HttpStatusCode.Created);
        (await RoleAsync(owner, admin, "read_only")).Is(HttpStatusCode.OK);
        (await admin.InviteAsync(Scenarios.NewAddress(), "billing")).IsProblem(403, "FORBIDDEN");
        Assert.Equal("read_only", (await admin.SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).Is(HttpStatusCode.OK).Text("role"));
    }

    [Fact]
    public async Task a_revoked_key_stays_revoked_whatever_else_is_done_to_it_at_that_moment()
    {
        const string Keys = "/api/v1/tenant/api-keys";
        var (tenant, owner) = await stack.SignUpAsync();
        (await stack.AsOperatorAsync(HttpMethod.Patch, $"/admin/tenants/{tenant.Id}", new { requests_per_minute = 10_000 })).Is(HttpStatusCode.OK);
        for (var i = 0; i < 40; i++)
        {
            var key = (await owner.SendAsync(HttpMethod.Post, Keys, new { kind = "publishable", name = "k" })).Is(HttpStatusCode.Created).Text("api_key");
            var changing = Enumerable.Range(0, 3).Select(n => owner.SendAsync(HttpMethod.Patch, $"{Keys}/{key}", new { name = "n" + n })).ToList();
            if (i % 4 > 0) await Task.Delay(i % 4, TestContext.Current.CancellationToken);
            var revoked = await owner.SendAsync(HttpMethod.Delete, $"{Keys}/{key}");
            await Task.WhenAll(changing);
            if (revoked.Status == HttpStatusCode.OK) (await owner.SendAsync(HttpMethod.Patch, $"{Keys}/{key}", new { name = "after" })).IsProblem(404, "NOT_FOUND");
            else (await owner.SendAsync(HttpMethod.Delete, $"{Keys}/{key}")).Is(HttpStatusCode.OK);
        }
    }

    [Fact]
    public async Task a_removed_member_is_out_at_once_and_nothing_of_them_is_left_to_read()
    {
        var (_, owner) = await stack.SignUpAsync();
        var colleague = await owner.NewColleagueAsync("developer");
        Assert.Equal(colleague.Email, (await owner.SendAsync(HttpMethod.Delete, $"{Members}/{colleague.Id}")).Is(HttpStatusCode.OK).Text("email"));
        (await colleague.SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(colleague.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await stack.LogInMemberAsync(colleague.Email)).IsProblem(401, "INVALID_CREDENTIALS");
        (await owner.SendAsync(HttpMethod.Delete, $"{Members}/{colleague.Id}")).IsProblem(404, "NOT_FOUND");
        Assert.Equal(0L, await CountAsync($"select (select count(*) from {Database.Schema}.data_keys where user_id = $1) + (select count(*) from {Database.Schema}.mt_doc_membercredentials where id = $1)", Guid.Parse(colleague.Id)));

        await owner.NewColleagueAsync("billing", colleague.Email); // And may come again.
    }

    [Fact]
    public async Task a_tenant_always_keeps_one_owner()
    {
        var (_, owner) = await stack.SignUpAsync();
        var admin = await owner.NewColleagueAsync("admin");
        (await RoleAsync(owner, owner, "admin")).IsProblem(409, "LAST_OWNER");
        (await owner.SendAsync(HttpMethod.Delete, $"{Members}/{owner.Id}")).IsProblem(409, "LAST_OWNER");
        (await RoleAsync(owner, owner, "owner")).Is(HttpStatusCode.OK);
        (await RoleAsync(owner, admin, "owner")).Is(HttpStatusCode.OK);
        (await RoleAsync(owner, owner, "read_only")).Is(HttpStatusCode.OK);
        (await RoleAsync(admin, admin, "read_only")).IsProblem(409, "LAST_OWNER");
    }

    [Fact]
    public async Task two_owners_who_demote_each_other_at_once_leave_one()
    {
        var (_, first) = await stack.SignUpAsync();
        var second = await first.NewColleagueAsync("owner");
        var third = await first.NewColleagueAsync("owner");
        var both = 0;
        for (var round = 0; round < 12; round++)
        {
            // The third looks after them, and is no owner while they try.
            (await RoleAsync(third, first, "owner")).Is(HttpStatusCode.OK);
            (await RoleAsync(third, second, "owner")).Is(HttpStatusCode.OK);
            (await RoleAsync(first, third, "admin")).Is(HttpStatusCode.OK);
            var answers = await Task.WhenAll(
                round % 2 == 0 ? RoleAsync(first, second, "developer") : first.SendAsync(HttpMethod.Patch, $"{Members}/{first.Id}", new { role = "developer" }),
                round % 2 == 0 ? RoleAsync(second, first, "developer") : second.SendAsync(HttpMethod.Patch, $"{Members}/{second.Id}", new { role = "developer" }));
            var owners = (await third.SendAsync(HttpMethod.Get, Members)).Json["members"]!.AsArray().Where(m => m!["role"]!.ToString() == "owner").Select(m => m!["member_id"]!.ToString()).ToArray();
            Assert.True(owners.Length == 1, $"{owners.Length} owners are left after {string.Join(" and ", answers.Select(a => a.Body))}");
            Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
            if (answers.Any(a => a.Code == "CONFLICT")) both++;
            (await RoleAsync(owners[0] == first.Id ? first : second, third, "owner")).Is(HttpStatusCode.OK);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"in {both} of 12 rounds both had read before either wrote");
    }

    [Fact]
    public async Task a_refresh_token_is_spent_by_use_and_a_copy_of_it_ends_the_login()
    {
        var (_, owner) = await stack.SignUpAsync();
        var next = (await RefreshAsync(owner.RefreshToken)).Is(HttpStatusCode.OK);
        Assert.True(await (owner with { AccessToken = next.Text("access_token") }).IsInAsync());
        await using (var age = stack.Database.CreateCommand($"update {Database.Schema}.refresh_tokens set used_at = used_at - interval '1 minute' where user_id = $1"))
        {
            age.Parameters.Add(new() { Value = Guid.Parse(owner.Id) });
            await age.ExecuteNonQueryAsync();
        }

        (await RefreshAsync(owner.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync(next.Text("refresh_token"))).IsProblem(401, "UNAUTHENTICATED");
        (await RefreshAsync("cvr_unknown")).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task logging_out_ends_this_login_and_no_other()
    {
        var (_, owner) = await stack.SignUpAsync();
        var other = owner with { AccessToken = (await stack.LogInMemberAsync(owner.Email)).Text("access_token") };
        (await owner.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/logout")).Is(HttpStatusCode.OK);
        Assert.False(await owner.IsInAsync());
        Assert.True(await other.IsInAsync());
        (await RefreshAsync(owner.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
    }

    [Fact]
    public async Task a_forgotten_password_is_set_anew_by_mail_and_every_login_ends()
    {
        var (_, owner) = await stack.SignUpAsync();
        (await ForgotAsync(owner.Email)).Is(HttpStatusCode.Accepted);
        var token = Scenarios.TokenIn(await stack.MailToAsync(owner.Email, "new password"));
        (await ResetAsync(token, "short")).IsProblem(400, "VALIDATION_FAILED");
        var answers = await Task.WhenAll(ResetAsync(token, "a new password"), ResetAsync(token, "a new password"));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        answers.Single(a => a.Status != HttpStatusCode.OK).IsProblem(400, "INVALID_TOKEN");
        Assert.False(await owner.IsInAsync());
        (await RefreshAsync(owner.RefreshToken)).IsProblem(401, "UNAUTHENTICATED");
        (await stack.LogInMemberAsync(owner.Email)).IsProblem(401, "INVALID_CREDENTIALS");
        (await stack.LogInMemberAsync(owner.Email, "a new password")).Is(HttpStatusCode.OK);
    }

    [Fact]
    public async Task an_email_without_a_verified_account_gets_no_reset_mail()
    {
        var unknown = Scenarios.NewAddress();
        (await ForgotAsync(unknown)).Is(HttpStatusCode.Accepted);
        var (_, unverified) = await stack.SignUpAsync(verify: false);
        (await ForgotAsync(unverified.Email)).Is(HttpStatusCode.Accepted);
        await stack.MailToAsync(unverified.Email); // its address is still to be verified
        var (_, known) = await stack.SignUpAsync();
        (await ForgotAsync(known.Email)).Is(HttpStatusCode.Accepted);
        await stack.MailToAsync(known.Email, "new password"); // Whatever was to come before it has come.
        Assert.Empty(await stack.MailsToAsync(unknown));
        Assert.Single(await stack.MailsToAsync(unverified.Email));
        Assert.DoesNotContain(Directory.EnumerateFiles(Stack.Mail).Select(Path.GetFileName), f => f!.EndsWith("-.eml", StringComparison.Ordinal));
    }

    [Fact]
    public async Task a_changed_password_ends_every_login_and_begins_one()
    {
        var (_, owner) = await stack.SignUpAsync();
        var other = owner with { AccessToken = (await stack.LogInMemberAsync(owner.Email)).Text("access_token") };
        Task<Answer> ChangeAsync(string current) => owner.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/password", new { current_password = current, new_password = "a new password" });
        (await ChangeAsync("wrong password")).IsProblem(401, "INVALID_CREDENTIALS");
        Assert.True(await other.IsInAsync());
        var changed = (await ChangeAsync(Scenarios.Password)).Is(HttpStatusCode.OK);
        Assert.False(await owner.IsInAsync());
        Assert.False(await other.IsInAsync());
        Assert.True(await (owner with { AccessToken = changed.Text("access_token") }).IsInAsync());
        (await RefreshAsync(changed.Text("refresh_token"))).Is(HttpStatusCode.OK);
        (await stack.LogInMemberAsync(owner.Email)).IsProblem(401, "INVALID_CREDENTIALS");
    }

    [Fact]
    public async Task a_suspended_tenants_members_are_refused_and_return_with_it()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        (await stack.AsOperatorAsync(HttpMethod.Delete, "/admin/tenants/" + tenant.Id)).Is(HttpStatusCode.OK);
        (await owner.SendAsync(HttpMethod.Get, "/api/v1/tenant/me")).IsProblem(403, "TENANT_SUSPENDED");
        (await stack.LogInMemberAsync(owner.Email)).IsProblem(403, "TENANT_SUSPENDED");
        (await stack.LogInMemberAsync(owner.Email, "wrong password")).IsProblem(401, "INVALID_CREDENTIALS");
        (await RefreshAsync(owner.RefreshToken)).IsProblem(403, "TENANT_SUSPENDED");
        (await stack.AsOperatorAsync(HttpMethod.Patch, "/admin/tenants/" + tenant.Id, new { status = "active" })).Is(HttpStatusCode.OK);
        Assert.True(await owner.IsInAsync());
        (await RefreshAsync(owner.RefreshToken)).Is(HttpStatusCode.OK); // It was not spent by the refusal.
    }

    [Fact]
    public async Task the_operator_invites_the_first_owner_of_a_tenant_that_it_made()
    {
        var tenant = await stack.NewTenantAsync();
        var email = Scenarios.NewAddress();
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invitations", new { email, role = "owner" })).Is(HttpStatusCode.Created);
        var accepted = (await stack.AcceptAsync(Scenarios.TokenIn(await stack.MailToAsync(email)))).Is(HttpStatusCode.Created);
        var owner = new TestMember(stack, tenant.Id, accepted.Text("member_id"), email, accepted.Text("access_token"), accepted.Text("refresh_token"));
        Assert.Equal(tenant.Id, accepted.Text("tenant_id"));
        await owner.NewColleagueAsync("admin");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{Guid.NewGuid()}/invitations", new { email, role = "owner" })).IsProblem(404, "NOT_FOUND");
        (await stack.AsOperatorAsync(HttpMethod.Post, $"/admin/tenants/{tenant.Id}/invitations", new { email = "x", role = "king" })).IsProblem(400, "VALIDATION_FAILED");
    }

    [Fact]
    public async Task the_demo_tenant_has_an_owner_whose_sign_in_demo_env_tells()
    {
        var answer = (await stack.LogInMemberAsync(Environment.GetEnvironmentVariable("CVAULT_MEMBER_EMAIL")!, Environment.GetEnvironmentVariable("CVAULT_MEMBER_PASSWORD")!)).Is(HttpStatusCode.OK);
        Assert.Equal(Environment.GetEnvironmentVariable("CVAULT_TENANT_ID"), answer.Text("tenant_id"));
    }

    [Fact]
    public async Task settings_are_the_members_to_change_and_limits_are_not()
    {
        var (tenant, owner) = await stack.SignUpAsync();
        var contact = Scenarios.NewAddress();
        var changed = (await owner.SendAsync(HttpMethod.Patch, Settings, new
        {
            name = "Renamed", contact_email = contact.ToUpperInvariant(), lease_policy = "ephemeral", lease_idle_days = 30, key_custody = "client", whitelabel_config = new { color = "red" },
        })).Is(HttpStatusCode.OK);
        Assert.Equal(("Renamed", contact, "ephemeral", "30", "client", "red"), (changed.Text("name"), changed.Text("contact_email"), changed.Text("lease_policy"), changed.Text("lease_idle_days"),
            changed.Text("key_custody"), changed.Json["whitelabel_config"]!["color"]!.ToString()));
        Assert.Equal(changed.Body, (await owner.SendAsync(HttpMethod.Get, Settings)).Body);
        Assert.Equal("Renamed", (await stack.AsOperatorAsync(HttpMethod.Get, "/admin/tenants/" + tenant.Id)).Text("name"));
        Assert.Equal(0L, await CountAsync($"select count(*) from {Database.Schema}.mt_doc_tenant where id = $1 and data::text ilike '%{contact}%'", Guid.Parse(tenant.Id)));

        await owner.SendAsync(HttpMethod.Patch, Settings, new { user_limit = 100_000, status = "active", bandwidth_limit_gb = 9_999, requests_per_minute = 9_999, max_devices_per_user = 999 });
        var after = (await owner.SendAsync(HttpMethod.Get, Settings)).Is(HttpStatusCode.OK);
        Assert.Equal(changed.Body, after.Body);
        Assert.Equal(("trial", "50"), (after.Text("status"), after.Text("user_limit")));

        Assert.Null((await owner.SendAsync(HttpMethod.Patch, Settings, new { contact_email = (string?)null })).Is(HttpStatusCode.OK).Json["contact_email"]);
        var refused = await owner.SendAsync(HttpMethod.Patch, Settings, new { contact_email = "x", lease_policy = "y", key_custody = 3.ToString(), name = " " });
        refused.IsProblem(400, "VALIDATION_FAILED");
        Assert.Equal(["contact_email", "key_custody", "lease_policy", "name"], refused.BadFields);
    }

    [Fact]
    public async Task lists_of_members_come_in_pages()
    {
        var (_, owner) = await stack.SignUpAsync();
        var expected = new List<string> { owner.Id };
        for (var i = 0; i < 3; i++) expected.Add((await owner.NewColleagueAsync("billing")).Id);
        var (shown, cursor) = (new List<string>(), "");
        do
        {
            var page = (await owner.SendAsync(HttpMethod.Get, $"{Members}?limit=2&cursor={cursor}")).Is(HttpStatusCode.OK).Json;
            Assert.InRange(page["members"]!.AsArray().Count, 1, 2);
            shown.AddRange(page["members"]!.AsArray().Select(m => m!["member_id"]!.ToString()));
            cursor = page["next_cursor"]?.ToString();
            Assert.True(shown.Count <= expected.Count, "The pages do not end.");
        }
        while (cursor is not null);
        Assert.Equal(expected, shown);
        (await owner.SendAsync(HttpMethod.Get, Members + "?limit=0")).IsProblem(400, "VALIDATION_FAILED");
    }

    private Task<Answer> RefreshAsync(string token) => stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/refresh", new { refresh_token = token });

    private Task<Answer> ForgotAsync(string email) => stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/password/forgot", new { email });

    private Task<Answer> ResetAsync(string token, string password) => stack.SendAsync(HttpMethod.Post, "/api/v1/tenant/auth/password/reset", new { token, password });

    private static Task<Answer> RoleAsync(TestMember actor, TestMember whom, string role) => actor.SendAsync(HttpMethod.Patch, $"{Members}/{whom.Id}", new { role });

    private async Task<long> CountAsync(string sql, Guid id)
    {
        await using var command = stack.Database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = id });
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
